#include "support/catch.hpp"

#include "images/vhdx_checksum.hpp"
#include "images/vhdx_regions.hpp"
#include "images_test_files.hpp"

using namespace rootstock;
using namespace rootstock::images;
using namespace rootstock::images::vhdx;

namespace {

constexpr std::uint32_t one_mib = 1U << 20U;
const VhdxRegions two_regions{{3 * mib, one_mib}, {2 * mib, one_mib}, {}};

/// Offset of entry `index`'s field in a table.
constexpr std::size_t field(std::size_t index, std::size_t offset) { return sizeof(RegionTableHeader) + index * sizeof(RegionTableEntry) + offset; }

struct Change {
    const char* name;
    std::size_t offset;
    std::uint64_t value;
    VhdxError error;
};

ByteVector changed(ByteVector table, const Change& change) {
    const le64 value(change.value);
    std::memcpy(table.data() + change.offset, &value, sizeof value);
    put_vhdx_checksum(table);
    return table;
}

} // namespace

TEST_CASE("A region table comes back as it went", "[images][vhdx][regions]") {
    const ByteVector table = encode_region_table(two_regions);
    CHECK(table.size() == region_table_size);
    CHECK(value_of(decode_region_table(table)) == two_regions);
}

TEST_CASE("A damaged first region table is replaced by the second", "[images][vhdx][regions]") {
    const ByteVector table = encode_region_table(two_regions);
    ByteVector damaged = table;
    damaged[60000] ^= 1;
    CHECK(value_of(choose_region_table(damaged, table)) == two_regions);
    CHECK(value_of(choose_region_table(table, damaged)) == two_regions);
    CHECK(choose_region_table(damaged, damaged).error() == VhdxError::region_table_none_valid);
}

TEST_CASE("Region tables that break a rule are refused by its name", "[images][vhdx][regions]") {
    const auto change = GENERATE(Change{"2048 entries", 8, 2048, VhdxError::region_entry_count},
                                 Change{"no entries", 8, 0, VhdxError::region_missing},
                                 Change{"one entry", 8, 1, VhdxError::region_missing},
                                 Change{"in the header section", field(0, 16), 0, VhdxError::region_placement},
                                 Change{"odd offset", field(0, 16), mib + 4096, VhdxError::region_placement},
                                 Change{"end beyond 2^64", field(0, 16), 0xfffffffffff00000, VhdxError::region_placement},
                                 Change{"length 0", field(0, 24), 0x100000000, VhdxError::region_placement},
                                 Change{"odd length", field(0, 24), 0x100001000, VhdxError::region_placement},
                                 Change{"same place", field(0, 16), 2 * mib, VhdxError::region_overlap},
                                 Change{"reaches into the next", field(1, 24), 0x100200000, VhdxError::region_overlap},
                                 Change{"unknown and required", field(0, 0), 0x1234, VhdxError::region_unknown_required});
    CAPTURE(change.name);
    CHECK(decode_region_table(changed(encode_region_table(two_regions), change)).error() == change.error);
}

TEST_CASE("A region listed twice is refused", "[images][vhdx][regions]") {
    ByteVector table = encode_region_table(two_regions);
    std::memcpy(table.data() + field(1, 0), &bat_region, sizeof bat_region);
    put_vhdx_checksum(table);
    CHECK(decode_region_table(table).error() == VhdxError::region_twice);
}

TEST_CASE("An unknown region listed twice is refused as well", "[images][vhdx][regions]") {
    ByteVector table = encode_region_table(two_regions);
    for (const unsigned index : {2U, 3U}) {
        const RegionTableEntry entry{Guid{{0x77}}, le64((4 + index) * mib), le32(one_mib), le32(0)};
        std::memcpy(table.data() + field(index, 0), &entry, sizeof entry);
        table[8] = static_cast<std::uint8_t>(index + 1);
        put_vhdx_checksum(table);
        CHECK(static_cast<bool>(decode_region_table(table)) == (index == 2));
    }
    CHECK(decode_region_table(table).error() == VhdxError::region_twice);
}

TEST_CASE("An unknown region that is not required is kept in mind, so that nothing is put over it", "[images][vhdx][regions]") {
    ByteVector table = encode_region_table(two_regions);
    const RegionTableEntry unknown{Guid{{1, 2, 3}}, le64(9 * mib), le32(one_mib), le32(0)};
    std::memcpy(table.data() + field(2, 0), &unknown, sizeof unknown);
    table[8] = 3;
    put_vhdx_checksum(table);
    CHECK(value_of(decode_region_table(table)).others == std::vector{VhdxRegion{9 * mib, one_mib}});
}
