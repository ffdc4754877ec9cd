#include "db/database.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace rootstock;
using namespace rootstock::images;

namespace {

struct Place {
    test::TemporaryFolder folder;
    SystemClock clock;
    std::unique_ptr<db::Database> database;

    Place() {
        auto opened = db::Database::open(folder.file("rootstock.db"), clock);
        REQUIRE(opened);
        database = std::move(*opened);
    }
    Catalogue& catalogue() { return database->images(); }
};

ImageVersion version(std::uint32_t number) {
    ImageVersion version;
    version.image = "win11";
    version.number = number;
    version.file = "images/win11/v" + std::to_string(number) + ".vhdx";
    version.identity = {*Guid::parse("12345678-1234-1234-1234-123456789abc"), std::uint64_t{40} << 30U, 12345};
    version.created = wall_from_unix_ms(1767225600123);
    version.current = true;
    return version;
}

LayerRow layer(std::uint32_t number) { return {version(number).file, {}, {}, version(number).identity, version(number).created}; }

Result<void> add_version(Catalogue& catalogue, std::uint32_t number) {
    return catalogue.apply({.put_layers = {layer(number)}, .add_versions = {version(number)}});
}

OverlayRow overlay(std::uint32_t number) {
    return {"lab1-07", "win11", number, OverlayKind::reset, "overlays/lab1-07.raw", wall_from_unix_ms(5), version(number).file, "monday"};
}

} // namespace

TEST_CASE("The version added last is the current one", "[db][image]") {
    Place place;
    REQUIRE(add_version(place.catalogue(), 1));
    REQUIRE(add_version(place.catalogue(), 2));
    const auto versions = place.catalogue().versions();
    REQUIRE(versions->size() == 2);
    CHECK_FALSE(versions->at(0).current);
    CHECK(versions->at(1).current);
    CHECK(versions->at(1).identity == version(2).identity);
    CHECK(versions->at(1).file == version(2).file);
    CHECK(versions->at(1).created == version(2).created);
}

TEST_CASE("An image that an overlay stands on cannot go", "[db][image]") {
    Place place;
    CHECK_FALSE(place.catalogue().put_overlay(overlay(1))); // no such version
    REQUIRE(add_version(place.catalogue(), 1));
    REQUIRE(place.catalogue().put_overlay(overlay(1)));
    CHECK_FALSE(place.catalogue().apply({.remove_images = {"win11"}}));
    REQUIRE(place.catalogue().overlays()->size() == 1);
    CHECK(place.catalogue().overlays()->at(0).layer == version(1).file);
    CHECK(place.catalogue().overlays()->at(0).restore == "monday");
    CHECK(place.catalogue().overlays()->at(0).kind == OverlayKind::reset);
    REQUIRE(place.catalogue().remove_overlay("lab1-07"));
    REQUIRE(place.catalogue().apply({.remove_images = {"win11"}, .remove_layers = {layer(1).file}}));
    CHECK(place.catalogue().versions()->empty());
    CHECK(place.catalogue().layers()->empty());
}

TEST_CASE("A machine has one overlay", "[db][image]") {
    Place place;
    REQUIRE(add_version(place.catalogue(), 1));
    REQUIRE(add_version(place.catalogue(), 2));
    REQUIRE(place.catalogue().put_overlay(overlay(1)));
    REQUIRE(place.catalogue().put_overlay(overlay(2)));
    REQUIRE(place.catalogue().overlays()->size() == 1);
    CHECK(place.catalogue().overlays()->at(0).version == 2);
}

TEST_CASE("A layer that anything names cannot go, and a change is made whole or not at all", "[db][image]") {
    Place place;
    Catalogue& catalogue = place.catalogue();
    LayerRow child{"overlays/lab1-07.vhdx", layer(1).file, "overlays/old.vhdx", version(1).identity, wall_from_unix_ms(9)};
    CHECK_FALSE(catalogue.apply({.put_layers = {child}})); // no such parent
    REQUIRE(add_version(catalogue, 1));
    const SnapshotRow of_machine{{DiskKind::machine, "lab1-07"}, "monday", child.file, "win11", 1, wall_from_unix_ms(9)};
    const SnapshotRow of_volume{{DiskKind::volume, "data"}, "monday", child.file, {}, 0, wall_from_unix_ms(9)};
    REQUIRE(catalogue.apply({.put_layers = {child}, .put_snapshots = {of_machine, of_volume}}));
    CHECK(catalogue.layers()->size() == 2);
    CHECK(catalogue.layers()->at(1) == child);
    const auto snapshots = catalogue.snapshots();
    REQUIRE(snapshots->size() == 2);
    CHECK(snapshots->at(0).disk == of_machine.disk);
    CHECK(snapshots->at(0).version == 1);
    CHECK(snapshots->at(1).disk == of_volume.disk);
    CHECK(snapshots->at(1).image.empty());
    CHECK_FALSE(catalogue.apply({.put_snapshots = {of_machine}})); // the name is taken
    CHECK_FALSE(catalogue.apply({.remove_snapshots = {of_volume, of_machine}, .remove_layers = {layer(1).file}})); // the child stands on it
    CHECK(catalogue.snapshots()->size() == 2);
    VolumeRow volume{"data", 1, "volumes/data.vhdx", {}, wall_from_unix_ms(7)};
    volume.layer = child.file;
    REQUIRE(catalogue.put_volume(volume));
    CHECK(catalogue.volumes()->at(0).layer == child.file);
    CHECK_FALSE(catalogue.apply({.remove_snapshots = {of_volume, of_machine}, .remove_layers = {child.file}}));
    REQUIRE(catalogue.apply({.remove_snapshots = {of_volume, of_machine}, .remove_volumes = {"data"}, .remove_layers = {child.file}}));
    child.origin.clear();
    REQUIRE(catalogue.apply({.put_layers = {child}}));
    REQUIRE(catalogue.apply({.put_layers = {child}})); // puts it in its own place
    CHECK(catalogue.layers()->at(1).origin.empty());
}

TEST_CASE("The last days' use is kept, one sample a day", "[db][space]") {
    Place place;
    constexpr std::int64_t first = 20'000;
    for (std::int64_t day = first; day < first + 40; ++day) {
        REQUIRE(place.catalogue().put_space_samples({{"store", {day, 100}}, {"group/lab1", {day, 50}}}));
    }
    REQUIRE(place.catalogue().put_space_samples({{"store", {first + 39, 200}}}));
    const auto samples = place.catalogue().space_samples();
    REQUIRE(samples);
    CHECK(samples->size() == 2 * forecast_days_kept);
    CHECK(samples->front().what == "group/lab1");
    CHECK(samples->back().sample == DaySample{first + 39, 200});
}

TEST_CASE("Volumes keep their initiators in order", "[db][volume]") {
    Place place;
    VolumeRow volume{"data", std::uint64_t{1} << 40U, "volumes/data.vhdx", {"lab1-07", "iqn.2020-01.org.example:a", "*"}, wall_from_unix_ms(7)};
    volume.options.chap = {"backup", "at least 12 bytes"};
    volume.options.mutual_chap = {"rootstock", "quite another one"};
    volume.options.kind = VolumeKind::memory_only;
    volume.options.block_size = 4096;
    volume.options.read_only = true;
    volume.options.moved_to = "10.20.0.2:3260";
    REQUIRE(place.catalogue().put_volume(volume));
    volume.initiators.erase(volume.initiators.begin());
    REQUIRE(place.catalogue().put_volume(volume));
    const auto volumes = place.catalogue().volumes();
    REQUIRE(volumes->size() == 1);
    CHECK(volumes->front().initiators == volume.initiators);
    CHECK(volumes->front().size_bytes == volume.size_bytes);
    CHECK(volumes->front().options == volume.options);
    REQUIRE(place.catalogue().remove_volume("data"));
    CHECK(place.catalogue().volumes()->empty());
}

TEST_CASE("A CD-ROM keeps its ISO image", "[db][volume]") {
    Place place;
    VolumeRow volume{"debian", 4096, "cdrom/debian", {"*"}, wall_from_unix_ms(7), cdrom_options("/srv/iso/debian.iso"), 1767225600123456789};
    REQUIRE(place.catalogue().put_volume(volume));
    const auto volumes = place.catalogue().volumes();
    REQUIRE(volumes->size() == 1);
    CHECK(volumes->front().options == volume.options);
    CHECK(volumes->front().iso_modified_ns == volume.iso_modified_ns);
}

TEST_CASE("A layer and the digest of its file come, change and go in one transaction", "[db][image]") {
    Place place;
    const ContentRecord record{layer(1).file, layer(1).identity.data_write_guid, {12345, ByteVector(digest_size)}};
    const auto known = [&] { return place.catalogue().contents().all()->size(); };
    CHECK_FALSE(place.catalogue().apply({.put_layers = {layer(1)}, .put_contents = {record}, .put_overlays = {overlay(1)}})); // no such version
    CHECK(known() == 0);
    REQUIRE(place.catalogue().apply({.put_layers = {layer(1)}, .put_contents = {record}, .add_versions = {version(1)}}));
    CHECK(place.catalogue().contents().digest(record.file)->value() == record.digest);
    CHECK_FALSE(place.catalogue().apply({.remove_layers = {layer(1).file}})); // its version stays
    CHECK(known() == 1);
    REQUIRE(place.catalogue().apply({.remove_images = {"win11"}, .remove_layers = {layer(1).file}}));
    CHECK(known() == 0);
}
