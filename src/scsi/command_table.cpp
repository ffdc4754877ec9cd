#include "scsi/command_table.hpp"

#include "core/wire_int.hpp"
#include "scsi/handlers.hpp"

#include <algorithm>
#include <bit>
#include <initializer_list>

namespace rootstock::scsi {
namespace {

constexpr std::uint8_t none = CommandRow::no_service_action;
constexpr auto any = Access::any;
constexpr auto reads = Access::read;
constexpr auto writes = Access::write;

/// `usage`: bytes 1 and on of the usage map; what is left out is reserved, and so is the CONTROL byte (no NACA).
constexpr CommandRow row(std::uint8_t opcode, std::uint8_t service_action, std::string_view name, Access access, Medium medium,
                         Handler handler, std::initializer_list<std::uint8_t> usage, Attentions attentions = Attentions::told) {
    CommandRow result{opcode, service_action, name, access, attentions, medium, handler, {}};
    result.usage[0] = 0xff;
    std::copy(usage.begin(), usage.end(), result.usage.begin() + 1);
    return result;
}

constexpr CommandRow simple(std::uint8_t opcode, std::string_view name, Access access, Handler handler,
                            std::initializer_list<std::uint8_t> usage, Attentions attentions = Attentions::told) {
    return row(opcode, none, name, access, Medium::not_needed, handler, usage, attentions);
}

constexpr CommandRow medium(std::uint8_t opcode, std::string_view name, Access access, Handler handler,
                            std::initializer_list<std::uint8_t> usage) {
    return row(opcode, none, name, access, Medium::needed, handler, usage);
}

constexpr CommandRow action(std::uint8_t opcode, std::uint8_t service_action, std::string_view name, Access access, Handler handler,
                            std::initializer_list<std::uint8_t> usage) {
    return row(opcode, service_action, name, access, Medium::not_needed, handler, usage);
}

constexpr CommandRow medium_action(std::uint8_t opcode, std::uint8_t service_action, std::string_view name, Access access, Handler handler,
                                   std::initializer_list<std::uint8_t> usage) {
    return row(opcode, service_action, name, access, Medium::needed, handler, usage);
}

constexpr CommandRow writing(std::uint8_t opcode, std::string_view name, Handler handler, std::initializer_list<std::uint8_t> usage) {
    return row(opcode, none, name, writes, Medium::written, handler, usage);
}

/// Byte 1 of the medium commands. RDPROTECT, WRPROTECT and VRPROTECT are reserved: there is no protection information.
constexpr std::uint8_t read_flags = 0x1e;   // DPO, FUA, RARC, FUA_NV
constexpr std::uint8_t write_flags = 0x1a;  // DPO, FUA, FUA_NV
constexpr std::uint8_t verify_flags = 0x16; // DPO, BYTCHK
constexpr std::uint8_t group = 0x3f;        // GROUP NUMBER, which we have no use for

/// What disks and CDs have in common.
constexpr std::array shared_rows{
    medium(0x00, "TEST UNIT READY", any, primary::test_unit_ready, {}),
    simple(0x03, "REQUEST SENSE", any, primary::request_sense, {0x01, 0, 0, 0xff}, Attentions::ignored),
    medium(0x08, "READ(6)", reads, block_cmd::read, {0x1f, 0xff, 0xff, 0xff}),
    simple(0x12, "INQUIRY", any, primary::inquiry, {0x01, 0xff, 0xff, 0xff}, Attentions::ignored),
    simple(0x15, "MODE SELECT(6)", writes, primary::mode_select_6, {0x11, 0, 0, 0xff}),
    simple(0x16, "RESERVE(6)", any, primary::reserve_6, {}),
    simple(0x17, "RELEASE(6)", any, primary::release_6, {}),
    simple(0x1a, "MODE SENSE(6)", reads, primary::mode_sense_6, {0x08, 0xff, 0xff, 0xff}),
    simple(0x1b, "START STOP UNIT", any, removable::start_stop_unit, {0x01, 0, 0x0f, 0xf7}),
    simple(0x1e, "PREVENT ALLOW MEDIUM REMOVAL", any, removable::prevent_allow_medium_removal, {0, 0, 0, 0x01}),
    medium(0x25, "READ CAPACITY(10)", any, block_cmd::read_capacity_10, {}),
    medium(0x28, "READ(10)", reads, block_cmd::read, {read_flags, 0xff, 0xff, 0xff, 0xff, group, 0xff, 0xff}),
    simple(0x55, "MODE SELECT(10)", writes, primary::mode_select_10, {0x11, 0, 0, 0, 0, 0, 0xff, 0xff}),
    simple(0x5a, "MODE SENSE(10)", reads, primary::mode_sense_10, {0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff}),
    action(0x5e, 0x00, "PERSISTENT RESERVE IN, READ KEYS", any, reserve::read_keys, {0x1f, 0, 0, 0, 0, 0, 0xff, 0xff}),
    action(0x5e, 0x01, "PERSISTENT RESERVE IN, READ RESERVATION", any, reserve::read_reservation, {0x1f, 0, 0, 0, 0, 0, 0xff, 0xff}),
    action(0x5e, 0x02, "PERSISTENT RESERVE IN, REPORT CAPABILITIES", any, reserve::report_capabilities, {0x1f, 0, 0, 0, 0, 0, 0xff, 0xff}),
    action(0x5e, 0x03, "PERSISTENT RESERVE IN, READ FULL STATUS", any, reserve::read_full_status, {0x1f, 0, 0, 0, 0, 0, 0xff, 0xff}),
    action(0x5f, 0x00, "PERSISTENT RESERVE OUT, REGISTER", any, reserve::out, {0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x5f, 0x01, "PERSISTENT RESERVE OUT, RESERVE", any, reserve::out, {0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x5f, 0x02, "PERSISTENT RESERVE OUT, RELEASE", any, reserve::out, {0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x5f, 0x03, "PERSISTENT RESERVE OUT, CLEAR", any, reserve::out, {0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x5f, 0x04, "PERSISTENT RESERVE OUT, PREEMPT", any, reserve::out, {0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x5f, 0x05, "PERSISTENT RESERVE OUT, PREEMPT AND ABORT", any, reserve::out, {0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x5f, 0x06, "PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY", any, reserve::out,
           {0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x5f, 0x07, "PERSISTENT RESERVE OUT, REGISTER AND MOVE", any, reserve::out, {0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    simple(0xa0, "REPORT LUNS", any, primary::report_luns, {0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, Attentions::ignored),
    action(0xa3, 0x0a, "REPORT TARGET PORT GROUPS", any, primary::report_target_port_groups, {0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0xa3, 0x0c, "REPORT SUPPORTED OPERATION CODES", any, primary::report_supported_operation_codes,
           {0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
    action(0xa3, 0x0d, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", any, primary::report_supported_task_management_functions,
           {0x1f, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    medium(0xa8, "READ(12)", reads, block_cmd::read, {read_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
};

constexpr std::array disk_only_rows{
    writing(0x0a, "WRITE(6)", block_cmd::write, {0x1f, 0xff, 0xff, 0xff}),
    writing(0x2a, "WRITE(10)", block_cmd::write, {write_flags, 0xff, 0xff, 0xff, 0xff, group, 0xff, 0xff}),
    writing(0x2e, "WRITE AND VERIFY(10)", block_cmd::write_and_verify, {verify_flags, 0xff, 0xff, 0xff, 0xff, group, 0xff, 0xff}),
    medium(0x2f, "VERIFY(10)", reads, block_cmd::verify, {verify_flags, 0xff, 0xff, 0xff, 0xff, group, 0xff, 0xff}),
    medium(0x34, "PRE-FETCH(10)", reads, block_cmd::prefetch, {0x02, 0xff, 0xff, 0xff, 0xff, group, 0xff, 0xff}),
    medium(0x35, "SYNCHRONIZE CACHE(10)", writes, block_cmd::synchronize_cache, {0x06, 0xff, 0xff, 0xff, 0xff, group, 0xff, 0xff}),
    medium(0x37, "READ DEFECT DATA(10)", reads, block_cmd::read_defect_data_10, {0, 0x1f, 0, 0, 0, 0, 0xff, 0xff}),
    writing(0x41, "WRITE SAME(10)", block_cmd::write_same, {0x08, 0xff, 0xff, 0xff, 0xff, group, 0xff, 0xff}),
    writing(0x42, "UNMAP", block_cmd::unmap, {0, 0, 0, 0, 0, group, 0xff, 0xff}),
    row(0x83, 0x00, "EXTENDED COPY(LID1)", writes, Medium::written, copy::extended_copy, {0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x84, 0x00, "RECEIVE COPY STATUS(LID1)", writes, copy::receive_status, {0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x84, 0x03, "RECEIVE COPY OPERATING PARAMETERS", writes, copy::receive_operating_parameters,
           {0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    action(0x84, 0x04, "RECEIVE COPY FAILURE DETAILS(LID1)", writes, copy::receive_failure_details,
           {0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    medium(0x88, "READ(16)", reads, block_cmd::read,
           {read_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    writing(0x89, "COMPARE AND WRITE", block_cmd::compare_and_write,
            {write_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, group}),
    writing(0x8a, "WRITE(16)", block_cmd::write,
            {write_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    writing(0x8b, "ORWRITE(16)", block_cmd::or_write,
            {write_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    writing(0x8e, "WRITE AND VERIFY(16)", block_cmd::write_and_verify,
            {verify_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    medium(0x8f, "VERIFY(16)", reads, block_cmd::verify,
           {verify_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    medium(0x90, "PRE-FETCH(16)", reads, block_cmd::prefetch,
           {0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    medium(0x91, "SYNCHRONIZE CACHE(16)", writes, block_cmd::synchronize_cache,
           {0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    writing(0x93, "WRITE SAME(16)", block_cmd::write_same,
            {0x09, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    medium_action(0x9e, 0x10, "READ CAPACITY(16)", any, block_cmd::read_capacity_16, {0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}),
    medium_action(0x9e, 0x12, "GET LBA STATUS", reads, block_cmd::get_lba_status,
           {0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
    writing(0xaa, "WRITE(12)", block_cmd::write, {write_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    writing(0xae, "WRITE AND VERIFY(12)", block_cmd::write_and_verify,
            {verify_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    medium(0xaf, "VERIFY(12)", reads, block_cmd::verify, {verify_flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, group}),
    medium(0xb7, "READ DEFECT DATA(12)", reads, block_cmd::read_defect_data_12, {0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
};

constexpr std::array cdrom_only_rows{
    // There is nothing to write; Linux sends it all the same.
    medium(0x35, "SYNCHRONIZE CACHE(10)", reads, cdrom::synchronize_cache, {0x06, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff}),
    // The top bits of the CONTROL byte are the format as ATAPI had it (SFF-8020); Linux still asks for the last session by them.
    medium(0x43, "READ TOC/PMA/ATIP", reads, cdrom::read_toc, {0x02, 0x0f, 0, 0, 0, 0xff, 0xff, 0xff, 0xc0}),
    simple(0x46, "GET CONFIGURATION", any, cdrom::get_configuration, {0x03, 0xff, 0xff, 0, 0, 0, 0xff, 0xff}, Attentions::ignored),
    simple(0x4a, "GET EVENT STATUS NOTIFICATION", any, cdrom::get_event_status_notification, {0x01, 0, 0, 0xff, 0, 0, 0xff, 0xff},
           Attentions::ignored),
    medium(0x51, "READ DISC INFORMATION", reads, cdrom::read_disc_information, {0x07, 0, 0, 0, 0, 0, 0xff, 0xff}),
    medium(0x52, "READ TRACK INFORMATION", reads, cdrom::read_track_information, {0x03, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff}),
    simple(0xbd, "MECHANISM STATUS", any, cdrom::mechanism_status, {0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}),
};

template <std::size_t A, std::size_t B>
constexpr std::array<CommandRow, A + B> merged(const std::array<CommandRow, A>& a, const std::array<CommandRow, B>& b) {
    std::array<CommandRow, A + B> result{};
    std::merge(a.begin(), a.end(), b.begin(), b.end(), result.begin(), [](const CommandRow& left, const CommandRow& right) {
        return left.opcode != right.opcode ? left.opcode < right.opcode : left.service_action < right.service_action;
    });
    return result;
}

constexpr auto disk_rows = merged(shared_rows, disk_only_rows);
constexpr auto cdrom_rows = merged(shared_rows, cdrom_only_rows);

constexpr std::uint8_t service_action_mask = 0x1f;

} // namespace

CdbBytes CommandRow::usage_data() const {
    CdbBytes data = usage;
    data[0] = opcode;
    if (has_service_action()) {
        data[1] = static_cast<std::uint8_t>((data[1] & ~service_action_mask) | service_action);
    }
    return data;
}

const CommandRow* CommandTable::find(std::uint8_t opcode, std::uint8_t service_action) const {
    for (std::size_t next = first_rows_[opcode]; next != 0 && next <= rows_.size(); ++next) {
        const CommandRow& candidate = rows_[next - 1];
        if (candidate.opcode != opcode) {
            break;
        }
        if (candidate.service_action == service_action) {
            return &candidate;
        }
    }
    return nullptr;
}

bool CommandTable::has_service_actions(std::uint8_t opcode) const {
    return first_rows_[opcode] != 0 && rows_[first_rows_[opcode] - 1U].has_service_action();
}

const CommandRow* CommandTable::find(const Cdb& cdb) const {
    const std::uint8_t first = first_rows_[cdb.opcode()];
    if (first == 0) {
        return nullptr;
    }
    const CommandRow& candidate = rows_[first - 1U];
    return candidate.has_service_action() ? find(cdb.opcode(), cdb.service_action()) : &candidate;
}

Sense CommandTable::unknown_command(const Cdb& cdb) const {
    constexpr std::uint8_t service_action_top_bit = 4;
    return has_service_actions(cdb.opcode()) ? invalid_field_in_cdb(1, service_action_top_bit)
                                             : illegal_request(Asc::invalid_command_operation_code);
}

const CommandTable& disk_commands() {
    static constexpr CommandTable table(disk_rows);
    return table;
}

const CommandTable& cdrom_commands() {
    static constexpr CommandTable table(cdrom_rows);
    return table;
}

std::optional<Sense> check_usage(const CommandRow& row, const Cdb& cdb) {
    // Two words at a time: this is on the way of every command.
    const auto unused = [&](std::size_t offset) {
        return from_bytes<std::uint64_t>(cdb.bytes().subspan(offset)) & ~from_bytes<std::uint64_t>(Bytes(row.usage).subspan(offset));
    };
    if ((unused(0) | unused(8)) == 0) [[likely]] {
        return std::nullopt;
    }
    for (std::uint16_t i = 1; i < row.length(); ++i) {
        if (const auto bits = static_cast<std::uint8_t>(cdb[i] & ~row.usage[i])) {
            return invalid_field_in_cdb(i, static_cast<std::uint8_t>(std::bit_width(bits) - 1));
        }
    }
    return std::nullopt; // only bytes behind the CDB were set
}

} // namespace rootstock::scsi
