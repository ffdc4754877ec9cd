// START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL (SBC-3 sections 5.25 and 5.15, MMC-6 6.38 and 6.15).
#include "scsi/device_server.hpp"
#include "scsi/handlers.hpp"

namespace rootstock::scsi::removable {

/// A unit that many may see is not stopped by one of them: STOP only makes sure of what was written. Only a medium that can be taken out is
/// ejected and loaded; elsewhere LOEJ is ignored.
Outcome start_stop_unit(const Context& c) {
    constexpr std::size_t conditions = 4; // POWER CONDITION, NO_FLUSH, LOEJ, START
    const std::uint8_t power_condition = c.cdb[conditions] >> 4U;
    const bool start = c.cdb.bit(conditions, 0);
    const bool moves_tray = c.cdb.bit(conditions, 1) && c.unit.kind().removable;
    const bool no_flush = c.cdb.bit(conditions, 2);
    const bool only_starts = start && power_condition == 0;
    if (!only_starts && c.unit.conflicts(c.nexus, Access::write)) { // SBC-3 table 14
        return with_status(Status::reservation_conflict);
    }
    if (power_condition != 0) {
        return invalid_field_in_cdb(conditions, 7);
    }
    if (moves_tray) {
        if (const std::optional<Sense> prevented = c.unit.move_tray(c.nexus, start)) {
            return *prevented;
        }
    }
    if (start || no_flush) {
        return good();
    }
    BlockIo flush;
    flush.op = BlockIo::Op::flush;
    return Outcome(boost::system::in_place_value, std::move(flush));
}

Outcome prevent_allow_medium_removal(const Context& c) {
    const bool prevent = c.cdb.bit(4, 0);
    if (prevent && c.unit.conflicts(c.nexus, Access::write)) {
        return with_status(Status::reservation_conflict);
    }
    if (c.unit.kind().removable) {
        c.unit.prevent_removal(c.nexus, prevent);
    }
    return good();
}

} // namespace rootstock::scsi::removable
