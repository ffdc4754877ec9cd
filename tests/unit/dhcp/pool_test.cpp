#include "dhcp/pool.hpp"

#include "dhcp_support.hpp"
#include "support/catch.hpp"

#include <random>

using namespace rootstock;
using namespace rootstock::dhcp;
using namespace rootstock::dhcp::test;
using namespace std::chrono_literals;

namespace {
const WallTime start{std::chrono::hours(500'000)};
bool nothing_reserved(Ipv4) { return false; }
} // namespace

TEST_CASE("Fresh addresses come first, then the one whose lease ended longest ago", "[dhcp][pool]") {
    LeasePool pool(ip("10.0.0.1"), ip("10.0.0.3"), {ip("10.0.0.2")});
    CHECK(pool.size() == 2);
    pool.lease(numbered_mac(1), ip("10.0.0.1"), start + 2h);
    CHECK(pool.choose(numbered_mac(2), {}, start + 9h, nothing_reserved) == ip("10.0.0.3"));
    pool.lease(numbered_mac(2), ip("10.0.0.3"), start + 1h);
    CHECK(pool.choose(numbered_mac(3), {}, start + 9h, nothing_reserved) == ip("10.0.0.3"));
    CHECK(pool.choose(numbered_mac(3), {}, start, nothing_reserved) == std::nullopt);
}

TEST_CASE("A client finds its address after its lease ended", "[dhcp][pool]") {
    LeasePool pool(ip("10.0.0.1"), ip("10.0.0.9"), {});
    pool.lease(numbered_mac(1), ip("10.0.0.5"), start);
    CHECK(pool.choose(numbered_mac(1), ip("10.0.0.7"), start + 100h, nothing_reserved) == ip("10.0.0.5"));
}

TEST_CASE("What is asked for is given when it is free", "[dhcp][pool]") {
    LeasePool pool(ip("10.0.0.1"), ip("10.0.0.9"), {});
    CHECK(pool.choose(numbered_mac(1), ip("10.0.0.7"), start, nothing_reserved) == ip("10.0.0.7"));
    pool.offer(numbered_mac(1), ip("10.0.0.7"), start + 10s);
    CHECK(pool.choose(numbered_mac(2), ip("10.0.0.7"), start, nothing_reserved) == ip("10.0.0.1"));
    CHECK(pool.choose(numbered_mac(2), ip("10.0.0.7"), start + 10s, nothing_reserved) == ip("10.0.0.7"));
}

TEST_CASE("A declined address is taken again only when nothing else is left", "[dhcp][pool]") {
    LeasePool pool(ip("10.0.0.1"), ip("10.0.0.2"), {});
    pool.decline(ip("10.0.0.1"), start + 1h);
    CHECK(pool.choose(numbered_mac(1), {}, start, nothing_reserved) == ip("10.0.0.2"));
    pool.lease(numbered_mac(1), ip("10.0.0.2"), start + 1h);
    CHECK(pool.choose(numbered_mac(2), {}, start, nothing_reserved) == ip("10.0.0.1"));
}

TEST_CASE("Pool: no address is ever promised to two clients", "[dhcp][pool]") {
    const auto seed = GENERATE(1U, 2U, 3U, 4U);
    CAPTURE(seed);
    std::mt19937 random(seed);
    LeasePool pool(ip("10.0.0.1"), ip("10.0.0.14"), {});
    std::map<Ipv4, std::pair<Mac, WallTime>> promised; // what clients believe to have
    WallTime now = start;
    for (int step = 0; step < 20'000; ++step) {
        now += std::chrono::seconds(random() % 20);
        const Mac client = numbered_mac(static_cast<std::uint32_t>(random() % 24));
        const auto address = pool.choose(client, {}, now, nothing_reserved);
        if (!address) {
            continue;
        }
        REQUIRE(pool.open_to(client, *address, now));
        const auto other = promised.find(*address);
        REQUIRE((other == promised.end() || other->second.first == client || other->second.second <= now));
        if (random() % 3 == 0) {
            pool.offer(client, *address, now + 10s);
            continue;
        }
        if (const auto before = pool.lease(client, *address, now + 60s)) {
            promised.erase(*before);
        }
        promised[*address] = {client, now + 60s};
    }
}
