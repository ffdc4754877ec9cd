#include "db/reservation_store.hpp"

#include "core/text.hpp"
#include "core/wire_int.hpp"
#include "db/values.hpp"

namespace rootstock::db {

namespace {

using scsi::Registration;
using scsi::ReservationState;
using scsi::ReservationType;

std::string key_text(std::uint64_t key) {
    ByteVector bytes;
    ByteWriter(bytes).write(be64(key));
    return hex(bytes);
}

/// Zero, which is no type of a reservation, says that nobody holds the unit.
std::optional<ReservationType> parse_type(const std::string& text) {
    const auto number = parse_number<std::uint8_t>(text);
    return number == 0 ? std::optional(ReservationType::none) : number ? scsi::reservation_type(*number) : std::nullopt;
}

Result<std::vector<Registration>> load_registrations(Connection& connection, const std::string& unit) {
    return collect(connection.query("SELECT initiator_port, target_port, key, holder FROM registration WHERE unit = ?1 ORDER BY position", unit),
                   "registration", [](Row& row) {
                       Registration registration;
                       registration.nexus = {row.text(0), row.integer<std::uint16_t>(1)};
                       registration.key = row.parsed(2, parse_hex<std::uint64_t>);
                       registration.holder = row.integer(3) != 0;
                       return registration;
                   });
}

Result<ReservationState> load_state(Connection& connection, const std::string& unit) {
    const auto types = collect(connection.query("SELECT type FROM reservation WHERE unit = ?1", unit), "reservation",
                               [](Row& row) { return row.parsed(0, parse_type); });
    if (!types) {
        return types.error();
    }
    ReservationState state;
    if (types->empty()) {
        return state;
    }
    state.type = types->front();
    auto registrations = load_registrations(connection, unit);
    if (!registrations) {
        return registrations.error();
    }
    state.registrations = std::move(*registrations);
    state.survives_power_loss = true;
    return state;
}

Result<void> write_state(Connection& connection, const std::string& unit, const ReservationState& state) {
    auto written = connection.run("DELETE FROM reservation WHERE unit = ?1", unit); // with its registrations
    if (!written || state.registrations.empty()) {
        return written;
    }
    written = connection.run("INSERT INTO reservation (unit, type) VALUES (?1, ?2)", unit, static_cast<std::int64_t>(state.type));
    std::int64_t position = 0;
    for (const Registration& each : state.registrations) {
        if (written) {
            written = connection.run("INSERT INTO registration (unit, initiator_port, target_port, position, key, holder) "
                                     "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                                     unit, each.nexus.initiator_port, std::int64_t{each.nexus.relative_target_port}, ++position, key_text(each.key),
                                     std::int64_t{each.holder ? 1 : 0});
        }
    }
    return written;
}

} // namespace

Result<ReservationState> ReservationStore::load(std::string_view unit) {
    return writer_.run([unit = std::string(unit)](Connection& connection) { return load_state(connection, unit); });
}

Result<void> ReservationStore::save(std::string_view unit, const ReservationState& state) {
    return writer_.run([unit = std::string(unit), &state](Connection& connection) { return write_state(connection, unit, state); });
}

} // namespace rootstock::db
