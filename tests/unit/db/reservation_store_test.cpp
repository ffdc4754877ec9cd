#include "db/connection.hpp"
#include "db/database.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace rootstock;
using scsi::ReservationState;
using scsi::ReservationType;

namespace {

struct Place {
    test::TemporaryFolder folder;
    SystemClock clock;
    std::unique_ptr<db::Database> database;

    Place() { open(); }
    void open() {
        database.reset();
        auto opened = db::Database::open(folder.file("rootstock.db"), clock);
        REQUIRE(opened);
        database = std::move(*opened);
    }
    [[nodiscard]] ReservationState load(const char* unit) const {
        const auto state = database->reservations().load(unit);
        REQUIRE(state);
        return *state;
    }
};

ReservationState two_nodes() {
    ReservationState state;
    state.generation = 7;
    state.type = ReservationType::write_exclusive_registrants_only;
    state.survives_power_loss = true;
    state.registrations = {{{"iqn.2026-01.test:z,i,0x00023d000001", 2}, 0xffffffffffffffff, true},
                           {{"iqn.2026-01.test:a,i,0x00023d000001", 1}, 0x1, false}};
    return state;
}

} // namespace

TEST_CASE("Kept reservations are there after a restart, in their order; PRGENERATION begins with zero", "[db][reservations]") {
    Place place;
    REQUIRE(place.database->reservations().save("unit-1", two_nodes()));
    place.open();
    ReservationState expected = two_nodes();
    expected.generation = 0;
    CHECK(place.load("unit-1") == expected);
    CHECK(place.load("unit-2") == ReservationState());
}

TEST_CASE("A saved state replaces the one before; one without registrations deletes it", "[db][reservations]") {
    Place place;
    REQUIRE(place.database->reservations().save("unit-1", two_nodes()));
    REQUIRE(place.database->reservations().save("unit-2", two_nodes()));
    ReservationState one = two_nodes();
    one.registrations.pop_back();
    one.registrations.front().holder = false;
    one.type = ReservationType::none;
    one.generation = 0;
    REQUIRE(place.database->reservations().save("unit-1", one));
    CHECK(place.load("unit-1") == one);
    REQUIRE(place.database->reservations().save("unit-1", {}));
    CHECK(place.load("unit-1") == ReservationState());
    CHECK(place.load("unit-2").registrations.size() == 2);
}

TEST_CASE("A damaged row of a reservation is an error, not a unit that anyone may write", "[db][reservations]") {
    const char* const damage = GENERATE("UPDATE reservation SET type = 4", "UPDATE registration SET key = 'no number'");
    Place place;
    REQUIRE(place.database->reservations().save("unit-1", two_nodes()));
    place.database.reset();
    REQUIRE((*db::Connection::open(place.folder.file("rootstock.db")))->script(damage));
    place.open();
    CHECK_FALSE(place.database->reservations().load("unit-1"));
}
