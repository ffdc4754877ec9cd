#include "images/master_extents.hpp"

#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {

Result<MasterExtents, VhdxError> MasterExtents::flatten(std::span<const std::uint64_t> entries, const VhdxImage& image) {
    const BatGeometry geometry = image.geometry();
    const std::uint64_t size = image.metadata.virtual_disk_size;
    MasterExtents result;
    std::vector<MasterExtent>& extents = result.extents_;
    for (std::uint64_t block = 0; block < geometry.block_count(); ++block) {
        const auto entry = decode_payload_entry(entries[geometry.payload_index(block)]);
        if (!entry) {
            return entry.error();
        }
        if (entry->state != PayloadState::fully_present) {
            continue;
        }
        const std::uint64_t disk_offset = block * geometry.block_size();
        const std::uint64_t length = std::min<std::uint64_t>(geometry.block_size(), size - disk_offset);
        if (!extents.empty() && extents.back().disk_end() == disk_offset && extents.back().file_offset + extents.back().length == entry->file_offset) {
            extents.back().length += length;
            continue;
        }
        if (extents.size() == limits::master_extents) {
            return VhdxError::bat_too_fragmented;
        }
        extents.push_back({disk_offset, length, entry->file_offset});
    }
    return result;
}

MasterExtents::Piece MasterExtents::at(std::uint64_t offset, std::uint64_t length) const {
    // The first extent that ends behind `offset`.
    const auto extent = std::ranges::upper_bound(extents_, offset, {}, &MasterExtent::disk_end);
    if (extent == extents_.end()) {
        return {std::nullopt, length};
    }
    if (offset < extent->disk_offset) {
        return {std::nullopt, std::min(length, extent->disk_offset - offset)};
    }
    return {extent->file_offset + (offset - extent->disk_offset), std::min(length, extent->disk_end() - offset)};
}

} // namespace rootstock::images
