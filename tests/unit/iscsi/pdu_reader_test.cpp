#include "iscsi/pdu_reader.hpp"

#include "core/crc32c.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;

namespace {

struct Reading {
    BufferPool pool;
    PduReader reader{pool, 4096, 100'000};
    ByteVector destination;
    std::vector<ByteVector> data; // of each PDU
    std::vector<std::uint32_t> tags;

    /// Feeds `bytes` in pieces of `piece`; false on an error.
    bool feed(Bytes bytes, std::size_t piece) {
        while (!bytes.empty()) {
            std::size_t taken = 0;
            const std::size_t limit = std::min(piece, bytes.size());
            for (const MutableBytes window : reader.rx_windows()) {
                const std::size_t size = std::min(window.size(), limit - taken);
                std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(taken), size, window.begin());
                taken += size;
            }
            reader.rx_commit(taken);
            bytes = bytes.subspan(taken);
            if (!parse()) {
                return false;
            }
            reader.release_if_empty();
        }
        return true;
    }
    bool parse() {
        for (;;) {
            switch (reader.next()) {
            case PduReader::Next::nothing:
                return true;
            case PduReader::Next::error:
                return false;
            case PduReader::Next::wants_destination:
                destination.assign(reader.pdu().header.data_segment_length, 0xee);
                reader.set_destination(destination);
                break;
            case PduReader::Next::pdu:
                data.emplace_back(reader.pdu().data.begin(), reader.pdu().data.end());
                tags.push_back(reader.pdu().header.initiator_task_tag);
                break;
            }
        }
    }
};

ByteVector pattern(std::size_t size) {
    ByteVector bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    }
    return bytes;
}

ByteVector stream_of(std::initializer_list<std::size_t> sizes, bool header_digest, bool data_digest) {
    ByteVector stream;
    std::uint32_t tag = 1;
    for (const std::size_t size : sizes) {
        auto header = make_header<NopOutHeader>(Opcode::nop_out);
        header.initiator_task_tag = tag++;
        const ByteVector pdu = test::wire(header, pattern(size), header_digest, data_digest);
        stream.insert(stream.end(), pdu.begin(), pdu.end());
    }
    return stream;
}

} // namespace

TEST_CASE("PDU reader: the same PDUs come out however the bytes arrive", "[iscsi][pdu]") {
    const std::initializer_list<std::size_t> sizes = {0, 1, 3, 4, 511, 4096, 0, 70'000, 5, 100'000, 0};
    for (const bool header_digest : {false, true}) {
        for (const bool data_digest : {false, true}) {
            const ByteVector stream = stream_of(sizes, header_digest, data_digest);
            for (const std::size_t piece : {1UL, 7UL, 47UL, 48UL, 49UL, 1000UL, 4095UL, 4097UL, 1'000'000UL}) {
                CAPTURE(header_digest, data_digest, piece);
                Reading reading;
                reading.reader.enter_full_feature(4096, 100'000, header_digest, data_digest);
                REQUIRE(reading.feed(stream, piece));
                REQUIRE(reading.data.size() == sizes.size());
                std::size_t i = 0;
                for (const std::size_t size : sizes) {
                    CHECK(reading.tags[i] == i + 1);
                    CHECK(reading.data[i++] == pattern(size));
                }
            }
        }
    }
}

TEST_CASE("PDU reader: a flipped bit never passes a digest", "[iscsi][pdu][digest]") {
    const ByteVector good = stream_of({200}, true, true);
    for (std::size_t byte = 0; byte < good.size(); ++byte) {
        const bool length_field = byte >= 4 && byte < 8; // changes what is read, so the digest lies elsewhere: must not pass either
        for (const std::size_t piece : {60UL, 1000UL}) {
            ByteVector bad = good;
            bad[byte] ^= 0x10;
            Reading reading;
            reading.reader.enter_full_feature(4096, 100'000, true, true);
            const bool fine = reading.feed(bad, piece);
            CAPTURE(byte, piece);
            CHECK(reading.data.empty());
            if (!length_field) {
                CHECK_FALSE(fine);
                CHECK(reading.reader.error() == (byte < bhs_size + 4 ? ReadError::header_digest : ReadError::data_digest));
            }
        }
    }
}

TEST_CASE("PDU reader: a data segment above the limit is an error before any of it is stored", "[iscsi][pdu]") {
    Reading reading;
    auto header = make_header<NopOutHeader>(Opcode::nop_out);
    header.data_segment_length = 100'001;
    REQUIRE_FALSE(reading.feed(object_bytes(header), 48));
    CHECK(reading.reader.error() == ReadError::data_segment_too_long);
}

TEST_CASE("PDU reader: additional header segments are kept while the data arrive", "[iscsi][pdu]") {
    auto header = make_header<ScsiCommandHeader>(Opcode::scsi_command);
    header.total_ahs_length = 2;
    header.data_segment_length = 8;
    ByteVector stream(object_bytes(header).begin(), object_bytes(header).end());
    const ByteVector ahs{0, 5, 2, 0, 0, 0, 2, 0};
    stream.insert(stream.end(), ahs.begin(), ahs.end());
    stream.insert(stream.end(), 8, 0x55);
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        BufferPool pool;
        PduReader reader(pool, 4096, 1000);
        ByteVector destination(8);
        Bytes rest = stream;
        bool seen = false;
        while (!rest.empty()) {
            std::size_t taken = 0;
            for (const MutableBytes window : reader.rx_windows()) {
                const std::size_t size = std::min({window.size(), piece - taken, rest.size()});
                std::copy_n(rest.begin(), size, window.begin());
                rest = rest.subspan(size);
                taken += size;
            }
            reader.rx_commit(taken);
            for (auto next = reader.next(); next != PduReader::Next::nothing; next = reader.next()) {
                if (next == PduReader::Next::wants_destination) {
                    reader.set_destination(destination);
                    continue;
                }
                REQUIRE(next == PduReader::Next::pdu);
                seen = true;
                CHECK(ByteVector(reader.pdu().ahs.begin(), reader.pdu().ahs.end()) == ahs);
                CHECK(ByteVector(reader.pdu().data.begin(), reader.pdu().data.end()) == ByteVector(8, 0x55));
            }
        }
        CHECK(seen);
    }
}
