#include "support/catch.hpp"

#include "core/crc32c.hpp"
#include "images/vhdx_headers.hpp"
#include "images_test_files.hpp"
#include "support/sim_file.hpp"

using namespace rootstock;
using namespace rootstock::images;

namespace {

VhdxHeader some_header(std::uint64_t sequence_number) {
    SeededRandom random(21);
    return {sequence_number, Guid::random(random), Guid::random(random), {}, 1U << 20U, 1U << 20U};
}

/// The field at `offset` changed, and the checksum made right again.
ByteVector with_byte(ByteVector record, std::size_t offset, std::uint8_t value) {
    record[offset] = value;
    std::memset(record.data() + 4, 0, 4);
    const le32 sum(crc32c(record));
    std::memcpy(record.data() + 4, &sum, 4);
    return record;
}

struct OpenFile {
    test::SimFileSystem files;
    std::unique_ptr<File> file = value_of(files.open("/disk.vhdx", OpenMode::create_new));
    SeededRandom random{22};

    OpenFile() {
        REQUIRE(file->resize(vhdx::mib));
        REQUIRE(file->write_at(vhdx::header_offsets[0], encode_header(some_header(7))));
        REQUIRE(file->write_at(vhdx::header_offsets[1], encode_header(some_header(6))));
    }
    [[nodiscard]] static Result<CurrentHeader, VhdxError> current_of(File& file) {
        std::array<ByteVector, 2> records{ByteVector(vhdx::header_size), ByteVector(vhdx::header_size)};
        for (std::size_t i = 0; i < 2; ++i) {
            REQUIRE(file.read_at(vhdx::header_offsets[i], records[i]));
        }
        return choose_header(records[0], records[1]);
    }
};

} // namespace

TEST_CASE("A header comes back as it went", "[images][vhdx][headers]") {
    VhdxHeader header = some_header(0x1122334455667788);
    header.log_guid = header.file_write_guid;
    const ByteVector record = encode_header(header);
    REQUIRE(record.size() == vhdx::header_size);
    CHECK(value_of(decode_header(record)) == header);
}

TEST_CASE("Any flipped bit makes a header invalid", "[images][vhdx][headers]") {
    const ByteVector record = encode_header(some_header(1));
    for (const std::size_t offset : {0U, 5U, 8U, 20U, 66U, 72U, 4095U}) {
        ByteVector flipped = record;
        flipped[offset] ^= 0x10;
        CHECK(decode_header(flipped).error() == VhdxError::header_none_valid);
    }
    CHECK(decode_header(Bytes(record).first(4095)).error() == VhdxError::header_none_valid);
}

TEST_CASE("A header of another version, or with its log in the wrong place, is refused by name", "[images][vhdx][headers]") {
    VhdxHeader logged = some_header(1);
    logged.log_guid = logged.file_write_guid;
    CHECK(decode_header(with_byte(encode_header(some_header(1)), 66, 2)).error() == VhdxError::header_version);
    CHECK(decode_header(with_byte(encode_header(logged), 64, 1)).error() == VhdxError::log_version);
    CHECK(decode_header(with_byte(encode_header(some_header(1)), 64, 1))); // no log, no matter
    CHECK(decode_header(with_byte(encode_header(some_header(1)), 73, 0x10)).error() == VhdxError::header_log_placement);
    CHECK(decode_header(with_byte(encode_header(some_header(1)), 74, 0)).error() == VhdxError::header_log_placement);
    CHECK(decode_header(with_byte(encode_header(some_header(1)), 69, 1)).error() == VhdxError::header_log_placement);
}

TEST_CASE("The current header is the valid one with the higher number", "[images][vhdx][headers]") {
    const ByteVector old = encode_header(some_header(6));
    const ByteVector recent = encode_header(some_header(7));
    ByteVector torn = recent;
    torn[2000] ^= 1;
    CHECK(value_of(choose_header(old, recent)).slot == 1);
    CHECK(value_of(choose_header(recent, old)).slot == 0);
    CHECK(value_of(choose_header(old, torn)).header.sequence_number == 6);
    CHECK(value_of(choose_header(torn, old)).slot == 1);
    CHECK(choose_header(torn, torn).error() == VhdxError::header_none_valid);
}

TEST_CASE("Two headers of one number are one header, or none", "[images][vhdx][headers]") {
    const VhdxHeader header = some_header(6);
    VhdxHeader other = header;
    other.log_offset += vhdx::mib;
    CHECK(choose_header(encode_header(header), encode_header(header)));
    CHECK(choose_header(encode_header(header), encode_header(other)).error() == VhdxError::header_same_sequence);
}

TEST_CASE("The first change of a file gives it a new FileWriteGuid, the first change of data a new DataWriteGuid", "[images][vhdx][headers]") {
    OpenFile open;
    const CurrentHeader before = value_of(OpenFile::current_of(*open.file));
    VhdxHeaderWriter writer(*open.file, before, open.random);
    const Guid log = Guid::random(open.random);
    REQUIRE(writer.begin_changes(log));
    const VhdxHeader changed = value_of(OpenFile::current_of(*open.file)).header;
    CHECK(changed.file_write_guid != before.header.file_write_guid);
    CHECK(changed.data_write_guid == before.header.data_write_guid);
    CHECK(changed.log_guid == log);
    CHECK(changed.sequence_number > before.header.sequence_number);

    REQUIRE(writer.begin_data_changes());
    const VhdxHeader data_changed = value_of(OpenFile::current_of(*open.file)).header;
    CHECK(data_changed.file_write_guid == changed.file_write_guid);
    CHECK(data_changed.data_write_guid != changed.data_write_guid);

    REQUIRE(writer.end_changes());
    const VhdxHeader closed = value_of(OpenFile::current_of(*open.file)).header;
    CHECK(closed.log_guid.is_nil());
    CHECK(closed == writer.current().header);
}

TEST_CASE("Both headers say the same after each change, so that no stale log comes back to life", "[images][vhdx][headers]") {
    OpenFile open;
    VhdxHeaderWriter writer(*open.file, value_of(OpenFile::current_of(*open.file)), open.random);
    REQUIRE(writer.begin_all(Guid::random(open.random)));
    REQUIRE(writer.end_changes());
    for (const std::uint64_t offset : vhdx::header_offsets) {
        ByteVector record(vhdx::header_size);
        REQUIRE(open.file->read_at(offset, record));
        VhdxHeader header = value_of(decode_header(record));
        header.sequence_number = writer.current().header.sequence_number;
        CHECK(header == writer.current().header);
    }
}

TEST_CASE("Power lost at any step of a header change leaves the old or the new header", "[images][vhdx][headers]") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        OpenFile open;
        REQUIRE(open.file->sync_data());
        REQUIRE(open.files.sync_directory("/"));
        const VhdxHeader before = value_of(OpenFile::current_of(*open.file)).header;
        VhdxHeaderWriter writer(*open.file, {before, 0}, open.random);
        std::vector<std::unique_ptr<test::SimFileSystem>> crashed;
        open.files.before_change([&](const test::SimOperation&) { crashed.push_back(open.files.after_power_loss({seed, 50, 512})); });
        REQUIRE(writer.begin_all(Guid::random(open.random)));
        open.files.before_change({});
        const Guid after = writer.current().header.file_write_guid;
        REQUIRE(crashed.size() == 3); // two writes, and a sync of the first
        crashed.push_back(open.files.after_power_loss({seed, 50, 512})); // the second may be torn
        for (const auto& files : crashed) {
            const auto file = value_of(files->open("/disk.vhdx", OpenMode::read_only));
            const VhdxHeader found = value_of(OpenFile::current_of(*file)).header;
            CHECK((found.file_write_guid == before.file_write_guid || found.file_write_guid == after));
        }
    }
}
