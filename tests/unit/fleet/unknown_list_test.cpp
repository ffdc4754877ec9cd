#include "fleet/limits.hpp"
#include "fleet/unknown_list.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::fleet;
using namespace std::chrono_literals;

namespace {
Mac numbered(std::uint32_t number) { return {{2, 0, 0, std::uint8_t(number >> 16U), std::uint8_t(number >> 8U), std::uint8_t(number)}}; }
UnknownMachine facts(std::uint32_t number) {
    UnknownMachine machine;
    machine.mac = numbered(number);
    return machine;
}
} // namespace

TEST_CASE("What a PC says later adds to what it said before", "[fleet][unknown]") {
    ManualClock clock;
    UnknownList list;
    UnknownMachine first = facts(1);
    first.architecture = "x86-64 UEFI";
    REQUIRE(list.merge(first, clock.wall()));
    clock.advance(5s);
    UnknownMachine second = facts(1);
    second.product = "OptiPlex\x07";
    REQUIRE(list.merge(second, clock.wall()));
    CHECK_FALSE(list.merge(second, clock.wall()));
    const auto all = list.all();
    REQUIRE(all.size() == 1);
    CHECK(all[0].architecture == "x86-64 UEFI");
    CHECK(all[0].product == "OptiPlex?");
    CHECK(all[0].last_seen - all[0].first_seen == 5s);
}

TEST_CASE("The list is bounded; the silent one goes first, who waits stays", "[fleet][unknown]") {
    ManualClock clock;
    UnknownList list;
    list.merge(facts(0), clock.wall());
    REQUIRE(list.set_waiting(numbered(0), true, clock.wall()));
    for (std::uint32_t i = 1; i <= unknown_machines_max; ++i) {
        clock.advance(1ms);
        list.merge(facts(i), clock.wall());
    }
    const auto all = list.all();
    CHECK(all.size() == unknown_machines_max);
    CHECK(all[0].mac == numbered(0));
    CHECK(all[1].mac == numbered(2));
    CHECK(list.take_changed().size() == unknown_machines_max);
    CHECK(list.take_changed().empty());
}

TEST_CASE("Nobody waits for a server that has just come up", "[fleet][unknown]") {
    UnknownMachine machine = facts(1);
    machine.waiting = true;
    UnknownList list;
    list.restore({machine});
    CHECK_FALSE(list.all()[0].waiting);
}
