#include "support/catch.hpp"

#include "images/vhdx_bat.hpp"
#include "images_test_files.hpp"

using namespace rootstock;
using namespace rootstock::images;

namespace {

BatGeometry geometry(std::uint64_t size, std::uint32_t block_size, std::uint32_t sector_size, bool differencing) {
    VhdxMetadata metadata;
    metadata.virtual_disk_size = size;
    metadata.block_size = block_size;
    metadata.logical_sector_size = sector_size;
    if (differencing) {
        metadata.parent = VhdxParentLocator{};
    }
    return BatGeometry(metadata);
}

constexpr std::uint64_t gib = std::uint64_t{1} << 30U;
constexpr std::uint32_t two_mib = 2U << 20U;

} // namespace

TEST_CASE("BAT entries: three bits of state, offset in MiB from bit 20 on", "[images][vhdx][bat]") {
    CHECK(encode_entry(PayloadEntry{PayloadState::fully_present, 5 * vhdx::mib}) == 0x500006);
    CHECK(encode_entry(PayloadEntry{PayloadState::partially_present, 0x123456700000}) == 0x123456700007);
    CHECK(encode_entry(BitmapEntry{BitmapState::present, 4 * vhdx::mib}) == 0x400006);
    CHECK(value_of(decode_payload_entry(0x123456700007)) == PayloadEntry{PayloadState::partially_present, 0x123456700000});
    CHECK(value_of(decode_payload_entry(2)) == PayloadEntry{PayloadState::zero, 0});
    CHECK(value_of(decode_bitmap_entry(0x400006)) == BitmapEntry{BitmapState::present, 4 * vhdx::mib});
}

TEST_CASE("States that are not defined, and reserved bits, are refused", "[images][vhdx][bat]") {
    CHECK(decode_payload_entry(0x500004).error() == VhdxError::bat_state);
    CHECK(decode_payload_entry(0x500005).error() == VhdxError::bat_state);
    for (unsigned bit = 3; bit < 20; ++bit) {
        CHECK(decode_payload_entry(0x500006U | (1U << bit)).error() == VhdxError::bat_reserved_bits);
        CHECK(decode_bitmap_entry(0x500006U | (1U << bit)).error() == VhdxError::bat_reserved_bits);
    }
    for (const std::uint64_t state : {1U, 2U, 3U, 4U, 5U, 7U}) {
        CHECK(decode_bitmap_entry(0x500000U | state).error() == VhdxError::bat_state);
    }
}

TEST_CASE("The table has the entries that [MS-VHDX] 2.5 counts", "[images][vhdx][bat]") {
    struct Case {
        std::uint64_t size;
        std::uint32_t block_size;
        std::uint32_t sector_size;
        std::uint64_t ratio;
        std::uint64_t dynamic;
        std::uint64_t differencing;
    };
    for (const Case& disk : {Case{512, two_mib, 512, 2048, 1, 2049}, Case{4 * gib, two_mib, 512, 2048, 2048, 2049},
                             Case{4 * gib + 512, two_mib, 512, 2048, 2050, 4098}, Case{40 * gib, two_mib, 512, 2048, 20489, 20490},
                             Case{40 * gib, two_mib, 4096, 16384, 20481, 32770}, Case{gib, 256U << 20U, 512, 16, 4, 17}}) {
        CAPTURE(disk.size, disk.block_size, disk.sector_size);
        CHECK(geometry(disk.size, disk.block_size, disk.sector_size, false).chunk_ratio() == disk.ratio);
        CHECK(geometry(disk.size, disk.block_size, disk.sector_size, false).entry_count() == disk.dynamic);
        CHECK(geometry(disk.size, disk.block_size, disk.sector_size, true).entry_count() == disk.differencing);
    }
}

TEST_CASE("After each chunk's payload entries comes its bitmap entry", "[images][vhdx][bat]") {
    const BatGeometry bat = geometry(40 * gib, two_mib, 512, true);
    CHECK(bat.payload_index(0) == 0);
    CHECK(bat.payload_index(2047) == 2047);
    CHECK(bat.bitmap_index(0) == 2048);
    CHECK(bat.payload_index(2048) == 2049);
    CHECK(bat.bitmap_index(1) == 4097);
    CHECK(bat.chunk_of_block(2048) == 1);
    CHECK(bat.first_bit_of_block(2049) == 4096);
    for (std::uint64_t block = 0; block < bat.block_count(); ++block) {
        REQUIRE_FALSE(bat.is_bitmap_index(bat.payload_index(block)));
        REQUIRE(bat.block_of_index(bat.payload_index(block)) == block);
    }
}
