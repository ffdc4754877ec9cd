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
    return version;
}

OverlayRow overlay(std::uint32_t number) {
    return {"lab1-07", "win11", number, OverlayKind::reset, "overlays/lab1-07.raw", wall_from_unix_ms(5)};
}

} // namespace

TEST_CASE("The version added last is the current one", "[db][image]") {
    Place place;
    REQUIRE(place.catalogue().add_version(version(1)));
    REQUIRE(place.catalogue().add_version(version(2)));
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
    REQUIRE(place.catalogue().add_version(version(1)));
    REQUIRE(place.catalogue().put_overlay(overlay(1)));
    CHECK_FALSE(place.catalogue().remove_image("win11"));
    REQUIRE(place.catalogue().overlays()->size() == 1);
    CHECK(place.catalogue().overlays()->at(0).kind == OverlayKind::reset);
    REQUIRE(place.catalogue().remove_overlay("lab1-07"));
    REQUIRE(place.catalogue().remove_image("win11"));
    CHECK(place.catalogue().versions()->empty());
}

TEST_CASE("A machine has one overlay", "[db][image]") {
    Place place;
    REQUIRE(place.catalogue().add_version(version(1)));
    REQUIRE(place.catalogue().add_version(version(2)));
    REQUIRE(place.catalogue().put_overlay(overlay(1)));
    REQUIRE(place.catalogue().put_overlay(overlay(2)));
    REQUIRE(place.catalogue().overlays()->size() == 1);
    CHECK(place.catalogue().overlays()->at(0).version == 2);
}

TEST_CASE("Volumes keep their initiators in order", "[db][volume]") {
    Place place;
    VolumeRow volume{"data", std::uint64_t{1} << 40U, "volumes/data.vhdx", {"lab1-07", "iqn.2020-01.org.example:a", "*"}, wall_from_unix_ms(7)};
    volume.options.chap = {"backup", "at least 12 bytes"};
    volume.options.mutual_chap = {"rootstock", "quite another one"};
    volume.options.kind = VolumeKind::memory_only;
    volume.options.block_size = 4096;
    volume.options.read_only = true;
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
