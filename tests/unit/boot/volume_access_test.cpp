#include "boot/volume_access.hpp"
#include "boot/lease_book.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::boot;

namespace {

class NoLeases final : public dhcp::LeaseStore {
  public:
    Result<std::vector<dhcp::Lease>> load() override { return std::vector<dhcp::Lease>(); }
    Result<void> save(const std::vector<dhcp::Lease>&) override {
        return full ? Result<void>(make_error(std::errc::no_space_on_device, "full")) : Result<void>();
    }
    Result<void> remove(Ipv4) override { return {}; }
    bool full = false;
};

const Mac card = *Mac::parse("52:54:00:aa:00:07");
const Ipv4 address = *Ipv4::parse("10.20.0.107");

dhcp::Lease lease() {
    dhcp::Lease lease;
    lease.address = address;
    lease.mac = card;
    return lease;
}

} // namespace

TEST_CASE("What may stand in a volume's list", "[boot][volumes]") {
    for (const char* entry : {"*", "lab1-07", "iqn.2004-10.org.example:pc", "eui.02004567a425678d", "naa.6525350000000001", "10.20.0.7",
                              "10.20.0.0/16", "fd00::/64", "fd00::7", "52:54:00:aa:00:07"}) {
        CAPTURE(entry);
        CHECK(is_valid_initiator_entry(entry));
    }
    for (const char* entry : {"", "**", "iqn.bad", "Lab_7", "10.20.0.0/33", "10.20.0.1/16", "52:54:00:aa:00", "fd00::/64/3", "eui.xyz"}) {
        CAPTURE(entry);
        CHECK_FALSE(is_valid_initiator_entry(entry));
    }
}

TEST_CASE("Who is on a volume's list", "[boot][volumes]") {
    const Visitor pc{"iqn.2026-01.test:pc", "lab1-07", "10.20.0.107"};
    const Visitor stranger{"iqn.2026-01.test:other", "", "fd00::9"};
    const LeaseOwner owner = [](Ipv4 asked) { return asked == address ? std::optional(card) : std::nullopt; };
    struct Row {
        const char* entry;
        bool pc, stranger;
    };
    const Row rows[] = {
        {"*", true, true},
        {"lab1-07", true, false},
        {"lab1-08", false, false},
        {"iqn.2026-01.test:other", false, true},
        {"10.20.0.0/16", true, false},
        {"10.20.0.108", false, false},
        {"fd00::/16", false, true},
        {"52:54:00:aa:00:07", true, false},
        {"52:54:00:aa:00:08", false, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.entry);
        CHECK(is_listed({"nobody", row.entry}, pc, owner) == row.pc);
        CHECK(is_listed({row.entry}, stranger, owner) == row.stranger);
    }
    CHECK_FALSE(is_listed({}, pc, owner));
    CHECK_FALSE(is_listed({"52:54:00:aa:00:07"}, pc, {}));
}

TEST_CASE("The lease book knows what is durable, and forgets what was released", "[boot][leases]") {
    NoLeases store;
    LeaseBook book(store);
    CHECK_FALSE(book.owner_of(address));
    store.full = true;
    CHECK_FALSE(book.save({lease()}));
    CHECK_FALSE(book.owner_of(address));
    store.full = false;
    REQUIRE(book.save({lease()}));
    CHECK(book.owner_of(address) == card);
    REQUIRE(book.remove(address));
    CHECK_FALSE(book.owner_of(address));
}
