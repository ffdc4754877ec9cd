// The command tables: one constexpr row per operation code and service action, one table per kind of unit. Dispatch, CDB checks, reservation
// conflicts, write protection, the presence of a medium and REPORT SUPPORTED OPERATION CODES (SPC-4 section 6.35) all walk them.
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

/// What a command wants of the medium: nothing, that there is one, or that it can be written.
enum class Medium : std::uint8_t { not_needed, needed, written };

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

/// All commands of a kind of unit.
class CommandTable {
  public:
    /// `rows`: sorted by operation code, then service action; fewer than 256.
    explicit constexpr CommandTable(std::span<const CommandRow> rows) : rows_(rows) {
        for (std::size_t i = rows.size(); i-- > 0;) {
            first_rows_[rows[i].opcode] = static_cast<std::uint8_t>(i + 1);
        }
    }

    [[nodiscard]] std::span<const CommandRow> rows() const { return rows_; }
    /// The row for this CDB, or null.
    [[nodiscard]] const CommandRow* find(const Cdb& cdb) const;
    /// `service_action`: CommandRow::no_service_action for an operation code without.
    [[nodiscard]] const CommandRow* find(std::uint8_t opcode, std::uint8_t service_action) const;
    [[nodiscard]] bool has_service_actions(std::uint8_t opcode) const;
    /// Why there is no row: INVALID COMMAND OPERATION CODE, or INVALID FIELD IN CDB for the service action.
    [[nodiscard]] Sense unknown_command(const Cdb& cdb) const;

  private:
    std::span<const CommandRow> rows_;
    std::array<std::uint8_t, 256> first_rows_{}; // for each operation code the index of its first row, plus one; 0: none
};

/// SBC: direct access block devices.
[[nodiscard]] const CommandTable& disk_commands();
/// MMC: CD and DVD drives that read.
[[nodiscard]] const CommandTable& cdrom_commands();

/// The first bit that is set and not in the row's usage map, as INVALID FIELD IN CDB.
[[nodiscard]] std::optional<Sense> check_usage(const CommandRow& row, const Cdb& cdb);

} // namespace rootstock::scsi
