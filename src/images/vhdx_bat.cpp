#include "images/vhdx_bat.hpp"

namespace rootstock::images {
namespace {

// An entry: state in bits 0..2, reserved 3..19, file offset in MiB in 20..63. As block offsets are multiples of 1 MiB = 2^20, the
// upper bits are the offset in bytes as they stand.
constexpr std::uint64_t state_mask = 0x7;
constexpr std::uint64_t reserved_mask = 0xffff8;
constexpr std::uint64_t offset_mask = ~std::uint64_t{0xfffff};

constexpr std::uint64_t sectors_per_chunk = std::uint64_t{1} << 23U; // bits of one sector bitmap block

} // namespace

Result<PayloadEntry, VhdxError> decode_payload_entry(std::uint64_t entry) {
    if ((entry & reserved_mask) != 0) {
        return VhdxError::bat_reserved_bits;
    }
    const std::uint64_t state = entry & state_mask;
    if (state == 4 || state == 5) {
        return VhdxError::bat_state;
    }
    return PayloadEntry{static_cast<PayloadState>(state), entry & offset_mask};
}

Result<BitmapEntry, VhdxError> decode_bitmap_entry(std::uint64_t entry) {
    if ((entry & reserved_mask) != 0) {
        return VhdxError::bat_reserved_bits;
    }
    const std::uint64_t state = entry & state_mask;
    if (state != 0 && state != 6) {
        return VhdxError::bat_state;
    }
    return BitmapEntry{static_cast<BitmapState>(state), entry & offset_mask};
}

std::uint64_t encode_entry(const PayloadEntry& entry) { return entry.file_offset | static_cast<std::uint64_t>(entry.state); }
std::uint64_t encode_entry(const BitmapEntry& entry) { return entry.file_offset | static_cast<std::uint64_t>(entry.state); }

BatGeometry::BatGeometry(const VhdxMetadata& metadata)
    : block_size_(metadata.block_size), sector_size_(metadata.logical_sector_size),
      block_count_(div_up(metadata.virtual_disk_size, block_size_)), chunk_ratio_(sectors_per_chunk * sector_size_ / block_size_),
      differencing_(metadata.parent.has_value()) {}

std::uint64_t BatGeometry::entry_count() const {
    return differencing_ ? chunk_count() * (chunk_ratio_ + 1) : block_count_ + (block_count_ - 1) / chunk_ratio_;
}

} // namespace rootstock::images
