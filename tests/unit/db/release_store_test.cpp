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
        add_version(1, true);
    }
    Catalogue& catalogue() { return database->images(); }
    images::ReleaseStore& releases() { return database->releases(); }

    void add_version(std::uint32_t number, bool current, std::vector<Release> with = {}) {
        ImageVersion version;
        version.image = "win11";
        version.number = number;
        version.file = "images/win11/v" + std::to_string(number) + ".vhdx";
        version.current = current;
        LayerRow layer;
        layer.file = version.file;
        CatalogueChange change{.put_layers = {layer}, .add_versions = {version}, .add_releases = std::move(with)};
        REQUIRE(catalogue().apply(change));
    }
    std::uint32_t current() {
        for (const ImageVersion& version : *catalogue().versions()) {
            if (version.current) {
                return version.number;
            }
        }
        return 0;
    }
    Release state_of(std::int64_t id) {
        const auto all = releases().releases();
        REQUIRE(all);
        for (const Release& release : *all) {
            if (release.id == id) {
                return release;
            }
        }
        FAIL("no release " << id);
        return {};
    }
};

Release release(std::uint32_t version, std::uint32_t previous) {
    Release made;
    made.image = "win11";
    made.version = version;
    made.previous = previous;
    made.audience = Audience::machines;
    made.machines = {"lab1-06", "lab1-07"};
    made.starts = wall_from_unix_ms(1767225600123);
    made.watch = {true, 3, 70};
    made.created = wall_from_unix_ms(5);
    return made;
}

OverlayRow overlay(const std::string& machine, const std::string& file) {
    return {machine, "win11", 1, OverlayKind::persistent, file, wall_from_unix_ms(5), "images/win11/v1.vhdx", {}};
}

} // namespace

TEST_CASE("Releases come back as they were written, and those of an image that is imported again end", "[db][release]") {
    Place place;
    place.add_version(2, false, {release(2, 1)});
    CHECK(place.current() == 1);
    auto first = place.releases().releases();
    REQUIRE(first->size() == 1);
    Release expected = release(2, 1);
    expected.id = first->front().id;
    CHECK(first->front() == expected);

    const auto second = place.releases().add_release(release(1, 1));
    REQUIRE(second);
    CHECK(second->id > expected.id);
    place.add_version(3, true);
    CHECK(place.current() == 3);
    CHECK(place.state_of(expected.id).state == ReleaseState::ended);
    CHECK(place.state_of(second->id).state == ReleaseState::ended);
}

TEST_CASE("A release to all makes its version the current one and ends what is older", "[db][release]") {
    Place place;
    place.add_version(2, false, {release(2, 1)});
    const auto all = place.releases().add_release(release(2, 1));
    const auto later = place.releases().add_release(release(1, 1));
    REQUIRE(place.releases().make_current(*all));
    CHECK(place.current() == 2);
    CHECK(place.state_of(all->id - 1).state == ReleaseState::ended);
    CHECK(place.state_of(all->id).state == ReleaseState::active);
    CHECK(place.state_of(later->id).state == ReleaseState::active);
}

TEST_CASE("A release that is rolled back takes its version back from everybody", "[db][release]") {
    Place place;
    place.add_version(2, false, {release(2, 1)});
    const auto all = place.releases().add_release(release(2, 1));
    REQUIRE(place.releases().make_current(*all));
    REQUIRE(place.releases().end_release(all->id, ReleaseState::rolled_back, "boots failed"));
    CHECK(place.current() == 1);
    CHECK(place.state_of(all->id).state == ReleaseState::rolled_back);
    CHECK(place.state_of(all->id).detail == "boots failed");
}

TEST_CASE("Rolling back by hand ends every release of the image", "[db][release]") {
    Place place;
    place.add_version(2, true);
    const auto newer = place.releases().add_release(release(2, 1));
    const auto older = place.releases().add_release(release(1, 1));
    REQUIRE(place.releases().roll_back_to("win11", 1, "by hand"));
    CHECK(place.current() == 1);
    CHECK(place.state_of(newer->id).state == ReleaseState::rolled_back);
    CHECK(place.state_of(older->id).state == ReleaseState::ended);
}

TEST_CASE("One machine writes an image, and its own overlay is kept under another owner", "[db][maintenance]") {
    Place place;
    REQUIRE(place.catalogue().put_overlay(overlay("lab1-07", "overlays/lab1-07.vhdx")));
    const CatalogueChange begin{.rename_overlays = {{"lab1-07", kept_owner("lab1-07")}}, .put_maintenance = {{"win11", "lab1-07", wall_from_unix_ms(9)}}};
    REQUIRE(place.catalogue().apply(begin));
    CHECK_FALSE(place.catalogue().apply({.put_maintenance = {{"win11", "lab1-08", wall_from_unix_ms(9)}}}));
    REQUIRE(place.catalogue().maintenance()->size() == 1);
    CHECK(place.catalogue().maintenance()->front().machine == "lab1-07");
    REQUIRE(place.catalogue().put_overlay(overlay("lab1-07", "overlays/lab1-07@2.vhdx")));

    const CatalogueChange end{.remove_overlays = {"lab1-07"}, .rename_overlays = {{kept_owner("lab1-07"), "lab1-07"}}, .remove_maintenance = {"lab1-07"}};
    REQUIRE(place.catalogue().apply(end));
    CHECK(place.catalogue().maintenance()->empty());
    REQUIRE(place.catalogue().overlays()->size() == 1);
    CHECK(place.catalogue().overlays()->front().file == "overlays/lab1-07.vhdx");
    CHECK(place.catalogue().overlays()->front().machine == "lab1-07");
}

TEST_CASE("The current version is not removed, nor one that an overlay began as", "[db][image]") {
    Place place;
    place.add_version(2, true);
    REQUIRE(place.catalogue().put_overlay(overlay("lab1-07", "overlays/lab1-07.vhdx")));
    const auto versions = place.catalogue().versions();
    CHECK_FALSE(place.catalogue().apply({.remove_versions = {versions->at(0)}}));
    REQUIRE(place.catalogue().apply({.remove_versions = {versions->at(1)}}));
    CHECK(place.catalogue().versions()->size() == 2);
    REQUIRE(place.catalogue().remove_overlay("lab1-07"));
    REQUIRE(place.catalogue().apply({.remove_versions = {versions->at(0)}, .remove_layers = {versions->at(0).file}}));
    CHECK(place.catalogue().versions()->size() == 1);
}
