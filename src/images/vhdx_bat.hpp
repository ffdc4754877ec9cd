// The block allocation table ([MS-VHDX] 2.5): entries, and the arithmetic of an array that interleaves payload and sector bitmap blocks. Pure.
//
//   P P P ... P B P P P ... P B        P: payload block, `chunk_ratio` of them, then B: the sector bitmap block of these (1 MiB, one bit
//   \-- ratio --/                      a logical sector, least significant bit first)
#pragma once

#include "core/checked.hpp"
#include "images/vhdx_metadata.hpp"

namespace rootstock::images {

enum class PayloadState : std::uint8_t {
    not_present = 0,      // dynamic: reads zeros; differencing: reads the parent
    undefined = 1,        // anything
    zero = 2,             // zeros, parent or not
    unmapped = 3,         // zeros or the old contents
    fully_present = 6,    // in the file
    partially_present = 7 // differencing only: the sector bitmap says which sectors are in the file
};
enum class BitmapState : std::uint8_t { not_present = 0, present = 6 };

struct PayloadEntry {
    PayloadState state = PayloadState::not_present;
    std::uint64_t file_offset = 0; // bytes; a multiple of 1 MiB
    bool operator==(const PayloadEntry&) const = default;
    [[nodiscard]] bool in_file() const { return state == PayloadState::fully_present || state == PayloadState::partially_present; }
};
struct BitmapEntry {
    BitmapState state = BitmapState::not_present;
    std::uint64_t file_offset = 0;
    bool operator==(const BitmapEntry&) const = default;
};

inline constexpr std::size_t bat_entry_size = 8;
inline constexpr std::uint64_t sector_bitmap_block_size = std::uint64_t{1} << 20U;

/// Value of one 8-byte entry (already in host order): state and offset alone; where it may lie is check_bat's business.
[[nodiscard]] Result<PayloadEntry, VhdxError> decode_payload_entry(std::uint64_t entry);
[[nodiscard]] Result<BitmapEntry, VhdxError> decode_bitmap_entry(std::uint64_t entry);
[[nodiscard]] std::uint64_t encode_entry(const PayloadEntry& entry);
[[nodiscard]] std::uint64_t encode_entry(const BitmapEntry& entry);

/// Index arithmetic for one disk. Block: index of a payload block. Chunk: index of a sector bitmap block.
class BatGeometry {
  public:
    explicit BatGeometry(const VhdxMetadata& metadata);

    [[nodiscard]] std::uint32_t block_size() const { return block_size_; }
    [[nodiscard]] std::uint32_t sector_size() const { return sector_size_; }
    [[nodiscard]] std::uint64_t block_count() const { return block_count_; }
    [[nodiscard]] std::uint64_t chunk_ratio() const { return chunk_ratio_; }
    [[nodiscard]] std::uint64_t chunk_count() const { return div_up(block_count_, chunk_ratio_); }
    [[nodiscard]] bool differencing() const { return differencing_; }
    /// Entries in the table, bitmap entries included.
    [[nodiscard]] std::uint64_t entry_count() const;
    [[nodiscard]] std::uint64_t table_bytes() const { return entry_count() * bat_entry_size; }

    [[nodiscard]] std::uint64_t payload_index(std::uint64_t block) const { return block + block / chunk_ratio_; }
    [[nodiscard]] std::uint64_t bitmap_index(std::uint64_t chunk) const { return chunk * (chunk_ratio_ + 1) + chunk_ratio_; }
    [[nodiscard]] bool is_bitmap_index(std::uint64_t index) const { return index % (chunk_ratio_ + 1) == chunk_ratio_; }
    /// The payload block behind a table index that is no bitmap entry.
    [[nodiscard]] std::uint64_t block_of_index(std::uint64_t index) const { return index - index / (chunk_ratio_ + 1); }
    [[nodiscard]] std::uint64_t chunk_of_block(std::uint64_t block) const { return block / chunk_ratio_; }
    [[nodiscard]] std::uint32_t sectors_per_block() const { return block_size_ / sector_size_; }
    /// Number of the bit within its chunk's bitmap block that stands for the first sector of `block`.
    [[nodiscard]] std::uint64_t first_bit_of_block(std::uint64_t block) const { return block % chunk_ratio_ * sectors_per_block(); }

  private:
    std::uint32_t block_size_;
    std::uint32_t sector_size_;
    std::uint64_t block_count_;
    std::uint64_t chunk_ratio_;
    bool differencing_;
};

} // namespace rootstock::images
