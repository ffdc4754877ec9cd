// A partition table is what a guest wrote: whatever it holds, reading it ends, and what it names lies on the disk.
#include "images/partition_table.hpp"

#include "support/catch.hpp"
#include "support/fuzz.hpp"

#include <algorithm>

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

/// With a header that says what it likes; its checksums are wrong, as the mutations' would be.
ByteVector gpt_disk() {
    ByteVector disk = mbr_disk(0xee);
    const std::string_view signature = "EFI PART";
    std::copy(signature.begin(), signature.end(), disk.begin() + 512);
    disk[512 + 12] = 92;
    disk[512 + 72] = 2;
    disk[512 + 80] = 4;
    disk[512 + 84] = 128;
    return disk;
}

} // namespace

TEST_CASE("Partition tables of any content", "[images][fuzz]") {
    test::fuzz({mbr_disk(0x07), gpt_disk()}, 20'000, [](Bytes disk) {
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
                REQUIRE(partition.size_bytes <= disk.size());
                REQUIRE(partition.offset <= disk.size() - partition.size_bytes);
            }
        }
        REQUIRE(reads < 1000);
    });
}
