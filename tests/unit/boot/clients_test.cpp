#include "boot/clients.hpp"
#include "boot/limits.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::boot;
using namespace std::chrono_literals;

namespace {

const Mac pc = *Mac::parse("52:54:00:aa:00:07");
const Ipv4 address = *Ipv4::parse("10.20.0.107");

struct Known {
    ManualClock clock;
    Clients clients{clock};
};

} // namespace

TEST_CASE("Clients: the iPXE after a fetched loader is ours, until it has its script",
          "[boot][clients]") {
    Known known;
    known.clients.acknowledged(pc, address, true);
    CHECK_FALSE(known.clients.runs_our_loader(pc));
    known.clients.fetched_loader(pc);
    known.clock.advance(60s);
    CHECK(known.clients.runs_our_loader(pc));
    known.clients.fetched_script(pc);
    CHECK_FALSE(known.clients.runs_our_loader(pc)); // the next power-on begins with the ROM again
}

TEST_CASE("Clients: a PC switched off between loader and script begins anew", "[boot][clients]") {
    Known known;
    known.clients.acknowledged(pc, address, true);
    known.clients.fetched_loader(pc);
    known.clock.advance(loader_to_script_max + 1s);
    CHECK_FALSE(known.clients.runs_our_loader(pc));
}

TEST_CASE("Clients: loaders that never arrive do not keep a PC for ever", "[boot][clients]") {
    Known known;
    unsigned attempts = 0;
    while (!known.clients.runs_our_loader(pc)) {
        known.clients.acknowledged(pc, address, true);
        known.clock.advance(20s);
        REQUIRE(++attempts <= loader_attempts_max);
    }
    CHECK(attempts == loader_attempts_max);
}

TEST_CASE("Clients: an address belongs to the last one that was given it", "[boot][clients]") {
    Known known;
    const Mac other = *Mac::parse("52:54:00:bb:00:07");
    known.clients.acknowledged(pc, address, false);
    CHECK(known.clients.owner_of(address) == pc);
    known.clients.acknowledged(other, address, false);
    CHECK(known.clients.owner_of(address) == other);
    CHECK_FALSE(known.clients.facts(pc).address);
    known.clients.acknowledged(other, *Ipv4::parse("10.20.0.108"), false);
    CHECK_FALSE(known.clients.owner_of(address));
}

TEST_CASE("Clients: a flood of MACs is bounded, and the latest are known", "[boot][clients]") {
    Known known;
    for (std::uint32_t i = 0; i < 3 * clients_max; ++i) {
        Mac mac = pc;
        mac.octets[3] = static_cast<std::uint8_t>(i >> 16);
        mac.octets[4] = static_cast<std::uint8_t>(i >> 8);
        mac.octets[5] = static_cast<std::uint8_t>(i);
        known.clients.acknowledged(mac, Ipv4{0x0a000000 + i}, false);
    }
    CHECK_FALSE(known.clients.owner_of(Ipv4{0x0a000000}));
    CHECK(known.clients.owner_of(Ipv4{0x0a000000 + 3 * clients_max - 1}));
    CHECK(known.clients.owner_of(Ipv4{0x0a000000 + 2 * clients_max}));
}
