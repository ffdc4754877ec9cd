#include "images/extent_map.hpp"

#include "images/bit_runs.hpp"

namespace rootstock::images {
namespace {

constexpr std::uint64_t bits_per_page = metadata_page_size * 8;
constexpr std::uint64_t entries_per_page = metadata_page_size / bat_entry_size;
constexpr std::uint64_t pages_per_bitmap_block = sector_bitmap_block_size / metadata_page_size;

std::size_t bitmap_page_count(const BatGeometry& geometry) {
    return geometry.differencing() ? static_cast<std::size_t>(div_up(geometry.block_count() * geometry.sectors_per_block(), bits_per_page)) : 0;
}

} // namespace

ExtentMap::ExtentMap(const BatGeometry& geometry, const std::vector<std::uint64_t>& bat, std::uint64_t bat_offset)
    : geometry_(geometry), bat_offset_(bat_offset), bat_(bat.begin(), bat.end()), bitmap_pages_(bitmap_page_count(geometry)),
      dirty_(bitmap_pages_.size() + static_cast<std::size_t>(div_up(bat.size(), entries_per_page))),
      owned_in_block_(geometry.differencing() ? static_cast<std::size_t>(geometry.block_count()) : 0) {
    for (std::uint64_t block = 0; block < geometry_.block_count(); ++block) {
        owned_sectors_ += owned_sectors_of(block);
    }
}

std::uint64_t ExtentMap::owned_sectors_of(std::uint64_t block) const {
    switch (state_of(block).state) {
    case PayloadState::fully_present: return geometry_.sectors_per_block();
    case PayloadState::partially_present: return owned_in_block_[static_cast<std::size_t>(block)];
    case PayloadState::not_present:
    case PayloadState::undefined:
    case PayloadState::zero:
    case PayloadState::unmapped: return 0;
    }
    return 0;
}

std::vector<std::size_t> ExtentMap::pages_to_count() const {
    std::vector<std::size_t> pages;
    for (std::uint64_t block = 0; block < geometry_.block_count(); ++block) {
        if (state_of(block).state == PayloadState::partially_present && (pages.empty() || pages.back() != bitmap_page_of(block))) {
            pages.push_back(bitmap_page_of(block));
        }
    }
    return pages;
}

void ExtentMap::count_page(std::size_t page, Bytes contents) {
    const auto bits = from_bytes<Page>(contents);
    const std::uint64_t blocks_per_page = bits_per_page / geometry_.sectors_per_block();
    const std::uint64_t first_block = page * blocks_per_page;
    for (std::uint64_t block = first_block; block < std::min(first_block + blocks_per_page, geometry_.block_count()); ++block) {
        if (state_of(block).state != PayloadState::partially_present) {
            continue;
        }
        std::uint64_t owned = 0;
        const std::uint64_t start = first_bit_in_page(block);
        for_each_bit_mask(start, start + geometry_.sectors_per_block(), [&](std::uint64_t index, std::uint64_t mask) {
            owned += static_cast<std::uint64_t>(std::popcount(bits[static_cast<std::size_t>(index)] & mask));
        });
        owned_in_block_[static_cast<std::size_t>(block)] = static_cast<std::uint16_t>(owned);
        owned_sectors_ += owned;
    }
}

PayloadEntry ExtentMap::state_of(std::uint64_t block) const {
    // check_bat() has seen every entry, and only set_state() changes them.
    return *decode_payload_entry(bat_[static_cast<std::size_t>(geometry_.payload_index(block))].load(std::memory_order_acquire));
}

bool ExtentMap::all_in_parent(std::uint64_t offset, std::uint64_t length) const {
    const std::uint64_t last = (offset + length - 1) / geometry_.block_size();
    for (std::uint64_t block = offset / geometry_.block_size(); block <= last; ++block) {
        if (bat_[static_cast<std::size_t>(geometry_.payload_index(block))].load(std::memory_order_acquire) != 0) {
            return false; // not_present is state 0, and we write it without an offset
        }
    }
    return true;
}

std::size_t ExtentMap::bitmap_page_of(std::uint64_t block) const {
    return static_cast<std::size_t>(block * geometry_.sectors_per_block() / bits_per_page);
}

std::size_t ExtentMap::bat_page_of(std::uint64_t block) const {
    return bitmap_pages_.size() + static_cast<std::size_t>(geometry_.payload_index(block) / entries_per_page);
}

std::uint64_t ExtentMap::first_bit_in_page(std::uint64_t block) const { return block * geometry_.sectors_per_block() % bits_per_page; }

ExtentMap::Page& ExtentMap::page_of(std::uint64_t block) const {
    const std::unique_ptr<Page>& page = bitmap_pages_[bitmap_page_of(block)];
    RS_ASSERT(page != nullptr);
    return *page;
}

std::optional<std::size_t> ExtentMap::missing_page(std::uint64_t block) const {
    const PayloadState state = state_of(block).state;
    const bool needs_bits = state == PayloadState::partially_present || state == PayloadState::not_present;
    if (!geometry_.differencing() || !needs_bits || bitmap_pages_[bitmap_page_of(block)] != nullptr) {
        return std::nullopt;
    }
    return bitmap_page_of(block);
}

std::optional<std::size_t> ExtentMap::missing_page_for(const LiveChange& change) const {
    const bool needs_bits = change.kind == OwnershipChange::own_sectors || change.kind == OwnershipChange::assign_partial;
    if (!needs_bits || bitmap_pages_[bitmap_page_of(change.block)] != nullptr) {
        return std::nullopt;
    }
    return bitmap_page_of(change.block);
}

std::uint64_t ExtentMap::page_offset(std::size_t page) const {
    if (page >= bitmap_pages_.size()) {
        return bat_offset_ + (page - bitmap_pages_.size()) * metadata_page_size;
    }
    const std::uint64_t chunk = page / pages_per_bitmap_block;
    const std::uint64_t entry = bat_[static_cast<std::size_t>(geometry_.bitmap_index(chunk))].load(std::memory_order_relaxed);
    return decode_bitmap_entry(entry)->file_offset + page % pages_per_bitmap_block * metadata_page_size;
}

void ExtentMap::put_page(std::size_t page, Bytes contents) {
    if (bitmap_pages_[page] == nullptr) {
        bitmap_pages_[page] = std::make_unique<Page>(from_bytes<Page>(contents));
    }
}

bool ExtentMap::add_partial_pieces(std::uint64_t block, std::uint64_t offset, std::uint64_t length, PieceList& pieces) const {
    if (bitmap_pages_[bitmap_page_of(block)] == nullptr) {
        return false;
    }
    const Page& page = page_of(block);
    const std::uint64_t sector_size = geometry_.sector_size();
    const std::uint64_t in_block = offset % geometry_.block_size();
    const std::uint64_t block_bit = first_bit_in_page(block);
    const std::uint64_t file_offset = state_of(block).file_offset;
    const std::uint64_t end = block_bit + (in_block + length) / sector_size;
    for (std::uint64_t bit = block_bit + in_block / sector_size; bit < end;) {
        const BitRun run = next_bit_run([&](std::uint64_t index) { return page[static_cast<std::size_t>(index)]; }, bit, end);
        const std::uint64_t run_in_block = (bit - block_bit) * sector_size;
        pieces.add({run.set ? PieceSource::own : PieceSource::parent, block * geometry_.block_size() + run_in_block, run.length * sector_size,
                    run.set ? file_offset + run_in_block : 0});
        bit += run.length;
    }
    return true;
}

std::optional<std::size_t> ExtentMap::find_pieces(std::uint64_t offset, std::uint64_t length, PieceList& pieces) const {
    const std::uint64_t block_size = geometry_.block_size();
    for (const std::uint64_t end = offset + length; offset < end;) {
        const std::uint64_t block = offset / block_size;
        const std::uint64_t count = std::min(end - offset, block_size - offset % block_size);
        const PayloadEntry entry = state_of(block);
        switch (entry.state) {
        case PayloadState::not_present: pieces.add({PieceSource::parent, offset, count, 0}); break;
        case PayloadState::fully_present: pieces.add({PieceSource::own, offset, count, entry.file_offset + offset % block_size}); break;
        case PayloadState::partially_present:
            if (!add_partial_pieces(block, offset, count, pieces)) {
                return bitmap_page_of(block);
            }
            break;
        case PayloadState::undefined:
        case PayloadState::zero:
        case PayloadState::unmapped: pieces.add({PieceSource::zeros, offset, count, 0}); break;
        }
        offset += count;
    }
    return std::nullopt;
}

std::uint64_t ExtentMap::missing_sectors(std::uint64_t block, std::uint64_t first, std::uint64_t count) const {
    const PayloadState state = state_of(block).state;
    if (state == PayloadState::fully_present) {
        return 0;
    }
    if (state != PayloadState::partially_present) {
        return count;
    }
    const Page& page = page_of(block);
    std::uint64_t owned = 0;
    const std::uint64_t start = first_bit_in_page(block) + first;
    for_each_bit_mask(start, start + count, [&](std::uint64_t index, std::uint64_t mask) {
        owned += static_cast<std::uint64_t>(std::popcount(page[static_cast<std::size_t>(index)] & mask));
    });
    return count - owned;
}

bool ExtentMap::accepts(const LiveChange& change, std::uint64_t file_size) const {
    const std::uint64_t blocks = change.kind == OwnershipChange::zero_blocks ? change.count : 1;
    if (!range_fits(change.block, blocks, geometry_.block_count())) {
        return false;
    }
    switch (change.kind) {
    case OwnershipChange::own_sectors: return geometry_.differencing() && range_fits(change.first, change.count, geometry_.sectors_per_block());
    case OwnershipChange::zero_blocks: return true;
    case OwnershipChange::assign_partial:
    case OwnershipChange::assign_full:
        return (change.kind == OwnershipChange::assign_full || geometry_.differencing()) && change.file_offset != 0 &&
               range_fits(change.file_offset, geometry_.block_size(), file_size);
    }
    return false;
}

void ExtentMap::apply(const LiveChange& change) {
    switch (change.kind) {
    case OwnershipChange::own_sectors: own_sectors(change.block, change.first, change.count); return;
    case OwnershipChange::assign_partial: assign_partial(change.block, change.file_offset); return;
    case OwnershipChange::assign_full: set_state(change.block, PayloadState::fully_present, change.file_offset); return;
    case OwnershipChange::zero_blocks:
        for (std::uint64_t block = change.block; block < change.block + change.count; ++block) {
            set_state(block, PayloadState::zero, 0);
        }
        return;
    }
}

void ExtentMap::set_state(std::uint64_t block, PayloadState state, std::uint64_t file_offset) {
    owned_sectors_ -= owned_sectors_of(block);
    bat_[static_cast<std::size_t>(geometry_.payload_index(block))].store(encode_entry(PayloadEntry{state, file_offset}), std::memory_order_release);
    mark(bat_page_of(block));
    owned_sectors_ += owned_sectors_of(block);
}

void ExtentMap::assign_partial(std::uint64_t block, std::uint64_t file_offset) {
    set_state(block, PayloadState::partially_present, file_offset);
    owned_sectors_ -= std::exchange(owned_in_block_[static_cast<std::size_t>(block)], std::uint16_t{0});
    // Bits of an absent block may be stale: a power loss can keep a page of bits and lose the table entry that came with it.
    const std::uint64_t first = first_bit_in_page(block);
    for_each_bit_mask(first, first + geometry_.sectors_per_block(),
                      [&](std::uint64_t index, std::uint64_t mask) { page_of(block)[static_cast<std::size_t>(index)] &= ~mask; });
    mark(bitmap_page_of(block));
}

void ExtentMap::own_sectors(std::uint64_t block, std::uint64_t first, std::uint64_t count) {
    const PayloadEntry entry = state_of(block);
    if (entry.state != PayloadState::partially_present) {
        return; // an old change applied again: the block has moved on
    }
    const std::uint64_t added = missing_sectors(block, first, count);
    const std::uint64_t start = first_bit_in_page(block) + first;
    for_each_bit_mask(start, start + count,
                      [&](std::uint64_t index, std::uint64_t mask) { page_of(block)[static_cast<std::size_t>(index)] |= mask; });
    mark(bitmap_page_of(block));
    owned_sectors_ += added;
    std::uint16_t& owned = owned_in_block_[static_cast<std::size_t>(block)];
    owned = static_cast<std::uint16_t>(owned + added);
    if (owned == geometry_.sectors_per_block()) {
        set_state(block, PayloadState::fully_present, entry.file_offset);
    }
}

void ExtentMap::mark(std::size_t page) {
    if (!dirty_[page]) {
        dirty_[page] = true;
        ++dirty_count_;
    }
}

std::vector<std::size_t> ExtentMap::take_dirty() {
    std::vector<std::size_t> pages;
    pages.reserve(dirty_count_);
    for (std::size_t page = 0; pages.size() < dirty_count_; ++page) {
        if (dirty_[page]) {
            dirty_[page] = false;
            pages.push_back(page);
        }
    }
    dirty_count_ = 0;
    return pages;
}

void ExtentMap::mark_dirty(const std::vector<std::size_t>& pages) {
    for (const std::size_t page : pages) {
        mark(page);
    }
}

bool ExtentMap::is_dirty(std::uint64_t block) const {
    return dirty_[bat_page_of(block)] || (geometry_.differencing() && dirty_[bitmap_page_of(block)]);
}

void ExtentMap::copy_page(std::size_t page, MutableBytes out) const {
    if (page < bitmap_pages_.size()) {
        std::memcpy(out.data(), bitmap_pages_[page]->data(), metadata_page_size);
        return;
    }
    const std::size_t first = (page - bitmap_pages_.size()) * entries_per_page;
    for (std::size_t at = 0; at < entries_per_page; ++at) {
        const std::uint64_t entry = first + at < bat_.size() ? bat_[first + at].load(std::memory_order_relaxed) : 0;
        std::memcpy(out.data() + at * bat_entry_size, &entry, sizeof entry);
    }
}

} // namespace rootstock::images
