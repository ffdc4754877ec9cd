// The command table: one constexpr row per operation code and service action. Dispatch, CDB checks, reservation conflicts, write
// protection and REPORT SUPPORTED OPERATION CODES (SPC-4 section 6.35) all walk this one table.
#pragma once

#include "scsi/cdb.hpp"
#include "scsi/reservations.hpp"
#include "scsi/sense.hpp"

#include <span>
#include <string_view>

namespace rootstock::scsi {

class DeviceServer;
class UnitNexus;
struct CommandRow;

/// Everything a handler may look at. `data_out` has no value on the first call; a handler that needs it returns NeedDataOut then.
struct Context {
    DeviceServer& unit;
    UnitNexus& nexus;
    Cdb cdb;
    std::uint32_t data_out_length; // what the initiator announced
    std::optional<Bytes> data_out;
};

/// A Sense becomes CHECK CONDITION in the format that the control mode page asks for.
using Outcome = Result<Step, Sense>;
using Handler = Outcome (*)(const Context&);

enum class Attentions : std::uint8_t {
    told,    // a pending unit attention is the answer
    ignored, // INQUIRY, REPORT LUNS, REQUEST SENSE (SAM-5 5.14)
};

enum class Medium : std::uint8_t { unchanged, written };

struct CommandRow {
    static constexpr std::uint8_t no_service_action = 0xff;

    std::uint8_t opcode;
    std::uint8_t service_action;
    std::string_view name;
    Access access;
    Attentions attentions;
    Medium medium;
    Handler handler;
    CdbBytes usage; // the bits that we evaluate or tolerate; any other bit set is INVALID FIELD IN CDB. Byte 0 and the service action: all ones

    [[nodiscard]] constexpr bool has_service_action() const { return service_action != no_service_action; }
    [[nodiscard]] constexpr std::uint8_t length() const { return cdb_length_of(opcode); }
    /// CDB USAGE DATA: the usage map with the operation code and service action as themselves.
    [[nodiscard]] CdbBytes usage_data() const;
};

[[nodiscard]] std::span<const CommandRow> command_table();

/// The row for this CDB, or null.
[[nodiscard]] const CommandRow* find_command(const Cdb& cdb);
/// `service_action`: CommandRow::no_service_action for an operation code without.
[[nodiscard]] const CommandRow* find_command(std::uint8_t opcode, std::uint8_t service_action);
[[nodiscard]] bool has_service_actions(std::uint8_t opcode);
/// Why there is no row: INVALID COMMAND OPERATION CODE, or INVALID FIELD IN CDB for the service action.
[[nodiscard]] Sense unknown_command(const Cdb& cdb);

/// The first bit that is set and not in the row's usage map, as INVALID FIELD IN CDB.
[[nodiscard]] std::optional<Sense> check_usage(const CommandRow& row, const Cdb& cdb);

} // namespace rootstock::scsi
