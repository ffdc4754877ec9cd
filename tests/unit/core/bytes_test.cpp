// Cursors, checked arithmetic, checksums and hashes, buffers.
#include "core/buffer.hpp"
#include "core/bytes.hpp"
#include "core/checked.hpp"
#include "core/crc32c.hpp"
#include "core/digest.hpp"
#include "core/snapshot.hpp"
#include "core/text.hpp"
#include "core/wire_int.hpp"
#include "support/catch.hpp"

#include <thread>

using namespace rootstock;

TEST_CASE("ByteReader: a read past the end is remembered and gives zeros", "[core][bytes]") {
    const ByteVector bytes = {1, 2, 3, 4, 5};
    ByteReader reader(bytes);
    CHECK(reader.read<be16>() == 0x0102);
    CHECK(reader.read<le16>() == 0x0403);
    CHECK(reader.ok());
    CHECK(reader.read<be32>() == 0);
    CHECK_FALSE(reader.ok());
    CHECK(reader.take(0).empty());
    CHECK_FALSE(reader.ok());
}

TEST_CASE("ByteWriter: appends in wire order and patches", "[core][bytes]") {
    ByteVector out;
    ByteWriter writer(out);
    writer.write(be16(0));
    writer.write(le32(0x01020304));
    writer.append("ab");
    writer.patch(0, be16(7));
    CHECK(hex(out) == "00070403020161" "62");
}

TEST_CASE("checked arithmetic: overflow is nothing", "[core][checked]") {
    CHECK(checked_add<std::uint32_t>(~0U, 1U) == std::nullopt);
    CHECK(checked_add<std::uint32_t>(1, 2) == 3U);
    CHECK(checked_mul<std::uint64_t>(std::uint64_t{1} << 63U, 2) == std::nullopt);
    CHECK(narrow<std::uint8_t>(256) == std::nullopt);
    CHECK(narrow<std::uint8_t>(255) == 255);
    CHECK(range_fits(10, 0, 10));
    CHECK_FALSE(range_fits(1, ~0ULL, 10));
    CHECK(round_up(5U, 4U) == 8U);
    CHECK(div_up(9U, 4U) == 3U);
}

TEST_CASE("CRC32C: the vectors of RFC 7143 appendix A.4", "[core][crc32c]") {
    CHECK(crc32c(ByteVector(32, 0)) == 0x8a9136aaU);
    CHECK(crc32c(ByteVector(32, 0xff)) == 0x62a8ab43U);
    ByteVector rising(32);
    for (std::size_t i = 0; i < rising.size(); ++i) {
        rising[i] = static_cast<std::uint8_t>(i);
    }
    CHECK(crc32c(rising) == 0x46dd794eU);
    CHECK(crc32c(Bytes(rising).subspan(10), crc32c(Bytes(rising).first(10))) == 0x46dd794eU);
}

TEST_CASE("Hashes: known answers", "[core][digest]") {
    CHECK(hex(hash(HashAlgorithm::md5, {as_bytes("a"), as_bytes("bc")})) == "900150983cd24fb0d6963f7d28e17f72");
    CHECK(hex(hash(HashAlgorithm::sha1, {as_bytes("abc")})) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(hex(hash(HashAlgorithm::sha256, {as_bytes("abc")})) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(hash(HashAlgorithm::sha3_256, {as_bytes("abc")})) == "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
}

TEST_CASE("constant_time_equal: sizes count", "[core][digest]") {
    CHECK(constant_time_equal(as_bytes("abc"), as_bytes("abc")));
    CHECK_FALSE(constant_time_equal(as_bytes("abc"), as_bytes("abd")));
    CHECK_FALSE(constant_time_equal(as_bytes("abc"), as_bytes("ab")));
}

TEST_CASE("BufferPool: last in, first out, page-aligned", "[core][buffer]") {
    BufferPool pool;
    PooledBuffer first = pool.acquire(5000);
    CHECK(first.size() == 5000);
    const auto* data = first.bytes().data();
    CHECK(reinterpret_cast<std::uintptr_t>(data) % 4096 == 0);
    first.release();
    PooledBuffer again = pool.acquire(8192); // the same size class
    CHECK(again.bytes().data() == data);
    PooledBuffer moved = std::move(again);
    CHECK(moved.bytes().data() == data);
    CHECK(again.empty());
    PooledBuffer huge = pool.acquire(std::size_t{3} << 20U);
    CHECK(huge.bytes().size() == std::size_t{3} << 20U);
}

TEST_CASE("Snapshot: a reader keeps what it read while the writer goes on", "[core][snapshot]") {
    Snapshot<int> snapshot(1);
    const auto before = snapshot.get();
    std::thread writer([&] { snapshot.publish(2); });
    writer.join();
    CHECK(*before == 1);
    CHECK(*snapshot.get() == 2);
}
