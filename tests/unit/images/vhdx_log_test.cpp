#include "support/catch.hpp"

#include "core/random.hpp"
#include "images/vhdx_checksum.hpp"
#include "images/vhdx_log.hpp"
#include "images_test_files.hpp"

using namespace rootstock;
using namespace rootstock::images;
using namespace rootstock::images::vhdx;

namespace {

constexpr std::size_t log_size = mib;
const Guid log_guid{{1, 2, 3, 4, 5, 6, 7, 8, 9}};

/// Pages of noise at 2 MiB, 2 MiB + 4 KiB, ...
class Pages {
  public:
    explicit Pages(std::size_t count, std::uint64_t seed = 1) : bytes_(count * log_sector_size) {
        SeededRandom(seed).fill(bytes_);
        for (std::size_t i = 0; i < count; ++i) {
            pages_.push_back({2 * mib + i * log_sector_size, Bytes(bytes_).subspan(i * log_sector_size, log_sector_size)});
        }
    }
    [[nodiscard]] const std::vector<VhdxLogPage>& pages() const { return pages_; }
    [[nodiscard]] std::vector<VhdxLogWrite> writes() const {
        std::vector<VhdxLogWrite> all;
        for (const VhdxLogPage& page : pages_) {
            all.push_back({page.file_offset, log_sector_size, {page.data.begin(), page.data.end()}});
        }
        return all;
    }

  private:
    ByteVector bytes_;
    std::vector<VhdxLogPage> pages_;
};

VhdxLogEntry fields(std::uint64_t sequence_number, std::uint32_t tail) { return {0, tail, sequence_number, 4 * mib, 8 * mib, {}}; }

/// Puts `entry` into the circle at `offset`, round the end where need be. Where the next one goes.
std::uint32_t put(ByteVector& log, std::uint32_t offset, const ByteVector& entry) {
    for (std::size_t i = 0; i < entry.size(); ++i) {
        log[(offset + i) % log.size()] = entry[i];
    }
    return static_cast<std::uint32_t>((offset + entry.size()) % log.size());
}

} // namespace

TEST_CASE("A log entry comes back as it went, wherever in the circle it starts", "[images][vhdx][log]") {
    const std::size_t count = GENERATE(0U, 1U, 126U, 127U, 200U);
    const std::uint32_t offset = GENERATE(0U, 4096U, static_cast<std::uint32_t>(log_size) - 4096U);
    CAPTURE(count, offset);
    const Pages pages(count);
    const ByteVector bytes = encode_log_entry(fields(0x700000001, offset), log_guid, pages.pages());
    CHECK(bytes.size() == log_entry_length(count));
    ByteVector log(log_size);
    put(log, offset, bytes);
    const auto entry = decode_log_entry(log, offset, log_guid);
    REQUIRE(entry);
    VhdxLogEntry expected = fields(0x700000001, offset);
    expected.entry_length = static_cast<std::uint32_t>(bytes.size());
    expected.writes = pages.writes();
    CHECK(*entry == expected);
}

TEST_CASE("An entry with one bit wrong, of another log, or cut is no entry", "[images][vhdx][log]") {
    const Pages pages(3);
    const ByteVector bytes = encode_log_entry(fields(9, 0), log_guid, pages.pages());
    ByteVector log(log_size);
    put(log, 0, bytes);
    CHECK_FALSE(decode_log_entry(log, 0, Guid{{1}}));
    CHECK_FALSE(decode_log_entry(log, 4096, log_guid));
    for (std::size_t at = 0; at < bytes.size(); at += 97) {
        CAPTURE(at);
        ByteVector damaged = log;
        damaged[at] ^= 0x40;
        CHECK_FALSE(decode_log_entry(damaged, 0, log_guid));
    }
}

TEST_CASE("An entry whose parts disagree is no entry, even with the right checksum", "[images][vhdx][log]") {
    struct Change {
        const char* name;
        std::size_t offset;
        std::uint32_t value;
    };
    // Three pages: header and descriptors in the first sector, data in the next three.
    const auto change = GENERATE(Change{"length 0", 8, 0}, Change{"odd length", 8, 4097}, Change{"longer than the log", 8, 2U << 20U},
                                 Change{"a sector too many", 8, 5 * 4096}, Change{"a sector too few", 8, 3 * 4096}, Change{"odd tail", 12, 100},
                                 Change{"tail outside", 12, 1U << 20U}, Change{"number 0", 16, 0}, Change{"descriptors without data", 24, 4},
                                 Change{"data without descriptors", 24, 2}, Change{"descriptors beyond the entry", 24, 0xffffffff},
                                 Change{"odd offset", 64 + 16, 2 * mib + 1}, Change{"descriptor of another entry", 64 + 24, 8},
                                 Change{"sector of another entry, low", 4096 + 4092, 8}, Change{"sector of another entry, high", 4096 + 4, 8},
                                 Change{"no signature", 4096, 0}, Change{"no descriptor", 64, 0});
    CAPTURE(change.name);
    ByteVector bytes = encode_log_entry(fields(9, 0), log_guid, Pages(3).pages());
    const le32 value(change.value);
    std::memcpy(bytes.data() + change.offset, &value, sizeof value);
    put_vhdx_checksum(bytes);
    ByteVector log(log_size);
    put(log, 0, bytes);
    CHECK_FALSE(decode_log_entry(log, 0, log_guid));
}

TEST_CASE("Zero descriptors: a range of zeros and no data sector", "[images][vhdx][log]") {
    ByteVector bytes = encode_log_entry(fields(3, 0), log_guid, {});
    bytes[24] = 1;
    const ZeroDescriptor zero{zero_descriptor_signature, le32(0), le64(3 * log_sector_size), le64(2 * mib), le64(3)};
    std::memcpy(bytes.data() + sizeof(LogEntryHeader), &zero, sizeof zero);
    put_vhdx_checksum(bytes);
    ByteVector log(log_size);
    put(log, 0, bytes);
    const auto replay = value_of(VhdxReplay::find(log, log_guid, 4 * mib));
    CHECK(replay.writes() == std::vector{VhdxLogWrite{2 * mib, 3 * log_sector_size, {}}});
    ByteVector laid(4 * log_sector_size, 0xff);
    replay.overlay(2 * mib - log_sector_size, laid);
    CHECK(std::ranges::all_of(Bytes(laid).first(log_sector_size), [](std::uint8_t b) { return b == 0xff; }));
    CHECK(std::ranges::all_of(Bytes(laid).subspan(log_sector_size), [](std::uint8_t b) { return b == 0; }));
}

TEST_CASE("Replay takes the newest sequence, from its tail on", "[images][vhdx][log]") {
    ByteVector log(log_size);
    const Pages old(2, 1);
    const Pages tail(1, 2);
    const Pages head(1, 3);
    std::uint32_t at = put(log, static_cast<std::uint32_t>(log_size) - 8192, encode_log_entry(fields(5, 0), log_guid, old.pages())); // wraps
    const std::uint32_t tail_at = at;
    at = put(log, at, encode_log_entry(fields(6, tail_at), log_guid, tail.pages()));
    put(log, at, encode_log_entry(fields(7, tail_at), log_guid, head.pages()));
    const auto replay = value_of(VhdxReplay::find(log, log_guid, 4 * mib));
    std::vector<VhdxLogWrite> expected = tail.writes();
    expected.push_back(head.writes().front());
    CHECK(replay.writes() == expected);
    CHECK(replay.last_file_offset() == 8 * mib);
}

TEST_CASE("A torn newest entry leaves the sequence before it", "[images][vhdx][log]") {
    ByteVector log(log_size);
    const Pages good(1, 2);
    const std::uint32_t at = put(log, 0, encode_log_entry(fields(6, 0), log_guid, good.pages()));
    ByteVector torn = encode_log_entry(fields(7, at), log_guid, Pages(2, 3).pages());
    torn[5000] ^= 1;
    put(log, at, torn);
    CHECK(value_of(VhdxReplay::find(log, log_guid, 4 * mib)).writes() == good.writes());
}

TEST_CASE("A log that cannot be believed is refused by the rule's name", "[images][vhdx][log]") {
    ByteVector log(log_size);
    SECTION("no entry") { CHECK(VhdxReplay::find(log, log_guid, 4 * mib).error() == VhdxError::log_no_valid_sequence); }
    SECTION("the tail's entry is gone") {
        put(log, 8192, encode_log_entry(fields(6, 0), log_guid, {}));
        CHECK(VhdxReplay::find(log, log_guid, 4 * mib).error() == VhdxError::log_no_valid_sequence);
    }
    SECTION("a file that lost its end") {
        put(log, 0, encode_log_entry(fields(6, 0), log_guid, {}));
        CHECK(VhdxReplay::find(log, log_guid, 4 * mib - 1).error() == VhdxError::log_file_truncated);
    }
    SECTION("changes of the headers") {
        const ByteVector page(log_sector_size);
        put(log, 0, encode_log_entry(fields(6, 0), log_guid, std::vector{VhdxLogPage{64 * kib, page}}));
        CHECK(VhdxReplay::find(log, log_guid, 4 * mib).error() == VhdxError::log_outside_file);
    }
    SECTION("changes beyond the end") {
        const ByteVector page(log_sector_size);
        put(log, 0, encode_log_entry(fields(6, 0), log_guid, std::vector{VhdxLogPage{8 * mib, page}}));
        CHECK(VhdxReplay::find(log, log_guid, 4 * mib).error() == VhdxError::log_outside_file);
    }
}

TEST_CASE("A log full of false starts is searched in linear time", "[images][vhdx][log]") {
    // Every sector claims to start an entry of the whole log: checksumming each claim would read 64 MiB sixteen thousand times.
    ByteVector log(64 * mib);
    LogEntryHeader header{};
    header.signature = log_entry_signature;
    header.entry_length = static_cast<std::uint32_t>(log.size());
    header.sequence_number = 1;
    header.log_guid = log_guid;
    for (std::size_t offset = 0; offset < log.size(); offset += log_sector_size) {
        std::memcpy(log.data() + offset, &header, sizeof header);
    }
    CHECK(VhdxReplay::find(log, log_guid, 4 * mib).error() == VhdxError::log_no_valid_sequence);
}
