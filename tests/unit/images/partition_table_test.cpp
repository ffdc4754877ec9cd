#include "images/partition_table.hpp"

#include "support/catch.hpp"
#include "support/golden.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::images;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

ReadDisk reader_of(const ByteVector& disk) {
    return [&disk](std::uint64_t offset, MutableBytes out) {
        if (offset > disk.size() || out.size() > disk.size() - offset) {
            return false;
        }
        std::copy_n(disk.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
        return true;
    };
}

PartitionTable table_of(const ByteVector& disk, std::uint32_t sector_size = 512) { return read_partition_table(reader_of(disk), disk.size(), sector_size); }

/// A disk of 4 MiB with these sectors from the golden file `name`, in their order.
ByteVector golden_disk(const std::string& name, const std::vector<std::size_t>& sectors) {
    const ByteVector bytes = test::golden(name);
    REQUIRE(bytes.size() == sectors.size() * 512);
    ByteVector disk(4 * mib);
    for (std::size_t i = 0; i < sectors.size(); ++i) {
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(i * 512), 512, disk.begin() + static_cast<std::ptrdiff_t>(sectors[i] * 512));
    }
    return disk;
}

} // namespace

TEST_CASE("A GPT is read from its start, or from its end where the start is damaged", "[images][partitions]") {
    ByteVector disk = golden_disk("partitions/gpt-by-sfdisk.hex", {0, 1, 2, 8190, 8191});
    const std::vector<Partition> expected = {{1, 32768, 512000, "EFI system", "ESP"}, {2, mib, 2 * mib, "Microsoft basic data", "Basic data"}};
    CHECK(table_of(disk).scheme == PartitionScheme::gpt);
    CHECK(table_of(disk).partitions == expected);
    disk[512 + 60] ^= 1U;
    CHECK(table_of(disk).partitions == expected);
    disk[8190 * 512] ^= 1U; // an entry at the end: now neither is sound
    CHECK(table_of(disk).scheme == PartitionScheme::mbr);
}

TEST_CASE("An MBR with logical partitions", "[images][partitions]") {
    const PartitionTable table = table_of(golden_disk("partitions/mbr-by-sfdisk.hex", {0, 3072, 4095}));
    CHECK(table.scheme == PartitionScheme::mbr);
    CHECK(table.partitions == std::vector<Partition>{{1, mib, 524288, "NTFS", ""}, {5, 3200 * 512, 262144, "Linux", ""}, {6, 2 * mib, 524288, "Linux swap", ""}});
}

TEST_CASE("A chain of logical partitions that comes back to itself has an end", "[images][partitions]") {
    ByteVector disk(4 * mib);
    const auto put_record = [&](std::uint64_t sector, std::size_t index, std::uint8_t type, std::uint8_t start, std::uint8_t size) {
        std::uint8_t* record = disk.data() + sector * 512 + 446 + index * 16;
        record[4] = type;
        record[8] = start;
        record[12] = size;
        disk[sector * 512 + 510] = 0x55;
        disk[sector * 512 + 511] = 0xaa;
    };
    put_record(0, 0, 0x05, 8, 100);
    put_record(8, 0, 0x83, 1, 4);
    put_record(8, 1, 0x05, 16, 8);
    put_record(24, 0, 0x83, 1, 4);
    put_record(24, 1, 0x05, 16, 8);
    CHECK(table_of(disk).partitions.size() == logical_partitions_max);
}

TEST_CASE("A disk without a table, and one that is too small for one, have no partitions", "[images][partitions]") {
    CHECK(table_of(ByteVector(mib)).scheme == PartitionScheme::none);
    CHECK(table_of(ByteVector()).scheme == PartitionScheme::none);
    CHECK(table_of(ByteVector(512), 4096).scheme == PartitionScheme::none);
}
