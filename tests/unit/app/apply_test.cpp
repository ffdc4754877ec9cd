// Over the real database and the real store of disks.
#include "app/apply.hpp"
#include "db/database.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <random>

using namespace rootstock;
using namespace rootstock::app;
using Catch::Matchers::Contains;

namespace {

const std::string mac_a = "52:54:00:aa:00:07";
const std::string mac_b = "52:54:00:bb:00:07";

struct Place {
    test::TemporaryFolder folder;
    SystemClock clock;
    SystemRandom random;
    NullLog log;
    std::unique_ptr<images::FileSystem> files = images::make_posix_file_system();
    std::unique_ptr<db::Database> database;
    std::unique_ptr<images::Store> store;
    std::unique_ptr<fleet::Registry> registry;

    Place() { start(); }
    void start() {
        auto opened = db::Database::open(folder.file("rootstock.db"), clock);
        REQUIRE(opened);
        database = std::move(*opened);
        auto disks = images::open_store(*files, folder.path(), database->images(), log, clock);
        REQUIRE(disks);
        store = std::move(*disks);
        registry = std::make_unique<fleet::Registry>(database->fleet(), random, clock);
        REQUIRE(registry->load());
    }
    void restart() {
        registry.reset();
        store.reset();
        database.reset();
        start();
    }

    Plan plan(const std::string& text) {
        const auto config = parse_config("dhcp = {mode = \"off\"}\n" + text, "r.toml");
        REQUIRE(config);
        auto plan = plan_for(*config, *registry, database->fleet(), *store);
        REQUIRE(plan);
        return std::move(*plan);
    }
    std::vector<std::string> apply(const Plan& plan) {
        auto failures = apply_plan(plan, *registry, database->fleet(), *store, "test");
        REQUIRE(failures);
        return *failures;
    }
    std::vector<std::string> apply(const std::string& text) { return apply(plan(text)); }

    const fleet::Machine& machine(const std::string& name) {
        view = registry->view();
        REQUIRE(view->find(name) != nullptr);
        return *view->find(name);
    }
    std::shared_ptr<const fleet::FleetView> view; // keeps what machine() gave
};

std::string seat(const std::string& name, const std::string& mac, const std::string& more = "") {
    return "[[machine]]\nname = \"" + name + "\"\nmac = \"" + mac + "\"\nimage = \"win11\"\n" + more + "\n";
}

const std::string volume = "[[volume]]\nname = \"data\"\nsize = \"4M\"\ninitiators = \"*\"\n";

} // namespace

TEST_CASE("Applying makes it so, applying again changes nothing, also after a restart", "[app][apply]") {
    Place place;
    const std::string file = seat("lab1-07", mac_a, "address = \"10.0.0.7\"") + volume;
    CHECK(place.plan(file).changes.size() == 2);
    CHECK(place.registry->view()->machines().empty()); // planning does nothing
    CHECK(place.apply(file).empty());
    CHECK(place.machine("lab1-07").address == Ipv4::parse("10.0.0.7"));
    REQUIRE(place.store->volumes()->size() == 1);
    CHECK(place.store->volumes()->at(0).size_bytes == 4U << 20U);
    CHECK(place.plan(file).changes.empty());
    place.restart();
    CHECK(place.plan(file).changes.empty());
}

TEST_CASE("A replaced machine stays replaced until its line in the file changes", "[app][apply]") {
    Place place;
    CHECK(place.apply(seat("lab1-07", mac_a)).empty());
    REQUIRE(place.registry->replace("lab1-07", *Mac::parse(mac_b), "web"));
    for (int start = 0; start < 2; ++start) {
        CHECK(place.apply(seat("lab1-07", mac_a)).empty());
        CHECK(place.machine("lab1-07").macs[0].text() == mac_b);
        place.restart();
    }
    CHECK(place.apply(seat("lab1-07", "52:54:00:cc:00:07")).empty());
    CHECK(place.machine("lab1-07").macs[0].text() == "52:54:00:cc:00:07");
    CHECK(place.machine("lab1-07").generation == 3); // the PC of mac_b is fenced
}

TEST_CASE("What cannot be done is said, the rest is done, and it is tried again", "[app][apply]") {
    Place place;
    fleet::NewMachine other;
    other.name = "by-hand";
    other.macs = {*Mac::parse(mac_a)};
    other.image = "win11";
    REQUIRE(place.registry->assign(other, "web"));
    const std::string file = seat("lab1-07", mac_a) + seat("lab1-08", mac_b);
    const auto failures = place.apply(file);
    REQUIRE(failures.size() == 1);
    CHECK_THAT(failures[0], Contains("machine/lab1-07") && Contains("by-hand"));
    CHECK(place.machine("lab1-08").macs[0].text() == mac_b);
    REQUIRE(place.registry->remove("by-hand", "web"));
    CHECK(place.apply(file).empty());
    CHECK(place.machine("lab1-07").macs[0].text() == mac_a);
}

TEST_CASE("A seat gets what another one lets go of in the same file", "[app][apply]") {
    Place place;
    CHECK(place.apply(seat("a", mac_a, "address = \"10.0.0.1\"") + seat("b", mac_b, "address = \"10.0.0.2\"")).empty());
    CHECK(place.apply(seat("a", mac_b, "address = \"10.0.0.2\"") + seat("b", "52:54:00:cc:00:07", "address = \"10.0.0.3\"")).empty());
    CHECK(place.machine("a").macs[0].text() == mac_b);
    CHECK(place.machine("a").address == Ipv4::parse("10.0.0.2"));
}

TEST_CASE("Killed between any two steps, the next apply does the rest", "[app][apply][crash]") {
    const std::string before = seat("a", mac_a) + seat("c", "02:00:00:00:00:0c");
    const std::string after = seat("a", mac_a, "mode = \"reset\"") + seat("b", mac_b) + volume;
    for (std::size_t killed_after = 0; killed_after <= 4; ++killed_after) {
        CAPTURE(killed_after);
        Place place;
        REQUIRE(place.apply(before).empty());
        Plan cut = place.plan(after);
        REQUIRE(cut.steps.size() == 4);
        cut.steps.resize(killed_after);
        // Steps that were done, and values that were not remembered.
        const auto remembered = place.database->fleet().load_applied();
        REQUIRE(place.apply(cut).empty());
        REQUIRE(place.database->fleet().replace_applied(*remembered));
        place.restart();
        CHECK(place.apply(after).empty());
        CHECK(place.machine("a").mode == fleet::Mode::reset);
        CHECK(place.machine("b").generation == 1);
        CHECK(place.registry->view()->machines().size() == 2);
        CHECK(place.store->volumes()->size() == 1);
        CHECK(place.plan(after).changes.empty());
    }
}

TEST_CASE("Whatever the files say and whatever happens between them: applied twice changes nothing", "[app][apply][property]") {
    const unsigned seed = 20260131;
    std::mt19937 random(seed);
    Place place;
    const auto pick = [&random](unsigned count) { return static_cast<unsigned>(random() % count); };
    for (int round = 0; round < 60; ++round) {
        CAPTURE(seed, round);
        std::string file;
        for (unsigned n = 0; n < 4; ++n) {
            if (pick(4) != 0) { // MACs of its own, so that a file is never wrong in itself
                file += seat("m" + std::to_string(n), "02:00:00:00:0" + std::to_string(n) + ":0" + std::to_string(pick(3)),
                             pick(2) == 0 ? "mode = \"reset\"" : "address = \"10.0.0." + std::to_string(n + 1) + "\"");
            }
        }
        const auto meddle = "m" + std::to_string(pick(4));
        const Mac mac{{2, 0, 0, 0, 0xff, static_cast<std::uint8_t>(round)}};
        switch (pick(3)) {
        case 0:
            static_cast<void>(place.registry->replace(meddle, mac, "web")); // it may not be there
            break;
        case 1:
            static_cast<void>(place.registry->remove(meddle, "web"));
            break;
        default:
            break;
        }
        REQUIRE(place.apply(file).empty());
        const Plan second = place.plan(file);
        REQUIRE(second.changes.empty());
        REQUIRE(second.steps.empty());
    }
}
