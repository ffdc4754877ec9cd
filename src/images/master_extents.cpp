#include "images/master_extents.hpp"

#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

constexpr unsigned least_step_shift = 21;             // 2 MiB: a block, whose extents are few even in a well-mixed chain
constexpr std::uint64_t most_steps = std::uint64_t{1} << 20U;

} // namespace

Result<MasterExtents> MasterExtents::flatten(ImageLayers layers) {
    MasterExtents result;
    const std::uint64_t size = layers.front()->facts().size_bytes;
    for (std::uint64_t offset = 0; offset < size;) {
        const auto found = locate_in_chain(layers, offset, size - offset);
        if (!found) {
            return found.error();
        }
        if (found->piece.source == PieceSource::own && !result.add({offset, found->piece.length, found->piece.file_offset, found->layer})) {
            return make_error(std::errc::not_supported, layers.front()->file().path() + " and its parents are in more than " +
                                                            std::to_string(limits::master_extents) + " pieces; merge or convert the disk first");
        }
        offset += found->piece.length;
    }
    result.index(size);
    return result;
}

bool MasterExtents::add(const MasterExtent& extent) {
    if (!extents_.empty()) {
        MasterExtent& last = extents_.back();
        if (last.file == extent.file && last.disk_end() == extent.disk_offset && last.file_offset + last.length == extent.file_offset) {
            last.length += extent.length;
            return true;
        }
    }
    if (extents_.size() == limits::master_extents) {
        return false;
    }
    extents_.push_back(extent);
    return true;
}

/// A search in all the extents of a well-mixed chain would cost as much as the rest of a small read.
void MasterExtents::index(std::uint64_t size_bytes) {
    step_shift_ = least_step_shift;
    while ((size_bytes >> step_shift_) >= most_steps) {
        ++step_shift_;
    }
    std::uint32_t first = 0;
    for (std::uint64_t start = 0; start < size_bytes; start += std::uint64_t{1} << step_shift_) {
        while (first < extents_.size() && extents_[first].disk_end() <= start) {
            ++first;
        }
        first_in_step_.push_back(first);
    }
    first_in_step_.push_back(static_cast<std::uint32_t>(extents_.size()));
}

MasterExtents::Piece MasterExtents::at(std::uint64_t offset, std::uint64_t length) const {
    // The first extent that ends behind `offset`: at the latest the first that ends behind the next step's start.
    const std::uint64_t step = offset >> step_shift_;
    const auto from = extents_.begin() + first_in_step_[step];
    const auto to = extents_.begin() + first_in_step_[step + 1];
    const auto extent = std::ranges::upper_bound(from, to, offset, {}, &MasterExtent::disk_end);
    if (extent == extents_.end()) {
        return {std::nullopt, length, 0};
    }
    if (offset < extent->disk_offset) {
        return {std::nullopt, std::min(length, extent->disk_offset - offset), 0};
    }
    return {extent->file_offset + (offset - extent->disk_offset), std::min(length, extent->disk_end() - offset), extent->file};
}

} // namespace rootstock::images
