#include "support/store_host.hpp"

using namespace rootstock;
using namespace rootstock::test;
using images::AfterPublish;
using images::OverlayKind;

namespace {

/// A machine with a disk of its own (tag 9) that writes the next version of win11 (tag 10), and is switched off.
std::unique_ptr<images::Store> in_maintenance(Host& host) {
    auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    write_sectors(**store->open_machine_disk("golden", "win11", OverlayKind::persistent), 9, 100, 8);
    REQUIRE(store->begin_maintenance({"win11", "golden", host.clock.wall()}));
    write_sectors(**store->open_machine_disk("golden", "win11", OverlayKind::persistent), 10, 100, 8);
    REQUIRE(store->close_machine_disk("golden"));
    return store;
}

images::Release for_one(const std::string& machine) {
    images::Release release;
    release.audience = images::Audience::machines;
    release.machines = {machine};
    return release;
}

ByteVector disk_of(images::Store& store, const std::string& machine, std::optional<std::uint32_t> version = {}) {
    const auto disk = store.open_machine_disk(machine, "win11", OverlayKind::persistent, version);
    INFO(error_of(disk));
    REQUIRE(disk);
    return read_sectors(**disk, 100, 8);
}

} // namespace

TEST_CASE("A machine in maintenance has a new disk, and its own again afterwards", "[images][store][maintenance]") {
    Host host;
    const auto store = in_maintenance(host);
    REQUIRE_THAT(error_of(store->begin_maintenance({"win11", "lab1-02", {}})), Catch::Contains("golden"));
    REQUIRE(store->images()->front().machines == std::vector<std::string>{"golden"});
    SECTION("published") {
        const auto version = store->publish("golden", "win11", AfterPublish::maintenance_ends, for_one("lab1-02"));
        INFO(error_of(version));
        REQUIRE(version);
        CHECK(version->number == 2);
        CHECK_FALSE(version->current);
        const auto releases = host.catalogue.rows().releases;
        REQUIRE(releases.size() == 1);
        CHECK(releases[0].image == "win11");
        CHECK(releases[0].version == 2);
        CHECK(disk_of(*store, "lab1-02", 2) == pattern(10, 100, 8));
        CHECK(disk_of(*store, "lab1-03") == pattern(7, 100, 8));
    }
    SECTION("given up") { REQUIRE(store->end_maintenance("golden")); }
    CHECK(disk_of(*store, "golden") == pattern(9, 100, 8));
    CHECK(store->maintenance()->empty());
}

TEST_CASE("A version goes when nothing stands on it, and its layer with it", "[images][store][versions]") {
    Host host;
    const auto store = host.open();
    for (int i = 0; i < 3; ++i) {
        REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    }
    REQUIRE(store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent, 2));
    CHECK_THAT(error_of(store->remove_version("win11", 3)), Catch::Contains("current"));
    CHECK_THAT(error_of(store->remove_version("win11", 2)), Catch::Contains("base"));
    REQUIRE(store->remove_version("win11", 1));
    CHECK_FALSE(host.has("images/win11/v0001.vhdx"));
    CHECK_FALSE(store->remove_version("win11", 1));
    const auto uses = store->version_uses("win11");
    REQUIRE(uses->size() == 2);
    CHECK(uses->at(0).machines == std::vector<std::string>{"lab1-01"});
    CHECK(uses->at(1).machines.empty());
    REQUIRE(store->publish("lab1-01", "win11", AfterPublish::overlay_goes)->number == 4);
    CHECK(store->version_uses("win11")->at(0).needed_by.empty()); // its file can be merged into that of version 4
    write_sectors(**store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent, 2), 11, 0, 8);
    REQUIRE(store->close_machine_disk("lab1-01"));
    REQUIRE(store->publish("lab1-01", "win11", AfterPublish::overlay_goes)->number == 5);
    CHECK(store->version_uses("win11")->at(0).needed_by == std::vector<std::string>{"version 4", "version 5"});
}

TEST_CASE("A publication from maintenance that is cut off anywhere is whole or has not happened", "[images][store][maintenance]") {
    Host host;
    const auto store = in_maintenance(host);
    std::uint64_t change = 0;
    std::size_t published = 0;
    const auto look = [&] {
        ++change;
        for (const unsigned kept : {0U, 50U, 100U}) {
            Host later(kept == 50 ? host.files->after_process_death() : host.files->after_power_loss({change, kept, 512}), host.catalogue.rows());
            INFO("change " << change << ", kept " << kept);
            const auto reopened = later.open();
            const bool done = later.catalogue.rows().versions.size() == 2;
            CHECK(later.catalogue.rows().maintenance.empty() == done);
            CHECK(later.catalogue.rows().releases.size() == (done ? 1U : 0U));
            CHECK(disk_of(*reopened, "golden") == pattern(done ? 9 : 10, 100, 8));
            if (done) {
                ++published;
                CHECK(disk_of(*reopened, "lab1-02", 2) == pattern(10, 100, 8));
            } else { // and can still be given up
                REQUIRE(reopened->end_maintenance("golden"));
                CHECK(disk_of(*reopened, "golden") == pattern(9, 100, 8));
            }
        }
    };
    host.files->before_change([&](const SimOperation&) { look(); });
    host.catalogue.before_change(look);
    REQUIRE(store->publish("golden", "win11", AfterPublish::maintenance_ends, for_one("lab1-02")));
    CHECK(change > 10);
    CHECK(published > 0);
}
