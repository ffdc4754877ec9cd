#include "iscsi/pdu_writer.hpp"

#include "support/catch.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::iscsi;

namespace {

/// Sends what is queued in steps of at most `step` bytes.
ByteVector send_all(PduWriter& writer, std::size_t step, std::size_t most_pieces = 1024) {
    ByteVector bytes;
    std::vector<iovec> pieces(most_pieces);
    while (!writer.empty()) {
        const std::size_t count = writer.gather(pieces, step);
        std::size_t size = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const auto* start = static_cast<const std::uint8_t*>(pieces[i].iov_base);
            bytes.insert(bytes.end(), start, start + pieces[i].iov_len);
            size += pieces[i].iov_len;
        }
        REQUIRE(size > 0);
        REQUIRE(size <= step);
        writer.sent(size);
    }
    return bytes;
}

void queue_some(PduWriter& writer, BufferPool& pool) {
    for (std::uint32_t i = 0; i < 50; ++i) {
        auto header = make_header<DataInHeader>(Opcode::data_in);
        header.data_sn = i;
        const std::size_t size = i * 37;
        writer.begin(header, size + 3 + 70'000);
        PooledBuffer buffer = pool.acquire(size + 1);
        std::fill_n(buffer.bytes().begin(), size, static_cast<std::uint8_t>(i));
        writer.append(Bytes(buffer.bytes()).first(size));
        writer.append_copy(ByteVector{1, 2, 3});
        writer.append_zeros(70'000);
        writer.end();
        writer.keep(std::move(buffer));
    }
}

} // namespace

TEST_CASE("PDU writer: the bytes do not depend on how they are sent", "[iscsi][pdu]") {
    BufferPool pool;
    PduWriter whole;
    queue_some(whole, pool);
    const ByteVector expected = send_all(whole, 100'000'000);
    for (const std::size_t step : {1000UL, 4096UL, 70'003UL}) {
        PduWriter writer;
        queue_some(writer, pool);
        CHECK(send_all(writer, step, 3) == expected);
    }
}

TEST_CASE("PDU writer: a queue that never runs empty stays small and correct", "[iscsi][pdu]") {
    BufferPool pool; // outlives what it lends
    PduWriter writer;
    std::array<iovec, 8> pieces{};
    std::uint32_t next = 0;
    ByteVector bytes;
    for (int round = 0; round < 20'000; ++round) {
        auto header = make_header<NopInHeader>(Opcode::nop_in);
        header.stat_sn = next++;
        PooledBuffer data = pool.acquire(4);
        writer.begin(header, 4);
        std::fill_n(data.bytes().begin(), 4, static_cast<std::uint8_t>(0xd0));
        writer.append(Bytes(data.bytes()).first(4));
        writer.end();
        writer.keep(std::move(data));
        if (round == 0) {
            continue; // one stays behind all the time
        }
        const std::size_t count = writer.gather(pieces, 52);
        for (std::size_t i = 0; i < count; ++i) {
            const auto* start = static_cast<const std::uint8_t*>(pieces[i].iov_base);
            bytes.insert(bytes.end(), start, start + pieces[i].iov_len);
        }
        writer.sent(52);
    }
    for (std::size_t i = 0; i < bytes.size() / 52; ++i) {
        const auto header = from_bytes<NopInHeader>(Bytes(bytes).subspan(i * 52));
        REQUIRE(header.stat_sn == i);
        REQUIRE(bytes[i * 52 + 51] == 0xd0);
    }
}

TEST_CASE("PDU writer: header, padding and digest lie where the RFC says", "[iscsi][pdu][digest]") {
    PduWriter writer;
    writer.set_digests(true, true);
    auto header = make_header<NopInHeader>(Opcode::nop_in);
    writer.add(header, ByteVector{1, 2, 3, 4, 5});
    writer.add(header);
    const ByteVector bytes = send_all(writer, 1000);
    REQUIRE(bytes.size() == (48 + 4 + 8 + 4) + (48 + 4)); // no data digest without data
    CHECK(bytes[7] == 5);
    CHECK(ByteVector(bytes.begin() + 57, bytes.begin() + 60) == ByteVector{0, 0, 0});
}
