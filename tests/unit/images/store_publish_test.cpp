#include "images/image_reader.hpp"
#include "support/store_host.hpp"

using namespace rootstock;
using namespace rootstock::test;
using images::AfterPublish;
using images::OverlayKind;

TEST_CASE("a machine's disk becomes the next version, and machines made on it see what it held", "[images][store][publish]") {
    Host host;
    auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    {
        const auto disk = store->open_machine_disk("golden", "win11", OverlayKind::persistent);
        write_sectors(**disk, 9, 100, 8);
        REQUIRE_THAT(error_of(store->publish("golden", "win11", AfterPublish::overlay_goes)), Catch::Contains("in use"));
    }
    SECTION("the machine's overlay goes") {
        const auto version = store->publish("golden", "win11", AfterPublish::overlay_goes);
        INFO(error_of(version));
        REQUIRE(version);
        REQUIRE(version->number == 2);
        REQUIRE(host.catalogue.rows().overlays.empty());
    }
    SECTION("the machine goes on with what it had") {
        REQUIRE(store->publish("golden", "win11", AfterPublish::machine_goes_on));
        const auto disk = store->open_machine_disk("golden", "win11", OverlayKind::persistent);
        REQUIRE(disk);
        REQUIRE(read_sectors(**disk, 100, 8) == pattern(9, 100, 8));
        write_sectors(**disk, 10, 104, 1);
    }
    SECTION("twice") {
        REQUIRE(store->publish("golden", "win11", AfterPublish::machine_goes_on));
        write_sectors(**store->open_machine_disk("golden", "win11", OverlayKind::persistent), 11, 50, 1);
        REQUIRE(store->publish("golden", "win11", AfterPublish::machine_goes_on)->number == 3);
        const auto disk = store->open_machine_disk("lab1-03", "win11", OverlayKind::persistent);
        REQUIRE(read_sectors(**disk, 50, 1) == pattern(11, 50, 1));
    }
    REQUIRE(host.has("images/win11/v0002.vhdx"));
    store.reset();
    store = host.open();
    const auto disk = store->open_machine_disk("lab1-02", "win11", OverlayKind::persistent);
    INFO(error_of(disk));
    REQUIRE(disk);
    REQUIRE(read_sectors(**disk, 100, 8) == pattern(9, 100, 8));
    REQUIRE(read_sectors(**disk, 99, 1) == pattern(7, 99, 1));
    REQUIRE(images::ImageReader::open(*host.files, "/data/images/win11/v0002.vhdx")); // by the paths in the file, as others find its parent
}

TEST_CASE("a version of another image keeps what it stands on", "[images][store][publish]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    write_sectors(**store->open_machine_disk("golden", "win11", OverlayKind::persistent), 9, 100, 8);
    REQUIRE(store->publish("golden", "office", AfterPublish::overlay_goes));
    REQUIRE(store->remove_image("win11"));
    REQUIRE(host.has("images/win11/v0001.vhdx"));
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress)->file == "images/win11/v0002.vhdx");
    {
        const auto disk = store->open_machine_disk("lab1-01", "office", OverlayKind::persistent);
        REQUIRE(read_sectors(**disk, 99, 2) == [] {
            ByteVector both = pattern(7, 99, 1);
            const ByteVector second = pattern(9, 100, 1);
            both.insert(both.end(), second.begin(), second.end());
            return both;
        }());
    }
    REQUIRE(store->remove_machine_disk("lab1-01"));
    REQUIRE(store->remove_image("office"));
    REQUIRE_FALSE(host.has("images/win11/v0001.vhdx"));
    REQUIRE_FALSE(host.has("images/office/v0001.vhdx"));
    REQUIRE(host.catalogue.rows().layers.size() == 1);
}

TEST_CASE("a publication that is cut off anywhere is whole or has not happened", "[images][store][publish]") {
    for (const auto after : {AfterPublish::overlay_goes, AfterPublish::machine_goes_on}) {
        Host host;
        const auto store = host.open();
        REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
        write_sectors(**store->open_machine_disk("golden", "win11", OverlayKind::persistent), 9, 100, 8);
        REQUIRE(store->close_machine_disk("golden"));
        std::uint64_t change = 0;
        const auto look = [&] {
            ++change;
            for (const unsigned kept : {0U, 50U, 100U}) {
                Host later(kept == 50 ? host.files->after_process_death() : host.files->after_power_loss({change, kept, 512}), host.catalogue.rows());
                INFO("change " << change << ", kept " << kept);
                const auto reopened = later.open();
                const bool published = later.catalogue.rows().versions.size() == 2;
                const std::string machine = published && after == AfterPublish::overlay_goes ? "lab1-02" : "golden";
                const auto disk = reopened->open_machine_disk(machine, "win11", OverlayKind::persistent);
                INFO(error_of(disk));
                REQUIRE(disk);
                REQUIRE(read_sectors(**disk, 100, 8) == pattern(9, 100, 8));
                REQUIRE(later.has("images/win11/v0002.vhdx") == published);
                for (const auto& layer : later.catalogue.rows().layers) {
                    REQUIRE(layer.origin.empty());
                    REQUIRE(images::ImageReader::open(*later.files, "/data/" + layer.file));
                }
            }
        };
        host.files->before_change([&](const SimOperation&) { look(); });
        host.catalogue.before_change(look);
        REQUIRE(store->publish("golden", "win11", after));
        REQUIRE(change > 10);
    }
}
