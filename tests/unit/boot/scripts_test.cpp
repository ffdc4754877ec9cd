#include "boot/script.hpp"
#include "boot/scripts.hpp"
#include "support/catch.hpp"
#include "support/memory_fleet_store.hpp"

#include <atomic>

using namespace rootstock;
using namespace rootstock::boot;
using Catch::Contains;

namespace {

const Mac pc = *Mac::parse("52:54:00:aa:00:07");
const Mac other = *Mac::parse("52:54:00:bb:00:07");

Settings settings_with(UnknownAction action) {
    Settings settings;
    settings.address = *Ipv4::parse("10.20.0.1");
    settings.unknown = action;
    settings.unknown_image = "win11";
    return settings;
}

struct World {
    explicit World(UnknownAction action = UnknownAction::wait) : settings(settings_with(action)) {}

    const Settings settings;
    test::MemoryFleetStore store;
    SystemRandom random;
    ManualClock clock;
    NullLog log;
    fleet::Registry registry{store, random, clock};
    Clients clients{clock};
    Scripts scripts{settings, registry, clients, log};
};

void assign(World& world, std::string name, Mac mac) {
    fleet::NewMachine machine;
    machine.name = std::move(name);
    machine.macs = {mac};
    machine.image = "win11";
    REQUIRE(world.registry.assign(machine, "test"));
}

ScriptRequest request_of(Mac mac, bool waits = false) {
    ScriptRequest request;
    request.mac = mac;
    request.waits = waits;
    request.remote_address = "10.20.0.107";
    return request;
}

} // namespace

TEST_CASE("Scripts: a machine gets its disk, with the secret that its boot record has",
          "[boot][scripts]") {
    World world;
    assign(world, "lab1-07", pc);
    const std::string script = world.scripts.script(request_of(pc));
    const auto boots = world.registry.boots(std::nullopt, 1);
    REQUIRE(boots.size() == 1);
    const auto boot = world.registry.boot(boots[0].id);
    REQUIRE(boot);
    CHECK(boot->chap_secret.size() >= 24);
    CHECK(script == machine_script(world.settings, *world.registry.view()->find("lab1-07"), *boot));
    CHECK(boots[0].stages.back().stage == fleet::Stage::script);
}

TEST_CASE("Scripts: an unknown PC waits, and is listed with what it says of itself",
          "[boot][scripts]") {
    World world;
    ScriptRequest request = request_of(pc, true);
    request.manufacturer = "QEMU";
    CHECK(world.scripts.must_wait(request));
    CHECK_FALSE(world.scripts.must_wait(request_of(pc))); // its screen must be shown first
    CHECK(world.scripts.script(request) == waiting_script(world.settings, pc));
    REQUIRE(world.registry.unknown().size() == 1);
    CHECK(world.registry.unknown()[0].manufacturer == "QEMU");
    CHECK(world.registry.unknown()[0].address == Ipv4::parse("10.20.0.107"));
}

TEST_CASE("Scripts: an assignment wakes the PC that waits, and no other", "[boot][scripts]") {
    World world;
    std::atomic<int> woken{0};
    std::atomic<int> other_woken{0};
    const auto handle = world.scripts.wait(request_of(pc, true), [&] { ++woken; });
    const auto other_handle = world.scripts.wait(request_of(other, true), [&] { ++other_woken; });
    CHECK(world.registry.unknown().size() == 2);
    CHECK(world.registry.unknown()[0].waiting);
    assign(world, "lab1-07", pc);
    CHECK(woken == 1);
    CHECK(other_woken == 0);
    CHECK_FALSE(world.scripts.must_wait(request_of(pc, true)));
    CHECK_THAT(world.scripts.script(request_of(pc, true)), Contains("sanboot"));
}

TEST_CASE("Scripts: an assignment between looking and waiting is not lost", "[boot][scripts]") {
    World world;
    REQUIRE(world.scripts.must_wait(request_of(pc, true)));
    assign(world, "lab1-07", pc);
    int woken = 0;
    const auto handle = world.scripts.wait(request_of(pc, true), [&] { ++woken; });
    CHECK(woken == 1);
}

TEST_CASE("Scripts: a PC that no longer waits is not called", "[boot][scripts]") {
    World world;
    int woken = 0;
    world.scripts.wait(request_of(pc, true), [&] { ++woken; }).reset();
    assign(world, "lab1-07", pc);
    CHECK(woken == 0);
}

TEST_CASE(
    "Scripts: a replaced PC is told who took its place, and comes back when it is needed again",
    "[boot][scripts]") {
    World world;
    assign(world, "lab1-07", pc);
    REQUIRE(world.registry.replace("lab1-07", other, "test"));
    const std::string script = world.scripts.script(request_of(pc));
    const auto view = world.registry.view();
    CHECK(script ==
          replaced_script(world.settings, *view->find("lab1-07"), *view->owner(pc).retired));
    CHECK_THAT(script, !Contains("sanboot"));
    const auto boots = world.registry.boots(std::nullopt, 1);
    REQUIRE(boots.size() == 1);
    CHECK(boots[0].outcome == fleet::BootOutcome::refused);
    CHECK(boots[0].reason == "replaced by 52:54:00:bb:00:07");
    CHECK(world.scripts.must_wait(request_of(pc, true)));
    int woken = 0;
    const auto handle = world.scripts.wait(request_of(pc, true), [&] { ++woken; });
    REQUIRE(world.registry.replace("lab1-07", pc, "test"));
    CHECK(woken == 1);
    CHECK_THAT(world.scripts.script(request_of(pc)), Contains("initiator.3:lab1-07"));
}

TEST_CASE("Scripts: a disk that could not be opened is explained on the PC's screen",
          "[boot][scripts]") {
    World world;
    assign(world, "lab1-07", pc);
    CHECK_THAT(world.scripts.script(request_of(pc)), Contains("sanboot"));
    const auto boot = world.registry.boots(std::nullopt, 1).at(0).id;
    world.registry.boot_ended(boot, fleet::BootOutcome::failed, "there is no image win11");
    ScriptRequest retry = request_of(pc);
    retry.retries = true;
    CHECK_THAT(world.scripts.script(retry),
               Contains("echo there is no image win11") && !Contains("sanboot"));
    CHECK_THAT(world.scripts.script(request_of(pc)),
               Contains("sanboot")); // the next attempt, ten seconds later
}

TEST_CASE("Scripts: unknown PCs by policy", "[boot][scripts]") {
    SECTION("local disk") {
        World world(UnknownAction::local_disk);
        CHECK(world.scripts.script(request_of(pc)) == local_disk_script(pc));
        CHECK_FALSE(world.scripts.must_wait(request_of(pc, true)));
    }
    SECTION("an image: it becomes a machine and boots") {
        World world(UnknownAction::image);
        CHECK_THAT(world.scripts.script(request_of(pc)), Contains("machine.pc-525400aa0007"));
        const auto view = world.registry.view();
        REQUIRE(view->find("pc-525400aa0007") != nullptr);
        CHECK(view->find("pc-525400aa0007")->image == "win11");
    }
}
