// Basic header segments: one 48-byte struct per opcode, as on the wire (RFC 7143 section 11). Copied in and out, never cast in place.
// Only layout and code points live here; pdu_reader and pdu_writer move them, connection gives them meaning.
// Long because the specification's headers are a table, and a table is read in one piece.
#pragma once

#include "core/bytes.hpp"
#include "core/wire_int.hpp"

#include <array>
#include <optional>
#include <type_traits>

namespace rootstock::iscsi {

inline constexpr std::size_t bhs_size = 48;
inline constexpr std::uint32_t reserved_tag = 0xffffffff;

/// Section 11.2.1.2; the bit 0x40 of the byte is Immediate.
enum class Opcode : std::uint8_t {
    nop_out = 0x00,
    scsi_command = 0x01,
    task_management_request = 0x02,
    login_request = 0x03,
    text_request = 0x04,
    data_out = 0x05,
    logout_request = 0x06,
    snack_request = 0x10,
    nop_in = 0x20,
    scsi_response = 0x21,
    task_management_response = 0x22,
    login_response = 0x23,
    text_response = 0x24,
    data_in = 0x25,
    logout_response = 0x26,
    ready_to_transfer = 0x31,
    async_message = 0x32,
    reject = 0x3f,
};
inline constexpr std::uint8_t opcode_mask = 0x3f;
inline constexpr std::uint8_t immediate_bit = 0x40;
inline constexpr std::uint8_t final_bit = 0x80;    // F, and T of a login
inline constexpr std::uint8_t continue_bit = 0x40; // C of login and text

/// What every PDU shares (section 11.2.1).
struct BasicHeader {
    std::uint8_t opcode_byte;
    std::uint8_t flags;
    std::array<std::uint8_t, 2> specific;
    std::uint8_t total_ahs_length; // in words of four bytes
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag;
    std::array<std::uint8_t, 28> rest;

    [[nodiscard]] Opcode opcode() const { return static_cast<Opcode>(opcode_byte & opcode_mask); }
    [[nodiscard]] bool immediate() const { return (opcode_byte & immediate_bit) != 0; }
    [[nodiscard]] bool final() const { return (flags & final_bit) != 0; }
};

struct ScsiCommandHeader {
    static constexpr std::uint8_t read_bit = 0x40, write_bit = 0x20, attribute_mask = 0x07;
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag, expected_data_transfer_length, cmd_sn, exp_stat_sn;
    std::array<std::uint8_t, 16> cdb;
};

struct ScsiResponseHeader {
    static constexpr std::uint8_t overflow_bit = 0x04, underflow_bit = 0x02;
    std::uint8_t opcode_byte, flags, response, status;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> reserved;
    be32 initiator_task_tag, snack_tag, stat_sn, exp_cmd_sn, max_cmd_sn, exp_data_sn, bidirectional_residual_count, residual_count;
};

struct DataOutHeader {
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag, target_transfer_tag, reserved2, exp_stat_sn, reserved3, data_sn, buffer_offset, reserved4;
};

struct DataInHeader {
    static constexpr std::uint8_t overflow_bit = 0x04, underflow_bit = 0x02, status_bit = 0x01;
    std::uint8_t opcode_byte, flags, reserved, status;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn, data_sn, buffer_offset, residual_count;
};

struct ReadyToTransferHeader {
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn, r2t_sn, buffer_offset, desired_data_transfer_length;
};

struct TaskManagementRequestHeader {
    static constexpr std::uint8_t function_mask = 0x7f;
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag, referenced_task_tag, cmd_sn, exp_stat_sn, ref_cmd_sn, exp_data_sn;
    std::array<std::uint8_t, 8> reserved2;
};

struct TaskManagementResponseHeader {
    std::uint8_t opcode_byte, flags, response, reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> reserved2;
    be32 initiator_task_tag, reserved3, stat_sn, exp_cmd_sn, max_cmd_sn;
    std::array<std::uint8_t, 12> reserved4;
};

struct NopOutHeader {
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag, target_transfer_tag, cmd_sn, exp_stat_sn;
    std::array<std::uint8_t, 16> reserved2;
};

struct NopInHeader {
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
    std::array<std::uint8_t, 12> reserved2;
};

/// Section 11.12 and 11.13: stages as in the CSG and NSG fields.
enum class Stage : std::uint8_t { security = 0, operational = 1, full_feature = 3 };

struct LoginRequestHeader {
    std::uint8_t opcode_byte, flags, version_max, version_min;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 6> isid;
    be16 tsih;
    be32 initiator_task_tag;
    be16 connection_id, reserved1;
    be32 cmd_sn, exp_stat_sn;
    std::array<std::uint8_t, 16> reserved2;
};

struct LoginResponseHeader {
    std::uint8_t opcode_byte, flags, version_max, version_active;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 6> isid;
    be16 tsih;
    be32 initiator_task_tag, reserved1, stat_sn, exp_cmd_sn, max_cmd_sn;
    std::uint8_t status_class, status_detail;
    std::array<std::uint8_t, 10> reserved2;
};

struct TextRequestHeader {
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 initiator_task_tag, target_transfer_tag, cmd_sn, exp_stat_sn;
    std::array<std::uint8_t, 16> reserved2;
};

using TextResponseHeader = NopInHeader; // the same fields in the same places (sections 11.11 and 11.19)

struct LogoutRequestHeader {
    static constexpr std::uint8_t reason_mask = 0x7f;
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> reserved2;
    be32 initiator_task_tag;
    be16 connection_id, reserved3;
    be32 cmd_sn, exp_stat_sn;
    std::array<std::uint8_t, 16> reserved4;
};

struct LogoutResponseHeader {
    std::uint8_t opcode_byte, flags, response, reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> reserved2;
    be32 initiator_task_tag, reserved3, stat_sn, exp_cmd_sn, max_cmd_sn, reserved4;
    be16 time2wait, time2retain;
    be32 reserved5;
};

struct AsyncMessageHeader {
    std::uint8_t opcode_byte, flags;
    std::array<std::uint8_t, 2> reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> lun;
    be32 all_ones, reserved2, stat_sn, exp_cmd_sn, max_cmd_sn;
    std::uint8_t async_event, async_vcode;
    be16 parameter1, parameter2, parameter3;
    be32 reserved3;
};

struct RejectHeader {
    std::uint8_t opcode_byte, flags, reason, reserved1;
    std::uint8_t total_ahs_length;
    be24 data_segment_length;
    std::array<std::uint8_t, 8> reserved2;
    be32 all_ones, reserved3, stat_sn, exp_cmd_sn, max_cmd_sn, data_sn;
    std::array<std::uint8_t, 8> reserved4;
};

template <class... Headers> inline constexpr bool are_headers = ((sizeof(Headers) == bhs_size && std::is_trivial_v<Headers>)&&...);
static_assert(are_headers<BasicHeader, ScsiCommandHeader, ScsiResponseHeader, DataOutHeader, DataInHeader, ReadyToTransferHeader>);
static_assert(are_headers<TaskManagementRequestHeader, TaskManagementResponseHeader, NopOutHeader, NopInHeader>);
static_assert(are_headers<LoginRequestHeader, LoginResponseHeader, TextRequestHeader, LogoutRequestHeader, LogoutResponseHeader>);
static_assert(are_headers<AsyncMessageHeader, RejectHeader>);

/// A zeroed header with its opcode and the Final bit.
template <class Header> [[nodiscard]] Header make_header(Opcode opcode) {
    Header header{};
    header.opcode_byte = static_cast<std::uint8_t>(opcode);
    header.flags = final_bit;
    return header;
}
/// The same 48 bytes, seen as another opcode's header.
template <class Header> [[nodiscard]] Header header_as(const BasicHeader& header) {
    return from_bytes<Header>(object_bytes(header));
}

/// Section 11.17.1.
enum class RejectReason : std::uint8_t {
    data_digest_error = 0x02,
    snack_reject = 0x03,
    protocol_error = 0x04,
    command_not_supported = 0x05,
    immediate_command_reject = 0x06,
    task_in_progress = 0x07,
    invalid_data_ack = 0x08,
    invalid_pdu_field = 0x09,
    long_operation_reject = 0x0a,
    negotiation_reset = 0x0b,
    waiting_for_logout = 0x0c,
};

/// The LUN field by SAM-5 4.7: single level, peripheral (bus 0) or flat space addressing. Nothing: no such form here.
[[nodiscard]] constexpr std::optional<std::uint64_t> decode_lun(const std::array<std::uint8_t, 8>& field) {
    for (std::size_t i = 2; i < field.size(); ++i) {
        if (field[i] != 0) {
            return std::nullopt;
        }
    }
    const unsigned method = field[0] >> 6U;
    if (method > 1 || (method == 0 && field[0] != 0)) {
        return std::nullopt;
    }
    return (std::uint64_t{field[0] & 0x3fU} << 8U) | field[1];
}

/// Serial number arithmetic (RFC 1982, RFC 7143 section 4.2.2.1).
[[nodiscard]] constexpr bool serial_less(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }
[[nodiscard]] constexpr bool serial_less_equal(std::uint32_t a, std::uint32_t b) { return !serial_less(b, a); }

} // namespace rootstock::iscsi
