// The metadata region: block size, disk size, sector sizes, parent ([MS-VHDX] 2.6). Pure.
#pragma once

#include "core/result.hpp"
#include "images/vhdx_error.hpp"
#include "images/vhdx_layout.hpp"

#include <optional>
#include <string>
#include <utility>

namespace rootstock::images {

/// Key-value pairs in UTF-8 ([MS-VHDX] 2.6.2.6).
struct VhdxParentLocator {
    std::vector<std::pair<std::string, std::string>> entries;

    [[nodiscard]] std::optional<std::string> find(std::string_view key) const;
    /// The parent's DataWriteGuid: parent_linkage, and while a merge is under way parent_linkage2.
    [[nodiscard]] std::vector<Guid> linkages() const;
    bool operator==(const VhdxParentLocator&) const = default;
};

struct VhdxMetadata {
    std::uint32_t block_size = 2U << 20U;
    bool leave_block_allocated = false; // a fixed disk
    std::uint64_t virtual_disk_size = 0;
    Guid virtual_disk_id;               // "page 83 data"
    std::uint32_t logical_sector_size = 512;
    std::uint32_t physical_sector_size = 4096;
    std::optional<VhdxParentLocator> parent; // there when the disk is differencing
    bool operator==(const VhdxMetadata&) const = default;
};

/// From the whole region (its length is at most limits::metadata_region_bytes).
[[nodiscard]] Result<VhdxMetadata, VhdxError> decode_metadata(Bytes region);
/// The table and the items: the front of a region whose rest is zeros.
[[nodiscard]] ByteVector encode_metadata(const VhdxMetadata& metadata);

/// The locator of a child at `child_path` whose parent is at `parent_path` (both absolute, or both relative to one directory): parent_linkage,
/// relative_path, and absolute_win32_path when there is one.
[[nodiscard]] VhdxParentLocator make_parent_locator(const std::string& child_path, const std::string& parent_path,
                                                    const Guid& parent_data_write_guid);

} // namespace rootstock::images
