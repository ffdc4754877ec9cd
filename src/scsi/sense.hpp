// Sense data: why a command ended with CHECK CONDITION (SPC-4 section 4.5), in fixed and descriptor format. Pure values.
#pragma once

#include "block/block_device.hpp"

#include <cstdint>
#include <optional>

namespace rootstock::scsi {

/// SPC-4 table 41.
enum class SenseKey : std::uint8_t {
    no_sense = 0x0,
    recovered_error = 0x1,
    not_ready = 0x2,
    medium_error = 0x3,
    hardware_error = 0x4,
    illegal_request = 0x5,
    unit_attention = 0x6,
    data_protect = 0x7,
    copy_aborted = 0xa,
    aborted_command = 0xb,
    miscompare = 0xe,
};

/// Additional sense code and qualifier, as in the lists of SPC-4 annex F: 0xAAQQ.
enum class Asc : std::uint16_t {
    no_additional_information = 0x0000,
    operation_in_progress = 0x0016,
    logical_unit_not_ready = 0x0400,
    write_error = 0x0c00,
    copy_target_device_not_reachable = 0x0d02,
    incorrect_copy_target_device_type = 0x0d03,
    invalid_field_in_command_information_unit = 0x0e03,
    unrecovered_read_error = 0x1100,
    parameter_list_length_error = 0x1a00,
    miscompare_during_verify = 0x1d00,
    invalid_command_operation_code = 0x2000,
    lba_out_of_range = 0x2100,
    invalid_field_in_cdb = 0x2400,
    logical_unit_not_supported = 0x2500,
    invalid_field_in_parameter_list = 0x2600,
    invalid_release_of_persistent_reservation = 0x2604,
    too_many_target_descriptors = 0x2606,
    unsupported_target_descriptor_type = 0x2607,
    too_many_segment_descriptors = 0x2608,
    unsupported_segment_descriptor_type = 0x2609,
    inline_data_length_exceeded = 0x260b,
    write_protected = 0x2700,
    space_allocation_failed_write_protect = 0x2707,
    medium_may_have_changed = 0x2800,
    power_on_reset_or_bus_device_reset = 0x2900,
    bus_device_reset_function_occurred = 0x2903,
    mode_parameters_changed = 0x2a01,
    reservations_preempted = 0x2a03,
    reservations_released = 0x2a04,
    registrations_preempted = 0x2a05,
    capacity_data_has_changed = 0x2a09,
    commands_cleared_by_another_initiator = 0x2f00,
    reported_luns_data_has_changed = 0x3f0e,
    saving_parameters_not_supported = 0x3900,
    medium_not_present_tray_open = 0x3a02,
    internal_target_failure = 0x4400,
    medium_removal_prevented = 0x5302,
    insufficient_registration_resources = 0x5504,
};

/// Where in the CDB or the parameter list the mistake is (SPC-4 4.5.2.4.2).
struct FieldPointer {
    bool in_cdb = true;
    std::uint16_t byte = 0;
    std::optional<std::uint8_t> bit; // the most significant of the field
};

struct Sense {
    SenseKey key = SenseKey::no_sense;
    Asc asc = Asc::no_additional_information;
    std::optional<FieldPointer> field;
    std::optional<std::uint64_t> information;
    std::optional<std::uint64_t> command_specific{};
};

[[nodiscard]] Sense illegal_request(Asc asc);
[[nodiscard]] Sense invalid_field_in_cdb(std::uint16_t byte, std::optional<std::uint8_t> bit = std::nullopt);
[[nodiscard]] Sense invalid_field_in_parameter_list(std::uint16_t byte, std::optional<std::uint8_t> bit = std::nullopt);

/// The one place where a failed I/O becomes sense data. `writing`: the I/O changes the medium.
[[nodiscard]] Sense sense_of(block::IoError error, bool writing);

enum class SenseFormat : std::uint8_t { fixed, descriptor };

/// Fixed: 18 bytes (response code 70h). Descriptor: 8 bytes and one descriptor for each detail (72h).
[[nodiscard]] ByteVector encode(const Sense& sense, SenseFormat format);

} // namespace rootstock::scsi
