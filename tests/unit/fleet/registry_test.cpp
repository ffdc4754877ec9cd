#include "fleet/limits.hpp"
#include "fleet/registry.hpp"
#include "support/catch.hpp"
#include "support/memory_fleet_store.hpp"

#include <atomic>
#include <set>
#include <thread>

using namespace rootstock;
using namespace rootstock::fleet;
using Catch::Matchers::Contains;

namespace {

const Mac pc_a = *Mac::parse("52:54:00:aa:00:07");
const Mac pc_b = *Mac::parse("52:54:00:bb:00:07");
const Mac pc_c = *Mac::parse("52:54:00:cc:00:07");

NewMachine seat(std::string name, Mac mac) {
    NewMachine machine;
    machine.name = std::move(name);
    machine.macs = {mac};
    machine.image = "debian12";
    return machine;
}

struct Fleet {
    test::MemoryFleetStore store;
    SystemRandom random;
    SystemClock clock;
    std::unique_ptr<Registry> registry = std::make_unique<Registry>(store, random, clock);

    void restart() {
        registry.reset();
        registry = std::make_unique<Registry>(store, random, clock);
        REQUIRE(registry->load());
    }
};

} // namespace

TEST_CASE("An assigned machine is found by name, id and MAC, also after a restart", "[fleet][registry]") {
    Fleet fleet;
    UnknownMachine stranger;
    stranger.mac = pc_a;
    fleet.registry->saw_unknown(stranger);
    const auto machine = fleet.registry->assign(seat("lab1-07", pc_a), "test");
    REQUIRE(machine);
    CHECK(fleet.registry->unknown().empty());
    fleet.restart();
    const auto view = fleet.registry->view();
    REQUIRE(view->find("lab1-07") != nullptr);
    CHECK(view->find(machine->id) == view->find("lab1-07"));
    CHECK(view->owner(pc_a).machine == view->find("lab1-07"));
    CHECK(view->owner(pc_b).machine == nullptr);
    CHECK(fleet.registry->unknown().empty());
    CHECK(fleet.store.audit().at(0).action == "machine.assign");
}

TEST_CASE("What cannot be assigned is refused with a reason", "[fleet][registry]") {
    Fleet fleet;
    NewMachine first = seat("lab1-07", pc_a);
    first.address = Ipv4::parse("10.0.0.7");
    REQUIRE(fleet.registry->assign(first, "test"));
    struct Row {
        NewMachine machine;
        std::errc code;
        std::string says;
    };
    std::vector<Row> rows = {
        {seat("lab1-07", pc_b), std::errc::file_exists, "52:54:00:aa:00:07"},
        {seat("lab1-08", pc_a), std::errc::file_exists, "lab1-07"},
        {seat("Lab 8", pc_b), std::errc::invalid_argument, "a-z"},
        {seat("lab1-08", *Mac::parse("ff:ff:ff:ff:ff:ff")), std::errc::invalid_argument, "ff:ff"},
        {seat("lab1-08", pc_b), std::errc::file_exists, "reserved for machine lab1-07"},
        {seat("lab1-08", pc_b), std::errc::invalid_argument, "twice"},
        {seat("lab1-08", pc_b), std::errc::invalid_argument, "image"},
    };
    rows[4].machine.address = first.address;
    rows[5].machine.macs.push_back(pc_b);
    rows[6].machine.image = "../x";
    for (const Row& row : rows) {
        const auto refused = fleet.registry->assign(row.machine, "test");
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == std::make_error_code(row.code));
        CHECK_THAT(refused.error().what, Contains(row.says));
    }
    CHECK(fleet.registry->view()->machines().size() == 1);
}

TEST_CASE("Replacing raises the generation and retires the old PC, which knows its successor", "[fleet][registry]") {
    Fleet fleet;
    REQUIRE(fleet.registry->assign(seat("lab1-07", pc_a), "test"));
    const auto replaced = fleet.registry->replace("lab1-07", pc_b, "test");
    REQUIRE(replaced);
    CHECK(replaced->generation == 2);
    const auto view = fleet.registry->view();
    CHECK(view->owner(pc_b).retired == nullptr);
    const MacOwner old = view->owner(pc_a);
    REQUIRE(old.retired != nullptr);
    CHECK(old.machine->name == "lab1-07");
    CHECK(old.retired->replaced_by == pc_b);
    CHECK(old.retired->generation == 1);
    CHECK_FALSE(fleet.registry->begin_disk_boot(pc_a));
}

TEST_CASE("A repaired PC comes back to its seat or serves at another", "[fleet][registry]") {
    Fleet fleet;
    REQUIRE(fleet.registry->assign(seat("lab1-07", pc_a), "test"));
    REQUIRE(fleet.registry->replace("lab1-07", pc_b, "test"));
    SECTION("back") {
        const auto back = fleet.registry->replace("lab1-07", pc_a, "test");
        REQUIRE(back);
        CHECK(back->generation == 3);
        CHECK(fleet.registry->view()->owner(pc_b).retired != nullptr);
        CHECK(back->retired.size() == 1);
    }
    SECTION("elsewhere") {
        REQUIRE(fleet.registry->assign(seat("lab1-08", pc_a), "test"));
        const MacOwner owner = fleet.registry->view()->owner(pc_a);
        CHECK(owner.machine->name == "lab1-08");
        CHECK(fleet.registry->view()->find("lab1-07")->retired.empty());
    }
}

TEST_CASE("Replacing with a PC that has a seat is refused, and so is a typing error in the name", "[fleet][registry]") {
    Fleet fleet;
    REQUIRE(fleet.registry->assign(seat("lab1-07", pc_a), "test"));
    REQUIRE(fleet.registry->assign(seat("lab1-08", pc_b), "test"));
    CHECK_THAT(fleet.registry->replace("lab1-07", pc_b, "test").error().what, Contains("lab1-08"));
    CHECK_THAT(fleet.registry->replace("lab1-07", pc_a, "test").error().what, Contains("already"));
    CHECK_THAT(fleet.registry->replace("lab107", pc_c, "test").error().what, Contains("did you mean lab1-0"));
    CHECK(fleet.registry->view()->find("lab1-07")->generation == 1);
}

TEST_CASE("A change of all MACs is a replacement, a second card is not", "[fleet][registry]") {
    Fleet fleet;
    REQUIRE(fleet.registry->assign(seat("lab1-07", pc_a), "test"));
    MachineChange second_card;
    second_card.macs = {pc_a, pc_b};
    CHECK(fleet.registry->change("lab1-07", second_card, "test")->generation == 1);
    MachineChange other_pc;
    other_pc.macs = {pc_c};
    const auto changed = fleet.registry->change("lab1-07", other_pc, "test");
    CHECK(changed->generation == 2);
    CHECK(changed->retired.size() == 2);
}

TEST_CASE("A change that changes nothing writes nothing", "[fleet][registry]") {
    Fleet fleet;
    REQUIRE(fleet.registry->assign(seat("lab1-07", pc_a), "test"));
    const int before = fleet.store.writes();
    MachineChange same;
    same.image = "debian12";
    same.mode = Mode::persistent;
    CHECK(fleet.registry->change("lab1-07", same, "test"));
    CHECK(fleet.store.writes() == before);
}

TEST_CASE("When the store fails, nothing is changed and nobody is told", "[fleet][registry]") {
    Fleet fleet;
    REQUIRE(fleet.registry->assign(seat("lab1-07", pc_a), "test"));
    std::atomic<int> told = 0;
    const auto handle = fleet.registry->listen([&](const Change&) { ++told; });
    fleet.store.fail(true);
    CHECK(fleet.registry->replace("lab1-07", pc_b, "test").error().code == std::errc::no_space_on_device);
    CHECK_FALSE(fleet.registry->assign(seat("lab1-08", pc_c), "test"));
    CHECK(told == 0);
    CHECK(fleet.registry->view()->find("lab1-07")->generation == 1);
    CHECK_FALSE(fleet.registry->begin_disk_boot(pc_a));
    fleet.store.fail(false);
    CHECK(fleet.registry->replace("lab1-07", pc_b, "test"));
    CHECK(told >= 1);
}

TEST_CASE("A dropped listener is called no more; in the call the change can be seen", "[fleet][registry]") {
    Fleet fleet;
    std::vector<std::string> seen;
    auto handle = fleet.registry->listen([&](const Change& change) {
        seen.push_back(change.machine);
        CHECK(fleet.registry->view()->find(change.machine) != nullptr);
    });
    REQUIRE(fleet.registry->assign(seat("lab1-07", pc_a), "test"));
    handle.reset();
    REQUIRE(fleet.registry->assign(seat("lab1-08", pc_b), "test"));
    CHECK(seen == std::vector<std::string>{"lab1-07"});
}

TEST_CASE("A disk boot has a secret of its own that only boot() tells", "[fleet][registry]") {
    Fleet fleet;
    REQUIRE(fleet.registry->assign(seat("lab1-07", pc_a), "test"));
    const BootId seen = fleet.registry->stage(pc_a, Stage::discover, "");
    const auto boot = fleet.registry->begin_disk_boot(pc_a);
    REQUIRE(boot);
    CHECK(boot->id == seen);
    CHECK(boot->chap_secret.size() == 32);
    CHECK(boot->chap_secret.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(fleet.registry->boot(boot->id)->chap_secret == boot->chap_secret);
    CHECK(fleet.registry->boots(std::nullopt, 10).at(0).chap_secret.empty());
    CHECK(fleet.store.load_boots(std::nullopt, 1)->at(0).chap_secret == boot->chap_secret);
    fleet.registry->boot_stage(boot->id, Stage::login, "");
    CHECK(fleet.registry->begin_disk_boot(pc_a)->chap_secret != boot->chap_secret);
}

TEST_CASE("Lazy stages are written before the registry is gone, and outlive a store that failed for a while", "[fleet][registry]") {
    Fleet fleet;
    fleet.store.fail(true);
    const BootId id = fleet.registry->stage(pc_a, Stage::discover, "");
    fleet.registry->stage(pc_a, Stage::loader, "snponly.efi by TFTP");
    std::this_thread::sleep_for(2 * lazy_write_delay); // at least one attempt fails
    fleet.store.fail(false);
    fleet.restart();
    const auto boot = fleet.registry->boot(id);
    REQUIRE(boot);
    REQUIRE(boot->stages.size() == 2);
    CHECK(boot->stages[1].detail == "snponly.efi by TFTP");
}

TEST_CASE("The boots of a removed machine stay as those of its PC", "[fleet][registry]") {
    Fleet fleet;
    const auto machine = fleet.registry->assign(seat("lab1-07", pc_a), "test");
    const auto boot = fleet.registry->begin_disk_boot(pc_a);
    REQUIRE(fleet.registry->remove("lab1-07", "test"));
    CHECK(fleet.registry->boots(machine->id, 10).empty());
    CHECK_FALSE(fleet.registry->boot(boot->id)->machine);
    CHECK(fleet.registry->boot(boot->id)->chap_secret.empty());
    CHECK_FALSE(fleet.registry->remove("lab1-07", "test"));
}

TEST_CASE("Readers see whole fleets while writers change them", "[fleet][registry]") {
    Fleet fleet;
    std::atomic<bool> stop = false;
    std::atomic<int> told = 0;
    const auto handle = fleet.registry->listen([&](const Change&) { ++told; });
    std::thread reader([&] {
        while (!stop) {
            const auto view = fleet.registry->view();
            std::set<Mac> macs;
            for (const Machine& machine : view->machines()) {
                for (const Mac mac : machine.macs) {
                    if (!macs.insert(mac).second || view->owner(mac).machine != &machine) {
                        std::abort();
                    }
                }
            }
            static_cast<void>(fleet.registry->boots(std::nullopt, 10));
        }
    });
    std::vector<std::thread> writers;
    for (std::uint8_t w = 0; w < 4; ++w) {
        writers.emplace_back([&fleet, w] {
            for (std::uint8_t i = 0; i < 50; ++i) {
                const Mac mac{{2, 0, 0, 0, w, i}};
                const std::string name = "m" + std::to_string(w) + "-" + std::to_string(i);
                fleet.registry->stage(mac, Stage::discover, "");
                static_cast<void>(fleet.registry->assign(seat(name, mac), "test"));
                static_cast<void>(fleet.registry->begin_disk_boot(mac));
                static_cast<void>(fleet.registry->replace(name, Mac{{2, 0, 0, 1, w, i}}, "test"));
            }
        });
    }
    for (std::thread& writer : writers) {
        writer.join();
    }
    stop = true;
    reader.join();
    CHECK(fleet.registry->view()->machines().size() == 200);
    CHECK(told >= 400);
}
