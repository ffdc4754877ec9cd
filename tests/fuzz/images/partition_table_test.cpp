// A partition table is what a guest wrote: whatever it holds, reading it ends, and what it names lies on the disk.
#include "images/partition_table.hpp"

#include "core/crc32.hpp"
#include "core/wire_int.hpp"
#include "support/catch.hpp"
#include "support/fuzz.hpp"

#include <algorithm>
#include <cstring>

using namespace rootstock;
using namespace rootstock::images;

namespace {

constexpr std::size_t disk_bytes = 64 * 512;

ByteVector mbr_disk(std::uint8_t first_type) {
    ByteVector disk(disk_bytes);
    const auto record = [&](std::size_t sector, std::size_t index, std::uint8_t type, std::uint8_t start, std::uint8_t size) {
        std::uint8_t* at = disk.data() + sector * 512 + 446 + index * 16;
        at[4] = type;
        at[8] = start;
        at[12] = size;
        disk[sector * 512 + 510] = 0x55;
        disk[sector * 512 + 511] = 0xaa;
    };
    record(0, 0, first_type, 1, 60);
    record(0, 1, 0x05, 8, 40);
    record(8, 0, 0x07, 1, 2);
    record(8, 1, 0x0f, 8, 8);
    record(16, 0, 0x83, 1, 2);
    return disk;
}

std::uint32_t number_at(Bytes disk, std::size_t offset) { return from_bytes<le32>(disk.subspan(offset)); }
void put_number(ByteVector& disk, std::size_t offset, std::uint32_t value) {
    const le32 number = value;
    std::memcpy(disk.data() + offset, &number, sizeof(number));
}

/// The checksums of the header in sector 1 as if somebody had meant what it says: else no mutation would be looked at.
void seal(ByteVector& disk) {
    if (disk.size() < 1024) {
        return;
    }
    const std::uint64_t entries = std::uint64_t{number_at(disk, 512 + 72)} * 512;
    const std::uint64_t length = std::uint64_t{number_at(disk, 512 + 80)} * number_at(disk, 512 + 84);
    if (entries <= disk.size() && length <= disk.size() - entries) {
        put_number(disk, 512 + 88, crc32(Bytes(disk).subspan(entries, length)));
    }
    put_number(disk, 512 + 16, 0);
    put_number(disk, 512 + 16, crc32(Bytes(disk).subspan(512, std::min<std::size_t>(number_at(disk, 512 + 12), 512))));
}

ByteVector gpt_disk() {
    ByteVector disk = mbr_disk(0xee);
    const std::string_view signature = "EFI PART";
    std::copy(signature.begin(), signature.end(), disk.begin() + 512);
    disk[512 + 12] = 92;
    disk[512 + 72] = 2;
    disk[512 + 80] = 4;
    disk[512 + 84] = 128;
    disk[1024] = 1; // type, then first and last sector of the first entry
    disk[1024 + 32] = 8;
    disk[1024 + 40] = 20;
    return disk;
}

} // namespace

TEST_CASE("Partition tables of any content", "[images][fuzz]") {
    std::size_t partitions = 0;
    test::fuzz({mbr_disk(0x07), gpt_disk()}, 20'000, [&](Bytes input) {
        ByteVector disk(input.begin(), input.end());
        seal(disk);
        std::size_t reads = 0;
        const ReadDisk read = [&](std::uint64_t offset, MutableBytes out) {
            ++reads;
            REQUIRE(offset <= disk.size());
            REQUIRE(out.size() <= disk.size() - offset);
            std::copy_n(disk.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
            return true;
        };
        for (const std::uint32_t sector : {512U, 4096U}) {
            for (const Partition& partition : read_partition_table(read, disk.size(), sector).partitions) {
                ++partitions;
                REQUIRE(partition.size_bytes <= disk.size());
                REQUIRE(partition.offset <= disk.size() - partition.size_bytes);
            }
        }
        REQUIRE(reads < 1000);
    });
    CHECK(partitions > 10'000);
}
