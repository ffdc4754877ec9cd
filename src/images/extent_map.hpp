// ExtentMap: who owns each sector of an open VHDX disk: its block allocation table ([MS-VHDX] 2.5) and the pages of its sector bitmaps (2.4) that
// were touched, in memory. Knows which 4 KiB pages of both differ from the file. Does no I/O.
//
// Threads: state_of() and all_in_parent() from any thread at any time; everything else under the disk's lock.
#pragma once

#include "images/live_map.hpp"
#include "images/pieces.hpp"
#include "images/vhdx_bat.hpp"

#include <array>
#include <atomic>

namespace rootstock::images {

inline constexpr std::size_t metadata_page_size = 4096;

class ExtentMap {
  public:
    /// `bat`: the table as read and checked; `bat_offset`: where it lies in the file.
    ExtentMap(const BatGeometry& geometry, const std::vector<std::uint64_t>& bat, std::uint64_t bat_offset);

    [[nodiscard]] const BatGeometry& geometry() const { return geometry_; }
    [[nodiscard]] PayloadEntry state_of(std::uint64_t block) const;
    /// No byte of the range is the overlay's, and none is masked: the whole of it reads from the parent. The fast path of most reads.
    [[nodiscard]] bool all_in_parent(std::uint64_t offset, std::uint64_t length) const;

    /// The bitmap page that must be in memory before this block's sectors can be looked at or changed; nothing when it is, or none is needed.
    [[nodiscard]] std::optional<std::size_t> missing_page(std::uint64_t block) const;
    /// The same for a change that apply() is to make.
    [[nodiscard]] std::optional<std::size_t> missing_page_for(const LiveChange& change) const;
    [[nodiscard]] std::uint64_t page_offset(std::size_t page) const;
    void put_page(std::size_t page, Bytes contents); // kept as it is when another thread was faster

    /// Cuts the range into pieces; a bitmap page that is missing ends it, with its number.
    [[nodiscard]] std::optional<std::size_t> find_pieces(std::uint64_t offset, std::uint64_t length, PieceList& pieces) const;
    /// Sectors of [first, first + count) of `block` that are not in the file yet. Its page is in memory.
    [[nodiscard]] std::uint64_t missing_sectors(std::uint64_t block, std::uint64_t first, std::uint64_t count) const;

    /// Whether a change read from a live map can be one of this disk, whose file has `file_size` bytes.
    [[nodiscard]] bool accepts(const LiveChange& change, std::uint64_t file_size) const;
    /// Makes the change. Applying an old change once more to a map that is further on does no harm, as long as all that followed it are applied
    /// again too: sectors are only ever added, and whatever moves or empties a block says so absolutely.
    void apply(const LiveChange& change);

    /// Pages that differ from the file, sector bitmaps in front of the table: a table entry never becomes durable before its block's bits.
    [[nodiscard]] std::vector<std::size_t> take_dirty();
    void mark_dirty(const std::vector<std::size_t>& pages);
    [[nodiscard]] std::size_t dirty_count() const { return dirty_count_; }
    /// Whether a page that says where `block` lies or what it owns is dirty.
    [[nodiscard]] bool is_dirty(std::uint64_t block) const;
    void copy_page(std::size_t page, MutableBytes out) const;

    /// Sectors of guest data in the file.
    [[nodiscard]] std::uint64_t owned_sectors() const { return owned_sectors_; }
    /// Once at opening, before anything is applied: counts the sectors of the partial blocks whose bits are in `contents`.
    void count_page(std::size_t page, Bytes contents);
    /// The pages to count: those with partial blocks.
    [[nodiscard]] std::vector<std::size_t> pages_to_count() const;

  private:
    using Page = std::array<std::uint64_t, metadata_page_size / 8>;

    [[nodiscard]] std::size_t bitmap_page_of(std::uint64_t block) const;
    [[nodiscard]] std::size_t bat_page_of(std::uint64_t block) const;
    [[nodiscard]] std::uint64_t first_bit_in_page(std::uint64_t block) const;
    [[nodiscard]] Page& page_of(std::uint64_t block) const;
    [[nodiscard]] std::uint64_t owned_sectors_of(std::uint64_t block) const;
    void set_state(std::uint64_t block, PayloadState state, std::uint64_t file_offset);
    void own_sectors(std::uint64_t block, std::uint64_t first, std::uint64_t count);
    void assign_partial(std::uint64_t block, std::uint64_t file_offset);
    void mark(std::size_t page);
    bool add_partial_pieces(std::uint64_t block, std::uint64_t offset, std::uint64_t length, PieceList& pieces) const;

    BatGeometry geometry_;
    std::uint64_t bat_offset_;
    std::vector<std::atomic<std::uint64_t>> bat_;          // every entry of the table, as on disk
    std::vector<std::unique_ptr<Page>> bitmap_pages_;      // differencing only; null: not touched yet
    std::vector<bool> dirty_;                              // bitmap pages, then table pages
    std::size_t dirty_count_ = 0;
    std::vector<std::uint16_t> owned_in_block_;            // differencing only: of partial blocks
    std::uint64_t owned_sectors_ = 0;
};

} // namespace rootstock::images
