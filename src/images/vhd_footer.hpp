// The footer of a VHD file, and its copy at the front of those that are not fixed ([VHD] Hard Disk Footer Format). Pure.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "images/vhd_error.hpp"
#include "images/vhd_layout.hpp"

namespace rootstock::images {

struct VhdFooter {
    vhd::DiskType type = vhd::DiskType::fixed;
    std::uint64_t data_offset = vhd::no_offset;
    std::uint64_t current_size = 0; // of the disk: what Windows goes by, not the product of the geometry
    std::uint32_t time_stamp = 0;   // seconds since 2000-01-01 UTC
    Guid unique_id;
    bool saved_state = false;
    bool operator==(const VhdFooter&) const = default;
};

/// The ones' complement of the sum of all bytes but the checksum's own. `checksum_offset`: where that lies.
[[nodiscard]] std::uint32_t vhd_checksum(Bytes structure, std::size_t checksum_offset);
inline constexpr std::size_t vhd_footer_checksum_offset = 64;
inline constexpr std::size_t vhd_header_checksum_offset = 36;

/// From 512 bytes, or the 511 of old software.
[[nodiscard]] Result<VhdFooter, VhdError> decode_vhd_footer(Bytes record);
/// Its 512 bytes.
[[nodiscard]] ByteVector encode_vhd_footer(const VhdFooter& footer);
[[nodiscard]] std::uint32_t vhd_time_stamp(WallTime time);

} // namespace rootstock::images
