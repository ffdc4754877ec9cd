#include "fleet/boot_log.hpp"
#include "fleet/limits.hpp"
#include "support/catch.hpp"

#include <random>

using namespace rootstock;
using namespace rootstock::fleet;
using namespace std::chrono_literals;

namespace {

Mac mac(std::uint8_t last) { return {{0x52, 0x54, 0, 0xaa, 0, last}}; }
Moment at(const ManualClock& clock) { return {clock.now(), clock.wall()}; }

Boot boot_at(Stage stage, BootOutcome outcome = BootOutcome::in_progress) {
    Boot boot;
    boot.stages.push_back({stage, {}, {}});
    boot.outcome = outcome;
    return boot;
}

} // namespace

TEST_CASE("When a stage begins a new boot", "[fleet][boot]") {
    struct Row {
        Stage reached;
        Stage seen;
        BootOutcome outcome;
        Duration silence;
        bool begins;
    };
    constexpr auto going = BootOutcome::in_progress;
    const Row rows[] = {
        {Stage::discover, Stage::discover, going, 4s, false},               // the DISCOVER is repeated
        {Stage::loader, Stage::discover, going, 9s, false},                 // now it is iPXE that asks
        {Stage::loader, Stage::script, going, 2s, false},
        {Stage::script, Stage::discover, going, 5s, true},                  // it was switched off and on
        {Stage::script, Stage::script, going, 5s, false},                   // an unknown machine that waits
        {Stage::script, Stage::script, BootOutcome::refused, 5s, false},    // a replaced PC that asks again
        {Stage::script, Stage::discover, BootOutcome::refused, 5s, true},
        {Stage::offer, Stage::discover, going, 11min, true},                // it was given up
        {Stage::discover, Stage::loader, BootOutcome::failed, 1s, true},
        {Stage::os_login, Stage::script, going, 40s, true},                 // another server leases the addresses
        {Stage::running, Stage::loader, BootOutcome::running, 40s, true},
        {Stage::running, Stage::offer, BootOutcome::running, 1h, false},    // the OS renews its lease
        {Stage::login, Stage::login, going, 1h, false},
    };
    for (const Row& row : rows) {
        CAPTURE(stage_name(row.reached), stage_name(row.seen), outcome_name(row.outcome));
        CHECK(begins_new_boot(boot_at(row.reached, row.outcome), row.seen, row.silence) == row.begins);
    }
}

TEST_CASE("Stages never go back and are noted once", "[fleet][boot]") {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        Boot boot;
        for (int step = 0; step < 30; ++step) {
            advance(boot, Stage(random() % stage_count), {}, "");
            for (std::size_t i = 1; i < boot.stages.size(); ++i) {
                REQUIRE(boot.stages[i - 1].stage < boot.stages[i].stage);
            }
        }
    }
}

TEST_CASE("One boot from DISCOVER to running, the next one after a power cycle", "[fleet][boot]") {
    ManualClock clock;
    BootLog log;
    const BootOwner owner{MachineId{1}, 1};
    const BootId first = log.see(mac(1), Stage::discover, "", owner, at(clock)).id;
    for (const Stage stage : {Stage::offer, Stage::loader, Stage::discover, Stage::offer, Stage::script}) {
        clock.advance(1s);
        REQUIRE(log.see(mac(1), stage, "", owner, at(clock)).id == first);
    }
    REQUIRE(log.disk_boot(mac(1), owner, at(clock)).id == first);
    REQUIRE(log.stage(first, Stage::login, "", at(clock)));
    REQUIRE(log.stage(first, Stage::running, "", at(clock)));
    CHECK(log.find(first)->outcome == BootOutcome::running);
    CHECK(log.see(mac(1), Stage::discover, "", owner, at(clock)).id == first + 1);
    CHECK(log.find(first)->stages.size() == 6);
}

TEST_CASE("A script fetched again before the login is the same boot, after it a new one", "[fleet][boot]") {
    ManualClock clock;
    BootLog log;
    const BootOwner owner{MachineId{1}, 1};
    Boot& boot = log.disk_boot(mac(1), owner, at(clock));
    boot.chap_secret = "secret";
    const BootId id = boot.id;
    CHECK(log.disk_boot(mac(1), owner, at(clock)).chap_secret == "secret");
    log.stage(id, Stage::login, "", at(clock));
    const Boot& next = log.disk_boot(mac(1), owner, at(clock));
    CHECK(next.id != id);
    CHECK(next.chap_secret.empty());
}

TEST_CASE("A PC that is assigned while it waits goes on in the same boot, as the machine's", "[fleet][boot]") {
    ManualClock clock;
    BootLog log;
    const BootId id = log.see(mac(1), Stage::script, "waits", {}, at(clock)).id;
    for (int poll = 0; poll < 100; ++poll) {
        clock.advance(1min);
        log.see(mac(1), Stage::script, "waits", {}, at(clock));
    }
    const Boot& boot = log.disk_boot(mac(1), {MachineId{3}, 2}, at(clock));
    CHECK(boot.id == id);
    CHECK(boot.machine == MachineId{3});
    CHECK(boot.generation == 2);
    CHECK(log.newest(MachineId{3}, 10).size() == 1);
}

TEST_CASE("A boot older than all that its new owner has kept is not lost when it is booked to him", "[fleet][boot]") {
    ManualClock clock;
    BootLog log;
    const BootId waiting = log.see(mac(1), Stage::script, "", {}, at(clock)).id;
    const BootOwner owner{MachineId{1}, 1};
    for (std::size_t i = 0; i < boots_per_machine_max; ++i) {
        log.stage(log.disk_boot(mac(2), owner, at(clock)).id, Stage::login, "", at(clock));
    }
    CHECK(log.disk_boot(mac(1), owner, at(clock)).id == waiting);
    CHECK(log.find(waiting) != nullptr);
    CHECK(log.newest(MachineId{1}, 1000).size() == boots_per_machine_max);
}

TEST_CASE("A flood of strangers pushes out no machine's boot", "[fleet][boot]") {
    ManualClock clock;
    BootLog log;
    const BootId kept = log.disk_boot(mac(1), {MachineId{1}, 1}, at(clock)).id;
    for (std::uint32_t i = 0; i < 5000; ++i) {
        const Mac stranger{{2, 0, 0, 0, std::uint8_t(i >> 8U), std::uint8_t(i)}};
        log.see(stranger, Stage::discover, "", {}, at(clock));
    }
    REQUIRE(log.find(kept) != nullptr);
    CHECK(log.newest(std::nullopt, 100000).size() == boots_without_machine_max + 1);
    CHECK(log.take_changed().size() == boots_without_machine_max + 1);
}

TEST_CASE("An ended boot comes back when its sessions return; a refused one does not", "[fleet][boot]") {
    ManualClock clock;
    BootLog log;
    const BootId id = log.disk_boot(mac(1), {MachineId{1}, 1}, at(clock)).id;
    log.stage(id, Stage::running, "", at(clock));
    REQUIRE(log.end(id, BootOutcome::ended, "connection lost"));
    CHECK_FALSE(log.end(id, BootOutcome::ended, "connection lost"));
    CHECK(log.stage(id, Stage::login, "", at(clock)));
    CHECK(log.find(id)->outcome == BootOutcome::running);
    CHECK(log.find(id)->reason.empty());
    REQUIRE(log.end(id, BootOutcome::refused, "replaced"));
    CHECK_FALSE(log.stage(id, Stage::login, "", at(clock)));
    CHECK(log.find(id)->outcome == BootOutcome::refused);
}

TEST_CASE("After a restart the newest boot of a PC is the present one", "[fleet][boot]") {
    ManualClock clock;
    std::vector<Boot> boots(2);
    boots[0].id = 9;
    boots[1].id = 4;
    for (Boot& boot : boots) {
        boot.mac = mac(1);
        boot.started = clock.wall() - 1min;
    }
    BootLog log;
    log.restore(boots, at(clock));
    CHECK(log.see(mac(1), Stage::offer, "", {}, at(clock)).id == 9);
    clock.advance(boot_silence_max + 1s);
    CHECK(log.see(mac(1), Stage::discover, "", {}, at(clock)).id == 10);
}
