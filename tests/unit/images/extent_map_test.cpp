#include "images/extent_map.hpp"

#include "images/bit_runs.hpp"
#include "images/slot_pool.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::images;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
constexpr std::uint64_t one_block = 2 * mib;

VhdxMetadata metadata(std::uint64_t blocks, bool differencing) {
    VhdxMetadata m;
    m.virtual_disk_size = blocks * one_block;
    if (differencing) {
        m.parent = VhdxParentLocator{};
    }
    return m;
}

/// Four blocks over a parent; the sector bitmap block lies at 8 MiB.
ExtentMap overlay_map() {
    const BatGeometry geometry(metadata(4, true));
    std::vector<std::uint64_t> bat(static_cast<std::size_t>(geometry.entry_count()));
    bat[static_cast<std::size_t>(geometry.bitmap_index(0))] = encode_entry(BitmapEntry{BitmapState::present, 8 * mib});
    return ExtentMap(geometry, bat, 4 * mib);
}

void load_bits(ExtentMap& map, std::uint8_t fill = 0) {
    const std::vector<std::uint8_t> page(metadata_page_size, fill);
    map.put_page(0, page);
}

std::vector<Piece> pieces_of(const ExtentMap& map, std::uint64_t offset, std::uint64_t length) {
    PieceList list;
    REQUIRE_FALSE(map.find_pieces(offset, length, list));
    return {list.begin(), list.end()};
}

} // namespace

TEST_CASE("runs of bits are found across words", "[images][bits]") {
    const std::array<std::uint64_t, 3> words{0xffff'ffff'ffff'fff0, ~std::uint64_t{0}, 0x1};
    const auto word = [&](std::uint64_t index) { return words[index]; };
    const auto run = [&](std::uint64_t first, std::uint64_t end) {
        const BitRun found = next_bit_run(word, first, end);
        return std::pair(found.set, found.length);
    };
    REQUIRE(run(0, 192) == std::pair(false, std::uint64_t{4}));
    REQUIRE(run(4, 192) == std::pair(true, std::uint64_t{125}));
    REQUIRE(run(129, 192) == std::pair(false, std::uint64_t{63}));
    REQUIRE(run(4, 70) == std::pair(true, std::uint64_t{66}));
    REQUIRE(run(64, 128) == std::pair(true, std::uint64_t{64}));
}

TEST_CASE("an untouched disk reads from its parent in one piece", "[images][extents]") {
    const ExtentMap map = overlay_map();
    REQUIRE(map.all_in_parent(0, 4 * one_block));
    REQUIRE(pieces_of(map, 512, 3 * one_block) == std::vector{Piece{PieceSource::parent, 512, 3 * one_block, 0}});
    REQUIRE(map.owned_sectors() == 0);
}

TEST_CASE("a block with some sectors is cut at them, and whole when it has all", "[images][extents]") {
    ExtentMap map = overlay_map();
    REQUIRE(map.missing_page(1) == std::optional<std::size_t>(0));
    load_bits(map);
    map.apply({OwnershipChange::assign_partial, 1, 0, 0, 16 * mib});
    map.apply({OwnershipChange::own_sectors, 1, 8, 8, 0});
    REQUIRE_FALSE(map.all_in_parent(one_block, 512));
    REQUIRE(pieces_of(map, one_block, 16 * 1024) == std::vector{Piece{PieceSource::parent, one_block, 4096, 0},
                                                           Piece{PieceSource::own, one_block + 4096, 4096, 16 * mib + 4096},
                                                           Piece{PieceSource::parent, one_block + 8192, 8192, 0}});
    REQUIRE(map.missing_sectors(1, 0, 16) == 8);
    REQUIRE(map.owned_sectors() == 8);

    map.apply({OwnershipChange::own_sectors, 1, 0, 8, 0});
    map.apply({OwnershipChange::own_sectors, 1, 4, 4092, 0});
    REQUIRE(map.state_of(1).state == PayloadState::fully_present);
    REQUIRE(map.owned_sectors() == 4096);
    REQUIRE(pieces_of(map, one_block, one_block) == std::vector{Piece{PieceSource::own, one_block, one_block, 16 * mib}});
}

TEST_CASE("a zeroed block masks its parent, and is full once it has a place again", "[images][extents]") {
    ExtentMap map = overlay_map();
    map.apply({OwnershipChange::zero_blocks, 0, 0, 3, 0});
    REQUIRE(pieces_of(map, 0, 4 * one_block) ==
            std::vector{Piece{PieceSource::zeros, 0, 3 * one_block, 0}, Piece{PieceSource::parent, 3 * one_block, one_block, 0}});
    map.apply({OwnershipChange::assign_full, 2, 0, 0, 16 * mib});
    REQUIRE(pieces_of(map, 2 * one_block, 512) == std::vector{Piece{PieceSource::own, 2 * one_block, 512, 16 * mib}});
}

TEST_CASE("stale bits of an absent block do not come back with its place", "[images][extents]") {
    ExtentMap map = overlay_map();
    load_bits(map, 0xff);
    map.apply({OwnershipChange::assign_partial, 1, 0, 0, 16 * mib});
    REQUIRE(pieces_of(map, one_block, one_block) == std::vector{Piece{PieceSource::parent, one_block, one_block, 0}});
}

TEST_CASE("applying old changes once more to a map that is further on changes nothing", "[images][extents]") {
    ExtentMap map = overlay_map();
    load_bits(map);
    const std::vector<LiveChange> history{
        {OwnershipChange::assign_partial, 0, 0, 0, 16 * mib}, {OwnershipChange::own_sectors, 0, 0, 8, 0},
        {OwnershipChange::zero_blocks, 0, 0, 1, 0},           {OwnershipChange::assign_full, 0, 0, 0, 18 * mib},
        {OwnershipChange::assign_partial, 1, 0, 0, 20 * mib}, {OwnershipChange::own_sectors, 1, 3, 5, 0}};
    for (int turn = 0; turn < 2; ++turn) {
        for (const LiveChange& change : history) {
            map.apply(change);
        }
        REQUIRE(map.state_of(0) == PayloadEntry{PayloadState::fully_present, 18 * mib});
        REQUIRE(map.missing_sectors(1, 0, 4096) == 4091);
        REQUIRE(map.owned_sectors() == 4096 + 5);
    }
}

TEST_CASE("dirty pages are those of bits and table that changed, bits first", "[images][extents]") {
    ExtentMap map = overlay_map();
    load_bits(map);
    REQUIRE(map.take_dirty().empty());
    map.apply({OwnershipChange::assign_partial, 1, 0, 0, 16 * mib});
    REQUIRE(map.is_dirty(1));
    const std::vector<std::size_t> dirty = map.take_dirty();
    REQUIRE(dirty.size() == 2);
    REQUIRE(map.page_offset(dirty[0]) == 8 * mib);
    REQUIRE(map.page_offset(dirty[1]) == 4 * mib);
    std::vector<std::uint8_t> page(metadata_page_size);
    map.copy_page(dirty[1], page);
    REQUIRE(from_bytes<std::uint64_t>(Bytes(page).subspan(8)) == encode_entry(PayloadEntry{PayloadState::partially_present, 16 * mib}));
}

TEST_CASE("a change that cannot be this disk's is not accepted", "[images][extents]") {
    const ExtentMap map = overlay_map();
    constexpr std::uint64_t file_size = 32 * mib;
    REQUIRE(map.accepts({OwnershipChange::assign_partial, 3, 0, 0, 30 * mib}, file_size));
    REQUIRE_FALSE(map.accepts({OwnershipChange::assign_partial, 4, 0, 0, 16 * mib}, file_size));
    REQUIRE_FALSE(map.accepts({OwnershipChange::assign_full, 0, 0, 0, 31 * mib}, file_size));
    REQUIRE_FALSE(map.accepts({OwnershipChange::assign_full, 0, 0, 0, 0}, file_size));
    REQUIRE_FALSE(map.accepts({OwnershipChange::own_sectors, 0, 4095, 2, 0}, file_size));
    REQUIRE_FALSE(map.accepts({OwnershipChange::zero_blocks, 2, 0, 3, 0}, file_size));
}

TEST_CASE("a place is used again only when nothing durable and no I/O can reach it", "[images][slots]") {
    SlotPool pool(one_block, {{0, 3 * mib}, {6 * mib, one_block}});
    REQUIRE(pool.take_gaps() == std::vector{FileRange{4 * mib, one_block}});
    REQUIRE_FALSE(pool.take());
    pool.set_file_size(10 * mib);
    REQUIRE(pool.take() == std::optional<std::uint64_t>(8 * mib));
    REQUIRE_FALSE(pool.take());

    const unsigned reading = pool.enter();
    pool.retire(8 * mib);
    REQUIRE(pool.take_idle().empty());
    pool.released(pool.take_retired());
    REQUIRE(pool.take_idle().empty());
    pool.leave(reading);
    const unsigned later = pool.enter(); // I/O that goes on for ever, always some of it under way, does not hold the place up
    REQUIRE(pool.take_idle().empty());
    const unsigned still_later = pool.enter();
    pool.leave(later);
    REQUIRE(pool.take_idle() == std::vector<std::uint64_t>{8 * mib});
    pool.leave(still_later);
    REQUIRE_FALSE(pool.busy());
    pool.free_again(8 * mib);
    REQUIRE(pool.take() == std::optional<std::uint64_t>(8 * mib));
}
