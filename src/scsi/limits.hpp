// Bounds of the SCSI folder: what a CDB or a parameter list may ask for. VPD page B0 tells initiators the same numbers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rootstock::scsi::limits {

/// One READ, WRITE, VERIFY with data, ... moves at most this much.
inline constexpr std::uint64_t transfer_bytes = 8ULL << 20U;
inline constexpr std::uint64_t optimal_transfer_bytes = 1ULL << 20U;
inline constexpr std::uint64_t prefetch_bytes = 32ULL << 20U;
/// One WRITE SAME covers at most this much (it may have to write it all).
inline constexpr std::uint64_t write_same_bytes = 16ULL << 20U;
/// One UNMAP gives back at most this much, in at most this many pieces: initiators' sanity checks stop at 2^20 blocks.
inline constexpr std::uint64_t unmap_bytes = 512ULL << 20U;
inline constexpr std::uint32_t unmap_descriptors = 256;
/// COMPARE AND WRITE: the field in VPD B0 has one byte.
inline constexpr std::uint32_t compare_and_write_blocks = 255;
/// Parameter lists (not medium data) that are collected before a command is decided.
inline constexpr std::uint32_t parameter_list_bytes = 64 * 1024;
/// EXTENDED COPY, told by VPD page 8F: units and segments in one list, bytes in one segment, copies of one nexus at a time.
inline constexpr std::size_t copy_cscds = 16;
inline constexpr std::size_t copy_segments = 16;
inline constexpr std::uint64_t copy_segment_bytes = 16ULL << 20U;
inline constexpr std::size_t concurrent_copies = 8;
/// Copies of one nexus that have ended and whose status was not asked for; the oldest is forgotten.
inline constexpr std::size_t kept_copies = 16;
/// What a copy reads and writes between two looks at whether it was cancelled.
inline constexpr std::uint64_t copy_piece_bytes = 1ULL << 20U;
/// Descriptors in one GET LBA STATUS answer.
inline constexpr std::size_t lba_status_descriptors = 64;
/// Persistent reservation registrations of one unit; one more is refused with INSUFFICIENT REGISTRATION RESOURCES.
inline constexpr std::size_t registrations = 256;

} // namespace rootstock::scsi::limits
