#include "images/partition_table.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

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

/// A disk of 64 MiB that sfdisk (util-linux) has divided; nothing where that is not installed.
std::optional<ByteVector> divided_by_sfdisk(const std::string& script) {
    const test::TemporaryFolder folder;
    const std::string path = folder.file("disk.raw");
    { std::ofstream(path, std::ios::binary).seekp(static_cast<std::streamoff>(64 * mib - 1)).put('\0'); }
    { std::ofstream(folder.file("script")) << script; }
    if (std::system(("sfdisk -q " + path + " < " + folder.file("script") + " > /dev/null 2>&1").c_str()) != 0) {
        return std::nullopt;
    }
    std::ifstream file(path, std::ios::binary);
    return ByteVector(std::istreambuf_iterator<char>(file), {});
}

} // namespace

TEST_CASE("A GPT that sfdisk wrote", "[images][partitions]") {
    auto disk = divided_by_sfdisk("label: gpt\nstart=2048, size=20480, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=\"ESP\"\n"
                                  "start=22528, size=40960, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name=\"Basic data\"\n");
    if (!disk) {
        WARN("sfdisk is not installed");
        return;
    }
    const std::vector<Partition> expected = {{1, mib, 10 * mib, "EFI system", "ESP"}, {2, 11 * mib, 20 * mib, "Microsoft basic data", "Basic data"}};
    CHECK(table_of(*disk).scheme == PartitionScheme::gpt);
    CHECK(table_of(*disk).partitions == expected);

    (*disk)[512 + 60] ^= 1U; // the first header: the one at the end is read
    CHECK(table_of(*disk).partitions == expected);
    (*disk)[disk->size() - 512 + 60] ^= 1U;
    CHECK(table_of(*disk).scheme == PartitionScheme::mbr);
}

TEST_CASE("An MBR that sfdisk wrote, with logical partitions", "[images][partitions]") {
    const auto disk = divided_by_sfdisk("label: dos\nstart=2048, size=20480, type=7, bootable\nstart=22528, size=81920, type=5\n"
                                        "start=24576, size=10240, type=83\nstart=36864, size=8192, type=82\n");
    if (!disk) {
        WARN("sfdisk is not installed");
        return;
    }
    const PartitionTable table = table_of(*disk);
    CHECK(table.scheme == PartitionScheme::mbr);
    CHECK(table.partitions == std::vector<Partition>{{1, mib, 10 * mib, "NTFS", ""}, {5, 12 * mib, 5 * mib, "Linux", ""}, {6, 18 * mib, 4 * mib, "Linux swap", ""}});
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
