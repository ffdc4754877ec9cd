#include "db/database.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace rootstock;
using namespace rootstock::images;

namespace {

const BootTrace trace{{3252, 63963136, 3, "lab1-07", wall_from_unix_ms(1767225600123)}, {0, 7, 33554431}};

struct Place {
    test::TemporaryFolder folder;
    SystemClock clock;
    std::unique_ptr<db::Database> database;

    Place() {
        open();
        for (const std::uint32_t number : {1U, 2U}) {
            ImageVersion version;
            version.image = "win11";
            version.number = number;
            version.file = "images/win11/v" + std::to_string(number) + ".vhdx";
            version.current = number == 2;
            REQUIRE(catalogue().apply({.put_layers = {{version.file, {}, {}, {}, {}}}, .add_versions = {version}}));
        }
    }
    void open() {
        database.reset();
        auto opened = db::Database::open(folder.file("rootstock.db"), clock);
        REQUIRE(opened);
        database = std::move(*opened);
    }
    Catalogue& catalogue() { return database->images(); }
    TraceBook& traces() { return database->images().traces(); }
};

} // namespace

TEST_CASE("A boot trace is there after a restart, and a newer one takes its place", "[db][trace]") {
    Place place;
    CHECK_FALSE(*place.traces().find("win11", 1));
    REQUIRE(place.traces().put("win11", 1, {{1, 4096, 0, "lab1-01", {}}, {}}));
    REQUIRE(place.traces().put("win11", 1, trace));
    place.open();
    CHECK(*place.traces().find("win11", 1) == trace);
    CHECK(*place.traces().all() == std::vector<TraceBook::Row>{{"win11", 1, trace.facts}});
}

TEST_CASE("A boot trace goes with its version, and with its image", "[db][trace]") {
    Place place;
    REQUIRE(place.traces().put("win11", 1, trace));
    REQUIRE(place.traces().put("win11", 2, trace));
    ImageVersion first;
    first.image = "win11";
    first.number = 1;
    REQUIRE(place.catalogue().apply({.remove_versions = {first}}));
    CHECK_FALSE(*place.traces().find("win11", 1));
    CHECK(*place.traces().find("win11", 2));
    REQUIRE(place.catalogue().apply({.remove_images = {"win11"}}));
    CHECK(place.traces().all()->empty());
}

TEST_CASE("There is no boot trace of a version that is not there", "[db][trace]") {
    Place place;
    CHECK_FALSE(place.traces().put("win11", 3, trace));
}
