#include "db/database.hpp"
#include "fleet/limits.hpp"
#include "fleet/registry.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace rootstock;
using namespace rootstock::fleet;
using namespace std::chrono_literals;

namespace {

const Mac pc_a = *Mac::parse("52:54:00:aa:00:07");
const Mac pc_b = *Mac::parse("52:54:00:bb:00:07");

struct Place {
    test::TemporaryFolder folder;
    SystemClock clock;
    std::unique_ptr<db::Database> database;

    Place() { reopen(); }
    void reopen() {
        database.reset();
        auto opened = db::Database::open(folder.file("rootstock.db"), clock);
        REQUIRE(opened);
        database = std::move(*opened);
    }
    Store& store() { return database->fleet(); }
};

Machine seat(std::string name, Mac mac) {
    Machine machine;
    machine.name = std::move(name);
    machine.macs = {mac};
    machine.image = "debian12";
    return machine;
}

Mac numbered(std::uint32_t number) { return {{2, 0, 0, 0, std::uint8_t(number >> 8U), std::uint8_t(number)}}; }

} // namespace

TEST_CASE("A machine comes back with MACs in order, retired MACs and address", "[db][machine]") {
    Place place;
    Machine machine = seat("lab1-07", pc_b);
    machine.macs.push_back(numbered(1));
    machine.mode = Mode::reset;
    machine.address = Ipv4::parse("10.20.0.7");
    machine.generation = 3;
    machine.quota_bytes = std::uint64_t{20} << 30U;
    machine.group = "lab1";
    machine.retired = {{pc_a, pc_b, 2, wall_from_unix_ms(1767225600123)}};
    const auto stored = place.store().put_machine(machine);
    REQUIRE(stored);
    place.reopen();
    const auto loaded = place.store().load_machines();
    REQUIRE(loaded->size() == 1);
    const Machine& back = loaded->front();
    CHECK(back.id == stored->id);
    CHECK(back.macs == machine.macs);
    CHECK(back.mode == Mode::reset);
    CHECK(back.address == machine.address);
    CHECK(back.generation == 3);
    CHECK(back.quota_bytes == machine.quota_bytes);
    CHECK(back.group == "lab1");
    REQUIRE(back.retired.size() == 1);
    CHECK(back.retired[0].mac == pc_a);
    CHECK(back.retired[0].replaced_by == pc_b);
    CHECK(back.retired[0].when == machine.retired[0].when);
}

TEST_CASE("A MAC or name that another machine has is refused with its name; nothing is half written", "[db][machine]") {
    Place place;
    REQUIRE(place.store().put_machine(seat("lab1-07", pc_a)));
    Machine thief = seat("lab1-08", pc_b);
    thief.macs.push_back(pc_a);
    const auto refused = place.store().put_machine(thief);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == std::errc::file_exists);
    CHECK_THAT(refused.error().what, Catch::Matchers::Contains("lab1-07"));
    CHECK_FALSE(place.store().put_machine(seat("lab1-07", pc_b)));
    CHECK(place.store().load_machines()->size() == 1);
}

TEST_CASE("A MAC that gets a machine is unknown and retired no more, in the same transaction", "[db][machine]") {
    Place place;
    UnknownMachine stranger;
    stranger.mac = pc_b;
    stranger.uuid = Guid::parse("12345678-1234-1234-1234-123456789abc");
    REQUIRE(place.store().put_unknown(stranger));
    CHECK(place.store().load_unknown()->at(0).uuid == stranger.uuid);
    Machine seat_7 = seat("lab1-07", pc_a);
    seat_7.retired = {{numbered(5), pc_a, 1, {}}};
    REQUIRE(place.store().put_machine(seat_7));
    Machine seat_8 = seat("lab1-08", pc_b);
    seat_8.macs.push_back(numbered(5));
    REQUIRE(place.store().put_machine(seat_8));
    CHECK(place.store().load_unknown()->empty());
    CHECK(place.store().load_machines()->at(0).retired.empty());
    REQUIRE(place.store().save_activity({}, {stranger})); // a late write
    CHECK(place.store().load_unknown()->empty());
}

TEST_CASE("A late write of a boot takes no secret away", "[db][boot]") {
    Place place;
    Boot boot;
    boot.id = 5;
    boot.mac = pc_a;
    boot.stages = {{Stage::discover, wall_from_unix_ms(1000), "x86-64 UEFI"}};
    Boot early = boot;
    boot.chap_secret = "0123456789abcdef";
    boot.stages.push_back({Stage::script, wall_from_unix_ms(2000), ""});
    REQUIRE(place.store().put_boot(boot));
    REQUIRE(place.store().save_activity({early}, {}));
    place.reopen();
    const auto boots = place.store().load_boots(std::nullopt, 10);
    REQUIRE(boots->size() == 1);
    CHECK(boots->front().chap_secret == boot.chap_secret);
    REQUIRE(boots->front().stages.size() == 2);
    CHECK(boots->front().stages[0].detail == "x86-64 UEFI");
    CHECK(boots->front().stages[1].when == boot.stages[1].when);
    CHECK(*place.store().put_boot(early) == 5);
    early.id = 0;
    CHECK(*place.store().put_boot(early) == 6);
}

TEST_CASE("Old boots and silent strangers are dropped", "[db][boot]") {
    Place place;
    const auto machine = place.store().put_machine(seat("lab1-07", pc_a));
    std::vector<Boot> boots;
    for (BootId id = 1; id <= 600; ++id) {
        Boot boot;
        boot.id = id;
        boot.mac = pc_a;
        if (id <= 40) {
            boot.machine = machine->id;
        }
        boots.push_back(boot);
    }
    std::vector<UnknownMachine> strangers;
    for (std::uint32_t number = 0; number < unknown_machines_max + 10; ++number) {
        UnknownMachine stranger;
        stranger.mac = numbered(number);
        stranger.last_seen = wall_from_unix_ms(number);
        strangers.push_back(stranger);
    }
    REQUIRE(place.store().save_activity(boots, strangers));
    CHECK(place.store().load_boots(machine->id, 1000)->size() == boots_per_machine_max);
    CHECK(place.store().load_boots(std::nullopt, 10000)->size() == boots_per_machine_max + boots_without_machine_max);
    CHECK(place.store().load_boots(std::nullopt, 3)->front().id == 600);
    const auto left = place.store().load_unknown();
    CHECK(left->size() == unknown_machines_max);
    CHECK(left->front().mac == numbered(10));
}

TEST_CASE("The boots of a removed machine stay", "[db][boot]") {
    Place place;
    const auto machine = place.store().put_machine(seat("lab1-07", pc_a));
    Boot boot;
    boot.id = 1;
    boot.mac = pc_a;
    boot.machine = machine->id;
    REQUIRE(place.store().put_boot(boot));
    REQUIRE(place.store().remove_machine(machine->id));
    CHECK_FALSE(place.store().load_boots(std::nullopt, 1)->front().machine);
    REQUIRE(place.store().save_activity({boot}, {})); // a late write still names it
}

TEST_CASE("What was applied is replaced as a whole", "[db][applied]") {
    Place place;
    REQUIRE(place.store().replace_applied({{"machine/a/image", "x"}, {"machine/a/mode", "reset"}}));
    REQUIRE(place.store().replace_applied({{"machine/b/image", "y"}}));
    const auto applied = place.store().load_applied();
    REQUIRE(applied->size() == 1);
    CHECK(applied->front().key == "machine/b/image");
}

TEST_CASE("The registry over the real store: assign, boot, replace, restart", "[db][registry]") {
    Place place;
    SystemRandom random;
    BootId boot = 0;
    std::string secret;
    {
        Registry registry(place.store(), random, place.clock);
        REQUIRE(registry.load());
        NewMachine machine;
        machine.name = "lab1-07";
        machine.macs = {pc_a};
        machine.image = "debian12";
        REQUIRE(registry.assign(machine, "test"));
        registry.stage(pc_a, Stage::discover, "");
        const auto begun = registry.begin_disk_boot(pc_a);
        REQUIRE(begun);
        boot = begun->id;
        secret = begun->chap_secret;
        registry.boot_stage(boot, Stage::login, "");
        REQUIRE(registry.replace("lab1-07", pc_b, "test"));
    }
    place.reopen();
    Registry registry(place.store(), random, place.clock);
    REQUIRE(registry.load());
    CHECK(registry.boot(boot)->chap_secret == secret);
    CHECK(furthest_stage(*registry.boot(boot)) == Stage::login);
    CHECK(registry.view()->owner(pc_a).retired->replaced_by == pc_b);
    CHECK(registry.begin_disk_boot(pc_b)->id > boot);
}
