#include "boot/names.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::boot;
using Kind = Names::TargetName::Kind;

namespace {

const Names names{"iqn.2026-01.internal.rootstock"};

fleet::Machine machine_of(std::string name, std::uint32_t generation) {
    fleet::Machine machine;
    machine.name = std::move(name);
    machine.generation = generation;
    return machine;
}

} // namespace

TEST_CASE("Names: what is made is understood again", "[boot][names]") {
    const auto machine = names.parse_target(names.machine_target("lab1-07"));
    REQUIRE(machine);
    CHECK(machine->kind == Kind::machine);
    CHECK(machine->name == "lab1-07");
    const auto volume = names.parse_target(names.volume_target("data.v2"));
    REQUIRE(volume);
    CHECK(volume->kind == Kind::volume);
    CHECK(volume->name == "data.v2");
    const auto initiator = names.parse_initiator(names.initiator(machine_of("lab1-07", 12)));
    REQUIRE(initiator);
    CHECK(initiator->machine == "lab1-07");
    CHECK(initiator->generation == 12);
    CHECK(boot_of_chap_user(chap_user("lab1-07", 41), "lab1-07") == 41);
}

TEST_CASE("Names: iSCSI names are compared without case", "[boot][names]") {
    CHECK(names.parse_target("IQN.2026-01.Internal.Rootstock:Machine.LAB1-07")->name == "lab1-07");
}

TEST_CASE("Names: anything else is no name of ours", "[boot][names]") {
    for (const char* target : {"",
                               "iqn.2026-01.internal.rootstock",
                               "iqn.2026-01.internal.rootstock:machine.",
                               "iqn.2026-01.internal.rootstock:machine.a_b",
                               "iqn.2026-01.internal.rootstock:disk.a",
                               "iqn.2020-01.other:machine.a",
                               "iqn.2026-01.internal.rootstock:machine.a b",
                               "iqn.2026-01.internal.rootstock:volume.../x"}) {
        INFO(target);
        CHECK_FALSE(names.parse_target(target));
    }
    for (const char* initiator : {"iqn.2026-01.internal.rootstock:initiator.1",
                                  "iqn.2026-01.internal.rootstock:initiator.:a",
                                  "iqn.2026-01.internal.rootstock:initiator.-1:a",
                                  "iqn.2026-01.internal.rootstock:initiator.99999999999:a",
                                  "iqn.1993-08.org.debian:01:abc"}) {
        INFO(initiator);
        CHECK_FALSE(names.parse_initiator(initiator));
    }
    for (const char* user : {"lab1-07",
                             "lab1-07.",
                             "lab1-07.x",
                             "lab1-07.0",
                             "lab1-07.-4",
                             "lab1-08.41",
                             "lab1-07.41 "}) {
        INFO(user);
        CHECK_FALSE(boot_of_chap_user(user, "lab1-07"));
    }
}
