// The command handlers, by the file that implements them. Only command_table.cpp names them all. Signature and Context: command_table.hpp.
#pragma once

#include "scsi/command_table.hpp"

namespace rootstock::scsi {

/// Parameter data, cut to the allocation length (SPC-4 4.2.5.6).
[[nodiscard]] Outcome data_in(ByteVector data, std::uint64_t allocation_length);
[[nodiscard]] Outcome good();
[[nodiscard]] Outcome with_status(Status status);

/// SPC: commands without a medium (primary_commands).
namespace primary {
Outcome test_unit_ready(const Context& c);
Outcome request_sense(const Context& c);
Outcome inquiry(const Context& c);
Outcome mode_sense_6(const Context& c);
Outcome mode_sense_10(const Context& c);
Outcome mode_select_6(const Context& c);
Outcome mode_select_10(const Context& c);
Outcome reserve_6(const Context& c);
Outcome release_6(const Context& c);
Outcome report_luns(const Context& c);
Outcome report_target_port_groups(const Context& c);
Outcome report_supported_operation_codes(const Context& c);
Outcome report_supported_task_management_functions(const Context& c);
[[nodiscard]] ByteVector luns_data(const std::vector<std::uint64_t>& luns, std::uint8_t select_report);
} // namespace primary

/// PERSISTENT RESERVE IN and OUT (reserve_commands).
namespace reserve {
Outcome read_keys(const Context& c);
Outcome read_reservation(const Context& c);
Outcome report_capabilities(const Context& c);
Outcome read_full_status(const Context& c);
Outcome out(const Context& c);
} // namespace reserve

/// EXTENDED COPY and what tells of it (copy_commands).
namespace copy {
Outcome extended_copy(const Context& c);
Outcome receive_status(const Context& c);
Outcome receive_operating_parameters(const Context& c);
Outcome receive_failure_details(const Context& c);
} // namespace copy

/// Loading, ejecting and locking (removable_commands).
namespace removable {
Outcome start_stop_unit(const Context& c);
Outcome prevent_allow_medium_removal(const Context& c);
} // namespace removable

/// MMC: what only CD drives have (cdrom_commands).
namespace cdrom {
Outcome synchronize_cache(const Context& c);
Outcome read_toc(const Context& c);
Outcome get_configuration(const Context& c);
Outcome get_event_status_notification(const Context& c);
Outcome read_disc_information(const Context& c);
Outcome read_track_information(const Context& c);
Outcome mechanism_status(const Context& c);
} // namespace cdrom

/// SBC: the medium (block_commands).
namespace block_cmd {
Outcome read(const Context& c);
Outcome write(const Context& c);
Outcome verify(const Context& c);
Outcome write_and_verify(const Context& c);
Outcome compare_and_write(const Context& c);
Outcome or_write(const Context& c);
Outcome write_same(const Context& c);
Outcome unmap(const Context& c);
Outcome get_lba_status(const Context& c);
Outcome synchronize_cache(const Context& c);
Outcome prefetch(const Context& c);
Outcome read_capacity_10(const Context& c);
Outcome read_capacity_16(const Context& c);
Outcome read_defect_data_10(const Context& c);
Outcome read_defect_data_12(const Context& c);
[[nodiscard]] ByteVector lba_status_data(const BlockIo& io, const IoResult& result, std::uint32_t block_size);
} // namespace block_cmd

} // namespace rootstock::scsi
