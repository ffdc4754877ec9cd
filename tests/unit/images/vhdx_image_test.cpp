#include "support/catch.hpp"

#include "core/random.hpp"
#include "images/import.hpp"
#include "images/vhdx_checksum.hpp"
#include "images/vhdx_create.hpp"
#include "images/vhdx_image.hpp"
#include "images_test_files.hpp"
#include "support/vhdx_validator.hpp"

#include <functional>
#include <sys/stat.h>

using namespace rootstock;
using namespace rootstock::images;
using namespace rootstock::images::vhdx;

namespace {

/// A sound disk of 16 MiB, of which 6 are data, that a test damages.
struct Disk {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();
    std::unique_ptr<File> file;
    VhdxPlan plan;

    explicit Disk(bool differencing = false) {
        SeededRandom random(41);
        VhdxMetadata metadata;
        metadata.virtual_disk_size = 16 * mib;
        if (differencing) {
            metadata.parent = make_parent_locator("/a/child.vhdx", "/a/parent.vhdx", Guid::random(random));
        }
        REQUIRE(create_vhdx(*files, path(), metadata, random));
        plan = plan_vhdx(metadata, vhdx_log_length_writable);
        file = value_of(files->open(path(), OpenMode::read_write));
        REQUIRE(file->resize(plan.payload_offset + 6 * mib));
        for (std::uint64_t block = 0; block < 3; ++block) {
            put_entry(block, encode_entry(PayloadEntry{PayloadState::fully_present, plan.payload_offset + block * 2 * mib}));
        }
    }
    [[nodiscard]] std::string path() const { return directory.file("disk.vhdx"); }
    void put_entry(std::uint64_t index, std::uint64_t value) const {
        const le64 raw(value);
        REQUIRE(file->write_at(plan.regions.bat.offset + index * bat_entry_size, object_bytes(raw)));
    }
    /// Changes both copies of a structure and makes the checksums right again.
    void change_both(const std::array<std::uint64_t, 2>& offsets, std::size_t size, const std::function<void(MutableBytes)>& change) const {
        for (const std::uint64_t offset : offsets) {
            ByteVector bytes(size);
            REQUIRE(file->read_at(offset, bytes));
            change(bytes);
            put_vhdx_checksum(bytes);
            REQUIRE(file->write_at(offset, bytes));
        }
    }
    /// Why it cannot be read, by whichever step notices; empty when it can.
    [[nodiscard]] std::string refusal() const {
        const auto image = open_vhdx_read_only(*file);
        if (!image) {
            return image.error().what;
        }
        const auto bat = read_bat(*file, *image);
        return bat ? "" : bat.error().what;
    }
    void expect_refusal(VhdxError error) const {
        const std::string reason = refusal();
        CHECK(reason.find(vhdx_rule(error)) != std::string::npos);
        CHECK(reason.find(path()) != std::string::npos);
        CAPTURE(reason);
        // The rule is ours and the specification's: an independent reader minds as well.
        CHECK_FALSE(test::VhdxInspector(path()).report().sound());
    }
};

template <class T> void set_field(MutableBytes bytes, std::size_t offset, std::uint64_t value) {
    const T raw(static_cast<typename T::value_type>(value));
    std::memcpy(bytes.data() + offset, &raw, sizeof raw);
}

} // namespace

TEST_CASE("A sound disk is read", "[images][vhdx][image]") {
    const Disk disk(GENERATE(false, true));
    CHECK(disk.refusal().empty());
    const test::VhdxInspector inspector(disk.path());
    INFO(inspector.report().text());
    CHECK(inspector.report().sound());
}

TEST_CASE("A damaged VHDX is refused with the rule that it breaks", "[images][vhdx][image]") {
    const Disk disk;
    SECTION("shorter than its header section") {
        REQUIRE(disk.file->resize(mib - 1));
        disk.expect_refusal(VhdxError::truncated);
    }
    SECTION("empty") {
        REQUIRE(disk.file->resize(0));
        disk.expect_refusal(VhdxError::truncated);
    }
    SECTION("no file type identifier") {
        REQUIRE(disk.file->write_at(0, as_bytes("vhdxfilf")));
        disk.expect_refusal(VhdxError::not_vhdx);
    }
    SECTION("both headers torn") {
        for (const std::uint64_t offset : header_offsets) {
            REQUIRE(disk.file->write_at(offset + 100, as_bytes("x")));
        }
        disk.expect_refusal(VhdxError::header_none_valid);
    }
    SECTION("log beyond the end") {
        disk.change_both(header_offsets, header_size, [](MutableBytes header) { set_field<le64>(header, 72, 1024 * mib); });
        disk.expect_refusal(VhdxError::region_beyond_end);
    }
    SECTION("log over the BAT") {
        disk.change_both(header_offsets, header_size, [&](MutableBytes header) { set_field<le64>(header, 72, disk.plan.regions.bat.offset - 7 * mib); });
        disk.expect_refusal(VhdxError::region_overlap);
    }
    SECTION("a log without a valid entry") {
        disk.change_both(header_offsets, header_size, [](MutableBytes header) { header[48] = 1; });
        disk.expect_refusal(VhdxError::log_no_valid_sequence);
    }
    SECTION("both region tables torn") {
        for (const std::uint64_t offset : region_table_offsets) {
            REQUIRE(disk.file->write_at(offset + 40000, as_bytes("x")));
        }
        disk.expect_refusal(VhdxError::region_table_none_valid);
    }
    SECTION("BAT region beyond the end") {
        disk.change_both(region_table_offsets, region_table_size, [](MutableBytes table) { set_field<le64>(table, 32, 4096 * mib); });
        disk.expect_refusal(VhdxError::region_beyond_end);
    }
    SECTION("no metadata table") {
        REQUIRE(disk.file->write_at(disk.plan.regions.metadata.offset, as_bytes("x")));
        disk.expect_refusal(VhdxError::metadata_signature);
    }
    SECTION("a disk too large for its BAT") {
        const le64 size(std::uint64_t{1} << 40U);
        REQUIRE(disk.file->write_at(disk.plan.regions.metadata.offset + metadata_table_size + 8, object_bytes(size)));
        disk.expect_refusal(VhdxError::bat_too_small);
    }
}

TEST_CASE("A damaged BAT is refused with the rule that it breaks", "[images][vhdx][image]") {
    const Disk disk;
    const std::uint64_t payload = disk.plan.payload_offset;
    const auto full = [](std::uint64_t offset) { return encode_entry(PayloadEntry{PayloadState::fully_present, offset}); };
    SECTION("two blocks at one place") {
        disk.put_entry(5, full(payload + 2 * mib));
        disk.expect_refusal(VhdxError::bat_overlap);
    }
    SECTION("two blocks that overlap by half") {
        disk.put_entry(5, full(payload + 3 * mib));
        disk.expect_refusal(VhdxError::bat_overlap);
    }
    SECTION("over the log") {
        disk.put_entry(5, full(2 * mib));
        disk.expect_refusal(VhdxError::bat_overlap);
    }
    SECTION("over the BAT") {
        disk.put_entry(5, full(disk.plan.regions.bat.offset - mib));
        disk.expect_refusal(VhdxError::bat_overlap);
    }
    SECTION("in the header section") {
        disk.put_entry(5, full(0));
        disk.expect_refusal(VhdxError::bat_placement);
    }
    SECTION("beyond the end") {
        disk.put_entry(5, full(payload + 5 * mib));
        disk.expect_refusal(VhdxError::bat_placement);
    }
    SECTION("far beyond the end") {
        disk.put_entry(5, full(0xfffffffffff00000));
        disk.expect_refusal(VhdxError::bat_placement);
    }
    SECTION("a state that is not defined") {
        disk.put_entry(5, 4);
        disk.expect_refusal(VhdxError::bat_state);
    }
    SECTION("reserved bits") {
        disk.put_entry(5, full(payload) | 0x8000U);
        disk.expect_refusal(VhdxError::bat_reserved_bits);
    }
    SECTION("partial without a parent") {
        disk.put_entry(2, encode_entry(PayloadEntry{PayloadState::partially_present, payload + 4 * mib}));
        disk.expect_refusal(VhdxError::bat_partial_without_parent);
    }
}

TEST_CASE("A damaged differencing BAT is refused with the rule that it breaks", "[images][vhdx][image]") {
    const Disk disk(true);
    const std::uint64_t bitmap_index = 2048;
    SECTION("partial without a bitmap") {
        disk.put_entry(2, encode_entry(PayloadEntry{PayloadState::partially_present, disk.plan.payload_offset + 4 * mib}));
        disk.put_entry(bitmap_index, 0);
        disk.expect_refusal(VhdxError::bat_bitmap_missing);
    }
    SECTION("bitmap over a block") {
        disk.put_entry(bitmap_index, encode_entry(BitmapEntry{BitmapState::present, disk.plan.payload_offset}));
        disk.expect_refusal(VhdxError::bat_overlap);
    }
    SECTION("bitmap in a state of payload blocks") {
        disk.put_entry(bitmap_index, encode_entry(PayloadEntry{PayloadState::partially_present, disk.plan.bitmap_offset}));
        disk.expect_refusal(VhdxError::bat_state);
    }
}

TEST_CASE("One torn header or region table does not matter", "[images][vhdx][image]") {
    const Disk disk;
    const unsigned copy = GENERATE(0U, 1U);
    REQUIRE(disk.file->write_at(header_offsets[copy] + 8, as_bytes("torn")));
    REQUIRE(disk.file->write_at(region_table_offsets[copy] + 8, as_bytes("torn")));
    CHECK(disk.refusal().empty());
}

TEST_CASE("States that name no block in the file may keep an old offset", "[images][vhdx][image]") {
    const Disk disk;
    for (const PayloadState state : {PayloadState::undefined, PayloadState::zero, PayloadState::unmapped, PayloadState::not_present}) {
        disk.put_entry(5, encode_entry(PayloadEntry{state, 0x7ff00000}));
        CHECK(disk.refusal().empty());
    }
}

TEST_CASE("A differencing disk is no master, and the error names its parent", "[images][vhdx][master]") {
    const Disk disk(true);
    const auto master = open_master(*disk.files, disk.path(), std::nullopt);
    REQUIRE_FALSE(master);
    CHECK(master.error().what.find("differencing disk over .\\parent.vhdx") != std::string::npos);
}
