// The dynamic disk header of a VHD file ([VHD] Dynamic Disk Header Format): where the table lies, how large blocks are, who the parent is. Pure.
#pragma once

#include "core/result.hpp"
#include "images/vhd_error.hpp"
#include "images/vhd_layout.hpp"

#include <string>
#include <vector>

namespace rootstock::images {

/// Where the path of the parent stands in the file.
struct VhdParentLocator {
    vhd::Code platform_code{};
    std::uint32_t length = 0;
    std::uint64_t offset = 0;
    bool operator==(const VhdParentLocator&) const = default;
};

struct VhdDynamicHeader {
    std::uint64_t table_offset = 0;
    std::uint32_t max_table_entries = 0;
    std::uint32_t block_size = 2U << 20U;
    Guid parent_unique_id;
    std::string parent_name;                // UTF-8; of a differencing disk
    std::vector<VhdParentLocator> locators; // those in use
    bool operator==(const VhdDynamicHeader&) const = default;

    /// Bytes of the bitmap in front of each block: whole sectors, one bit for each sector of the block, the most significant first.
    [[nodiscard]] std::uint64_t bitmap_size() const;
};

/// From its 1024 bytes: cookie, checksum, version, block size.
[[nodiscard]] Result<VhdDynamicHeader, VhdError> decode_vhd_dynamic_header(Bytes record);
/// Its 1024 bytes; of a disk without a parent.
[[nodiscard]] ByteVector encode_vhd_dynamic_header(const VhdDynamicHeader& header);

} // namespace rootstock::images
