#include "support/catch.hpp"

#include "images/vhdx_metadata.hpp"
#include "images_test_files.hpp"

using namespace rootstock;
using namespace rootstock::images;
using namespace rootstock::images::vhdx;

namespace {

VhdxMetadata plain_disk() {
    VhdxMetadata metadata;
    metadata.virtual_disk_size = std::uint64_t{40} << 30U;
    metadata.virtual_disk_id = Guid{{9, 8, 7}};
    return metadata;
}

VhdxMetadata child_disk() {
    VhdxMetadata metadata = plain_disk();
    metadata.parent = make_parent_locator("/data/overlays/seat.vhdx", "/data/images/win/v0001.vhdx", Guid{{1, 2, 3, 4}});
    return metadata;
}

constexpr std::size_t entry_field(std::size_t index, std::size_t offset) {
    return sizeof(MetadataTableHeader) + index * sizeof(MetadataTableEntry) + offset;
}
// Where encode_metadata() puts the items: in the order of the table, one after the other.
constexpr std::size_t parameters_at = metadata_table_size;
constexpr std::size_t size_at = parameters_at + 8;
constexpr std::size_t logical_at = size_at + 8 + 16;
constexpr std::size_t physical_at = logical_at + 4;
constexpr std::size_t locator_at = physical_at + 4;

ByteVector with_u32(ByteVector region, std::size_t offset, std::uint32_t value) {
    const le32 raw(value);
    std::memcpy(region.data() + offset, &raw, sizeof raw);
    return region;
}

} // namespace

TEST_CASE("Metadata come back as they went", "[images][vhdx][metadata]") {
    VhdxMetadata metadata = GENERATE(plain_disk(), child_disk());
    metadata.logical_sector_size = GENERATE(512U, 4096U);
    metadata.leave_block_allocated = GENERATE(false, true);
    CHECK(value_of(decode_metadata(encode_metadata(metadata))) == metadata);
}

TEST_CASE("The parent is named as Windows names it", "[images][vhdx][metadata]") {
    const Guid guid = *Guid::parse("A1B2C3D4-0102-0304-0506-0708090A0B0C");
    const auto other_folder = make_parent_locator("/data/overlays/seat.vhdx", "/data/images/win/v0001.vhdx", guid);
    CHECK(other_folder.find("parent_linkage") == "{a1b2c3d4-0102-0304-0506-0708090a0b0c}");
    CHECK(other_folder.find("relative_path") == "..\\images\\win\\v0001.vhdx");
    CHECK(other_folder.find("absolute_win32_path") == "\\data\\images\\win\\v0001.vhdx");
    CHECK(other_folder.linkages() == std::vector{guid});
    const auto same_folder = make_parent_locator("/data/seat.vhdx", "/data/master.vhdx", guid);
    CHECK(same_folder.find("relative_path") == ".\\master.vhdx");
    const auto relative = make_parent_locator("data/overlays/seat.vhdx", "data/master.vhdx", guid);
    CHECK(relative.find("relative_path") == "..\\master.vhdx");
    CHECK_FALSE(relative.find("absolute_win32_path"));
}

TEST_CASE("While a merge is under way the parent may have either GUID", "[images][vhdx][metadata]") {
    VhdxParentLocator locator{{{"parent_linkage", "{00000000-0000-0000-0000-000000000001}"},
                               {"parent_linkage2", "{00000000-0000-0000-0000-000000000002}"},
                               {"relative_path", ".\\a.vhdx"}}};
    CHECK(locator.linkages().size() == 2);
    locator.entries[1].second = "{00000000-0000-0000-0000-000000000000}"; // Hyper-V's way to say that there is none
    CHECK(locator.linkages().size() == 1);
}

TEST_CASE("Every cut of the metadata region is refused", "[images][vhdx][metadata]") {
    const ByteVector region = encode_metadata(child_disk());
    for (const std::size_t size : {std::size_t{0}, std::size_t{31}, metadata_table_size - 1, metadata_table_size, size_at, locator_at, region.size() - 1}) {
        CAPTURE(size);
        CHECK_FALSE(decode_metadata(Bytes(region).first(size)));
    }
}

TEST_CASE("Metadata that break a rule are refused by its name", "[images][vhdx][metadata]") {
    struct Change {
        const char* name;
        std::size_t offset;
        std::uint32_t value;
        VhdxError error;
    };
    const auto change = GENERATE(
        Change{"signature", 0, 0, VhdxError::metadata_signature}, Change{"2048 entries", 8, 2048U << 16U, VhdxError::metadata_entry_count},
        Change{"no entries", 8, 0, VhdxError::metadata_missing}, Change{"in the table", entry_field(1, 16), 4096, VhdxError::metadata_placement},
        Change{"beyond the region", entry_field(1, 16), 0xfffffff0, VhdxError::metadata_placement},
        Change{"longer than 1 MiB", entry_field(1, 20), 0x100001, VhdxError::metadata_placement},
        Change{"wrong size", entry_field(1, 20), 4, VhdxError::metadata_item_size},
        Change{"empty with an offset", entry_field(1, 20), 0, VhdxError::metadata_placement},
        Change{"unknown and required", entry_field(1, 0), 1, VhdxError::metadata_unknown_required},
        Change{"block size 0", parameters_at, 0, VhdxError::block_size}, Change{"block size 3 MiB", parameters_at, 3U << 20U, VhdxError::block_size},
        Change{"block size 512 KiB", parameters_at, 1U << 19U, VhdxError::block_size},
        Change{"block size 512 MiB", parameters_at, 1U << 29U, VhdxError::block_size},
        Change{"size not in sectors", size_at, 511, VhdxError::virtual_size}, Change{"above 64 TiB", size_at + 4, 0x4001, VhdxError::virtual_size},
        Change{"logical sector size", logical_at, 1024, VhdxError::sector_size}, Change{"physical sector size", physical_at, 0, VhdxError::sector_size},
        Change{"locator type", locator_at, 0, VhdxError::parent_locator_type},
        Change{"locator entries", locator_at + 16, 0xffff0000, VhdxError::parent_locator},
        Change{"no locator entries", locator_at + 16, 0, VhdxError::parent_locator_missing},
        Change{"key outside", locator_at + 20, 0xfffffff0, VhdxError::parent_locator}, Change{"value at 0", locator_at + 24, 0, VhdxError::parent_locator},
        Change{"odd UTF-16", locator_at + 28, 0x00480003, VhdxError::parent_locator});
    CAPTURE(change.name);
    CHECK(decode_metadata(with_u32(encode_metadata(child_disk()), change.offset, change.value)).error() == change.error);
}

TEST_CASE("Unknown items that are not required, and user metadata, do not matter", "[images][vhdx][metadata]") {
    ByteVector region = encode_metadata(plain_disk());
    region.resize(std::size_t{1} << 20U);
    const MetadataTableEntry unknown{Guid{{5}}, le32(metadata_table_size + 4096), le32(8), le32(0), le32(0)};
    const MetadataTableEntry user{virtual_disk_size_item, le32(metadata_table_size + 8192), le32(8), le32(metadata_is_user), le32(0)};
    std::memcpy(region.data() + entry_field(5, 0), &unknown, sizeof unknown);
    std::memcpy(region.data() + entry_field(6, 0), &user, sizeof user);
    region[10] = 7;
    CHECK(value_of(decode_metadata(region)) == plain_disk());
}

TEST_CASE("An unknown item may be listed once as the user's and once as the system's, and no more", "[images][vhdx][metadata]") {
    constexpr std::uint32_t flags = 24;
    ByteVector region = encode_metadata(plain_disk());
    region[8 + 2] = 7; // two more entries
    const Guid unknown{{0x77}};
    for (const std::size_t index : {5U, 6U}) {
        std::memcpy(region.data() + entry_field(index, 0), &unknown, sizeof unknown);
    }
    CHECK(decode_metadata(region).error() == VhdxError::metadata_twice);
    CHECK(decode_metadata(with_u32(region, entry_field(6, flags), metadata_is_user)));
}

TEST_CASE("An item without bytes has no offset", "[images][vhdx][metadata]") {
    ByteVector region = encode_metadata(plain_disk());
    region[8 + 2] = 6;
    CHECK(decode_metadata(region));
    CHECK(decode_metadata(with_u32(region, entry_field(5, 16), metadata_table_size)).error() == VhdxError::metadata_placement);
}

TEST_CASE("Items that overlap are refused, whoever's they are", "[images][vhdx][metadata]") {
    constexpr std::uint32_t offset = 16;
    ByteVector region = encode_metadata(plain_disk());
    region.resize(std::size_t{1} << 20U);
    const auto logical = static_cast<std::uint32_t>(logical_at);
    for (const std::uint32_t elsewhere : {logical, logical - 3, logical + 3}) { // of the physical sector size, 4 bytes
        CAPTURE(elsewhere);
        CHECK(decode_metadata(with_u32(region, entry_field(4, offset), elsewhere)).error() == VhdxError::metadata_overlap);
    }
    region[8 + 2] = 6;
    for (const std::uint32_t elsewhere : {std::uint32_t{parameters_at}, std::uint32_t{parameters_at} + 4}) {
        const MetadataTableEntry user{Guid{{5}}, le32(elsewhere), le32(4096), le32(metadata_is_user), le32(0)};
        std::memcpy(region.data() + entry_field(5, 0), &user, sizeof user);
        CHECK(decode_metadata(region).error() == VhdxError::metadata_overlap);
    }
}

TEST_CASE("A known item listed twice is refused", "[images][vhdx][metadata]") {
    ByteVector region = encode_metadata(plain_disk());
    std::memcpy(region.data() + entry_field(2, 0), region.data() + entry_field(1, 0), sizeof(MetadataTableEntry));
    CHECK(decode_metadata(region).error() == VhdxError::metadata_twice);
}
