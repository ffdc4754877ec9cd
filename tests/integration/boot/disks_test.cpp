// Disks over the real database and the real store: who gets which machine's disk, and what becomes of it.
#include "disks_world.hpp"

using namespace rootstock;
using namespace rootstock::test;

namespace {

std::vector<fleet::Stage> stages_of(const fleet::Boot& boot) {
    std::vector<fleet::Stage> stages;
    for (const fleet::StageTime& stage : boot.stages) {
        stages.push_back(stage.stage);
    }
    return stages;
}

} // namespace

TEST_CASE("Disks: who may log in to a machine's disk", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto boot = world.script();
    const auto authorize = [&](iscsi::LoginRequest request) {
        return world.disks->authorize(request);
    };
    REQUIRE(authorize(login_of(1)));
    CHECK(authorize(login_of(1))->chap_required);
    CHECK(authorize(login_of(2)).error() == LoginStatus::authorization_failure);
    auto stranger = login_of(1);
    stranger.initiator_name = "iqn.1993-08.org.debian:01:abcdef";
    CHECK(authorize(stranger).error() == LoginStatus::authorization_failure);
    auto elsewhere = login_of(1);
    elsewhere.target_name = "iqn.2026-01.internal.rootstock:machine.lab1-08";
    CHECK(authorize(elsewhere).error() == LoginStatus::not_found);
    elsewhere.target_name = "iqn.2026-01.internal.rootstock:nonsense";
    CHECK(authorize(elsewhere).error() == LoginStatus::not_found);

    CHECK(world.disks->chap_secret(login_of(1), chap_user("lab1-07", boot.id)) == boot.chap_secret);
    CHECK_FALSE(world.disks->chap_secret(login_of(1), chap_user("lab1-07", boot.id + 1)));
    CHECK_FALSE(world.disks->chap_secret(login_of(1), "lab1-07"));
    CHECK_FALSE(world.disks->chap_secret(stranger, chap_user("lab1-07", boot.id)));
    CHECK(world.disks->open(login_of(1), "").error() == LoginStatus::authorization_failure);

    CHECK(world.disks->discover(login_of(1)).size() == 1);
    CHECK(world.disks->discover(stranger).empty());
}

TEST_CASE("Disks: a boot's sessions share one disk and write its record", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto boot = world.script();
    LiveSession firmware(world, login_of(1), boot);
    CHECK(firmware.first_byte() == 'M');
    firmware.target.lease->first_read();
    LiveSession system(world, login_of(1, linux_isid), boot);
    CHECK(&system.device() == &firmware.device());
    CHECK_FALSE(firmware.ended);
    system.target.lease->first_write();
    CHECK(world.disks->sessions().size() == 2);
    const auto record = world.registry->boot(boot.id);
    using fleet::Stage;
    CHECK(stages_of(*record) ==
          std::vector<Stage>{
              Stage::script, Stage::login, Stage::first_read, Stage::os_login, Stage::running});
    CHECK(record->outcome == fleet::BootOutcome::running);
}

TEST_CASE("Disks: a write of the firmware's session is no running system", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto boot = world.script();
    LiveSession firmware(world, login_of(1), boot);
    firmware.target.lease->first_write();
    CHECK(world.registry->boot(boot.id)->outcome == fleet::BootOutcome::in_progress);
}

TEST_CASE("Disks: the boot that runs first leaves its version a trace of what it read", "[boot][disks][trace]") {
    World world;
    const auto mode = GENERATE(fleet::Mode::persistent, fleet::Mode::reset);
    world.assign(mode);
    const auto boot = world.script();
    LiveSession firmware(world, login_of(1), boot);
    CHECK(firmware.first_byte() == 'M');
    LiveSession system(world, login_of(1, linux_isid), boot);
    CHECK(system.first_byte() == 'M');
    system.target.lease->first_write();
    world.store->review_traces();
    CHECK_FALSE(world.store->version_uses("debian12")->front().trace);
    world.clock.leap(images::trace_quiet);
    world.store->review_traces();
    const auto trace = world.store->version_uses("debian12")->front().trace;
    REQUIRE(trace);
    CHECK(std::tuple(trace->reads, trace->bytes, trace->block_count, trace->machine) == std::tuple(2, 4096, 1, "lab1-07"));
}

TEST_CASE("Disks: a newer boot takes the disk over, the older one cannot come back",
          "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto first = world.script();
    LiveSession older(world, login_of(1, linux_isid), first);
    older.write_first('W');
    const auto second = world.script();
    REQUIRE(second.id > first.id);
    CHECK_FALSE(older.ended); // a script alone ends nothing
    LiveSession newer(world, login_of(1), second);
    CHECK(older.ended == EndReason::replaced_by_newer);
    CHECK(newer.first_byte() == 'W');
    CHECK(world.disks->open(login_of(1, linux_isid), chap_user("lab1-07", first.id)).error() ==
          LoginStatus::authorization_failure);
    CHECK(world.registry->boot(first.id)->outcome == fleet::BootOutcome::ended);
}

TEST_CASE("Disks: mode reset forgets at a new boot, keeps at a reconnect, also over a restart of "
          "the server",
          "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::reset);
    const auto first = world.script();
    {
        LiveSession firmware(world, login_of(1), first);
        LiveSession system(world, login_of(1, linux_isid), first);
        system.write_first('W');
    }
    {
        LiveSession again(world, login_of(1, linux_isid), first);
        CHECK(again.first_byte() == 'W');
    }
    world.stop();
    world.start();
    {
        LiveSession again(world, login_of(1, linux_isid), first);
        CHECK(again.first_byte() == 'W');
    }
    const auto second = world.script();
    LiveSession anew(world, login_of(1), second);
    CHECK(anew.first_byte() == 'M');
}

TEST_CASE("Disks: mode reset: whose disk it is, is durable before the first write", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::reset);
    const auto boot = world.script();
    const LiveSession firmware(world, login_of(1), boot);
    const auto stored = world.database->fleet().load_boots(std::nullopt, 1); // long before a lazy write
    REQUIRE(stored);
    CHECK(stages_of(stored->at(0)).back() == fleet::Stage::login);
}

TEST_CASE("Disks: a replaced PC is cut off, and its successor has the disk", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto before = world.script();
    LiveSession old(world, login_of(1, linux_isid), before);
    old.write_first('W');
    REQUIRE(world.registry->replace("lab1-07", new_pc, "test"));
    CHECK(old.ended == EndReason::fenced);
    CHECK(world.disks->authorize(login_of(1)).error() == LoginStatus::authorization_failure);
    CHECK_FALSE(world.disks->chap_secret(login_of(1), chap_user("lab1-07", before.id)));
    CHECK_FALSE(world.disks->chap_secret(login_of(2), chap_user("lab1-07", before.id)));
    LiveSession successor(world, login_of(2), world.script(new_pc));
    CHECK(successor.first_byte() == 'W');
}

TEST_CASE("Disks: a machine replaced between open and the start of its session is cut off as well",
          "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    auto opened = world.disks->open(login_of(1), chap_user("lab1-07", world.script().id));
    REQUIRE(opened);
    REQUIRE(world.registry->replace("lab1-07", new_pc, "test"));
    std::optional<EndReason> ended;
    opened->lease->started([&](EndReason reason) { ended = reason; });
    CHECK(ended == EndReason::fenced);
}

TEST_CASE(
    "Disks: a thrown away disk is new at the next boot, and not for the system that ran on it",
    "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto first = world.script();
    LiveSession running(world, login_of(1, linux_isid), first);
    running.write_first('W');
    REQUIRE(world.disks->discard_machine_disk("lab1-07"));
    CHECK(running.ended == EndReason::target_removed);
    CHECK_FALSE(world.disks->chap_secret(login_of(1), chap_user("lab1-07", first.id)));
    LiveSession anew(world, login_of(1), world.script());
    CHECK(anew.first_byte() == 'M');
}

TEST_CASE("Disks: a removed machine's sessions end", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    LiveSession running(world, login_of(1), world.script());
    REQUIRE(world.registry->remove("lab1-07", "test"));
    CHECK(running.ended == EndReason::fenced);
    CHECK(world.disks->authorize(login_of(1)).error() == LoginStatus::not_found);
}

TEST_CASE("Disks: what cannot be opened fails the boot, and its record says why", "[boot][disks]") {
    World world;
    fleet::NewMachine machine;
    machine.name = "lab1-07";
    machine.macs = {pc};
    machine.image = "not-there";
    REQUIRE(world.registry->assign(machine, "test"));
    const auto boot = world.script();
    CHECK(world.disks->open(login_of(1), chap_user("lab1-07", boot.id)).error() ==
          LoginStatus::target_error);
    const auto record = world.registry->boot(boot.id);
    CHECK(record->outcome == fleet::BootOutcome::failed);
    CHECK_THAT(record->reason, Catch::Contains("not-there"));
}
