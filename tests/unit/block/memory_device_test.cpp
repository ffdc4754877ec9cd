#include "block/memory_device.hpp"
#include "block/read_only_device.hpp"

#include "support/catch.hpp"

#include <atomic>
#include <thread>

using namespace rootstock;
using namespace rootstock::block;

namespace {
Geometry geometry_of(std::uint64_t size) {
    Geometry geometry;
    geometry.size_bytes = size;
    return geometry;
}
ByteVector pattern(std::size_t size, std::uint8_t first) {
    ByteVector data(size);
    for (std::size_t i = 0; i < size; ++i) {
        data[i] = static_cast<std::uint8_t>(first + i % 251);
    }
    return data;
}
} // namespace

TEST_CASE("memory device: what was written is read back, across chunks, and the rest is zero", "[block]") {
    MemoryDevice device(geometry_of(4 * MemoryDevice::chunk_size));
    const ByteVector data = pattern(2 * MemoryDevice::chunk_size, 7);
    const std::uint64_t offset = MemoryDevice::chunk_size - 512;
    REQUIRE(device.write(offset, data, false));
    ByteVector all(4 * MemoryDevice::chunk_size, 0xee);
    REQUIRE(device.read(0, all));
    ByteVector expected(all.size());
    std::copy(data.begin(), data.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset));
    REQUIRE(all == expected);
}

TEST_CASE("memory device: a range beyond the end is refused, also where offset + length overflows", "[block]") {
    MemoryDevice device(geometry_of(1 << 20));
    ByteVector block(512);
    REQUIRE(device.read((1 << 20) - 512, block));
    for (const std::uint64_t offset : {std::uint64_t{1 << 20}, (std::uint64_t{1} << 20U) - 511, ~std::uint64_t{0} - 100}) {
        REQUIRE(device.read(offset, block).error() == IoError::out_of_range);
        REQUIRE(device.write(offset, block, false).error() == IoError::out_of_range);
        REQUIRE(device.discard(offset, 512).error() == IoError::out_of_range);
    }
}

TEST_CASE("memory device: discarded ranges read as zeros and whole chunks become deallocated", "[block]") {
    MemoryDevice device(geometry_of(4 * MemoryDevice::chunk_size));
    REQUIRE(device.write(0, pattern(4 * MemoryDevice::chunk_size, 1), false));
    REQUIRE(device.discard(MemoryDevice::chunk_size - 512, MemoryDevice::chunk_size + 1024));
    const BlockDevice::Extent first = device.extent(0, 4 * MemoryDevice::chunk_size);
    REQUIRE(first.mapped);
    REQUIRE(first.length == MemoryDevice::chunk_size);
    const BlockDevice::Extent second = device.extent(MemoryDevice::chunk_size, 3 * MemoryDevice::chunk_size);
    REQUIRE_FALSE(second.mapped);
    REQUIRE(second.length == MemoryDevice::chunk_size);
    ByteVector range(MemoryDevice::chunk_size + 1024, 0xee);
    REQUIRE(device.read(MemoryDevice::chunk_size - 512, range));
    REQUIRE(range == ByteVector(range.size()));
}

TEST_CASE("memory device: each block is read whole while others write it", "[block][threads]") {
    MemoryDevice device(geometry_of(MemoryDevice::chunk_size));
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        for (std::uint8_t value = 0; !stop; ++value) {
            const ByteVector block(4096, value);
            static_cast<void>(device.write(0, block, false)); // only the reader's view matters here
        }
    });
    bool torn = false;
    for (int i = 0; i < 2000; ++i) {
        ByteVector block(4096);
        REQUIRE(device.read(0, block));
        torn = torn || block != ByteVector(4096, block[0]);
    }
    stop = true;
    writer.join();
    REQUIRE_FALSE(torn);
}

TEST_CASE("read-only device: reads pass, everything that writes fails", "[block]") {
    auto memory = std::make_shared<MemoryDevice>(geometry_of(1 << 20));
    const ByteVector data = pattern(512, 3);
    REQUIRE(memory->write(512, data, false));
    ReadOnlyDevice device(memory);
    REQUIRE(device.geometry().read_only);
    ByteVector block(512);
    REQUIRE(device.read(512, block));
    REQUIRE(block == data);
    REQUIRE(device.write(0, data, false).error() == IoError::read_only);
    REQUIRE(device.try_write(0, data).status == TryStatus::failed);
    REQUIRE(device.discard(0, 512).error() == IoError::read_only);
    REQUIRE(device.write_zeros(0, 512).error() == IoError::read_only);
    REQUIRE(device.flush());
}

TEST_CASE("devices share a budget of memory; discarded and dropped memory comes back", "[block][memory]") {
    constexpr std::uint64_t chunk = MemoryDevice::chunk_size;
    const auto budget = std::make_shared<MemoryBudget>(3 * chunk);
    MemoryDevice device({8 * chunk}, budget);
    const ByteVector data(chunk, 1);
    REQUIRE(device.write(0, data, false));
    {
        MemoryDevice other({8 * chunk}, budget);
        REQUIRE(other.write(0, ByteVector(2 * chunk, 2), false));
        CHECK(device.write(chunk, data, false).error() == IoError::no_space);
        CHECK(device.write(0, data, false)); // what it has may be written again
        REQUIRE(other.discard(0, chunk));
        CHECK(device.write(chunk, data, false));
    }
    CHECK(budget->used_bytes() == 2 * chunk);
    CHECK(device.allocated_bytes() == 2 * chunk);
    REQUIRE(device.discard(0, 8 * chunk));
    CHECK(budget->used_bytes() == 0);
}
