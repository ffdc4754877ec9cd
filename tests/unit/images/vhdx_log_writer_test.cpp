#include "support/catch.hpp"

#include "core/random.hpp"
#include "images/vhdx_create.hpp"
#include "images/vhdx_image.hpp"
#include "images/vhdx_log_writer.hpp"
#include "images_test_files.hpp"
#include "support/sim_file.hpp"
#include "support/vhdx_validator.hpp"

using namespace rootstock;
using namespace rootstock::images;
using namespace rootstock::images::vhdx;
using rootstock::test::SimFileSystem;

namespace {

const std::string disk_path = "/data/disk.vhdx";
constexpr std::uint32_t log_length = 1U << 20U;


/// An open file with a log of 1 MiB from 1 MiB on and pages from 4 MiB on.
struct OpenLog {
    std::unique_ptr<SimFileSystem> files = std::make_unique<SimFileSystem>();
    std::unique_ptr<File> file;
    std::unique_ptr<VhdxLogWriter> log;
    const Guid guid{{4, 5, 6}};

    OpenLog() {
        REQUIRE(files->make_directories("/data"));
        file = value_of(files->open(disk_path, OpenMode::create_new));
        REQUIRE(file->resize(8 * mib));
        REQUIRE(file->sync_data());
        REQUIRE(files->sync_directory("/data"));
        log = std::make_unique<VhdxLogWriter>(*file, mib, log_length, guid);
        REQUIRE(log->start());
    }

    /// Page `first`, `first` + 1, ... filled with `value`.
    void commit(std::size_t first, std::size_t count, std::uint8_t value) {
        const ByteVector page(log_sector_size, value);
        std::vector<VhdxLogPage> pages;
        for (std::size_t i = first; i < first + count; ++i) {
            pages.push_back({4 * mib + i * log_sector_size, page});
        }
        REQUIRE(log->commit(pages, 8 * mib));
    }
    void sync() {
        REQUIRE(file->sync_data());
        log->synced();
    }
    [[nodiscard]] VhdxReplay replay(SimFileSystem& at) const {
        const auto reopened = value_of(at.open(disk_path, OpenMode::read_write));
        ByteVector bytes(log_length);
        REQUIRE(reopened->read_at(mib, bytes));
        return value_of(VhdxReplay::find(bytes, guid, 8 * mib));
    }
};

std::uint8_t first_byte(File& file, std::size_t page) {
    ByteVector bytes(log_sector_size);
    REQUIRE(file.read_at(4 * mib + page * log_sector_size, bytes));
    REQUIRE(std::ranges::all_of(bytes, [&](std::uint8_t byte) { return byte == bytes[0]; }));
    return bytes[0];
}

} // namespace

TEST_CASE("A started log has a valid sequence with nothing in it", "[images][vhdx][log]") {
    const OpenLog open;
    CHECK(open.replay(*open.files).writes().empty());
}

TEST_CASE("A commit is one write of the log and one sync, then its pages in place", "[images][vhdx][log]") {
    OpenLog open;
    std::vector<test::SimAction> actions;
    open.files->before_change([&](const test::SimOperation& operation) { actions.push_back(operation.action); });
    open.commit(0, 2, 7);
    using enum test::SimAction;
    CHECK(actions == std::vector{write, sync, write, write});
}

TEST_CASE("Whatever was committed is there after power loss, however often the log went round", "[images][vhdx][log]") {
#ifdef ROOTSTOCK_SANITIZED
    const std::uint64_t seed = 1; // the others run in the release build: a sanitizer needs a minute for each
#else
    const std::uint64_t seed = GENERATE(1U, 2U, 3U);
#endif
    CAPTURE(seed);
    OpenLog open;
    SeededRandom random(seed);
    std::array<std::uint8_t, 300> committed{};
    std::array<std::uint8_t, 300> attempted{};
    std::size_t cuts = 0;
    // Before every single change of the disk: what would a power cut leave now?
    open.files->before_change([&](const test::SimOperation& operation) {
        if (random.u32() % 8 != 0 && operation.action != test::SimAction::sync) {
            return;
        }
        const auto after = open.files->after_power_loss({random.u64(), random.u32() % 101, 512});
        const auto file = value_of(after->open(disk_path, OpenMode::read_write));
        REQUIRE(open.replay(*after).apply(*file));
        for (std::size_t page = 0; page < committed.size(); ++page) {
            const std::uint8_t found = first_byte(*file, page);
            REQUIRE((found == committed[page] || found == attempted[page]));
        }
        ++cuts;
    });
    for (std::uint8_t round = 1; round < 60; ++round) {
        const std::size_t count = random.u32() % 12 == 0 ? 200 : 1 + random.u32() % 20; // 200: more than one entry
        const std::size_t first = random.u32() % (committed.size() - count);
        std::fill_n(attempted.begin() + static_cast<std::ptrdiff_t>(first), count, round);
        open.commit(first, count, round);
        committed = attempted;
        if (random.u32() % 3 == 0) {
            open.sync();
        }
    }
    CHECK(cuts > 100);
}

TEST_CASE("A commit that failed can be tried again", "[images][vhdx][log]") {
    OpenLog open;
    open.commit(0, 1, 1);
    bool full = true;
    open.files->fail_when([&](const test::SimOperation& operation) -> std::optional<Error> {
        return full && operation.action == test::SimAction::write ? std::optional(make_error(std::errc::no_space_on_device, "full")) : std::nullopt;
    });
    const ByteVector page(log_sector_size, 2);
    const std::vector pages{VhdxLogPage{4 * mib, page}};
    const auto failed = open.log->commit(pages, 8 * mib);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == std::errc::no_space_on_device);
    full = false;
    REQUIRE(open.log->commit(pages, 8 * mib));
    const auto after = open.files->after_power_loss({1, 0, 512});
    const auto file = value_of(after->open(disk_path, OpenMode::read_write));
    REQUIRE(open.replay(*after).apply(*file));
    CHECK(first_byte(*file, 0) == 2);
}

TEST_CASE("A dirty disk: replayed in memory for readers, into the file for writers, and qemu-img agrees", "[images][vhdx][log][tools]") {
    TemporaryDirectory directory;
    const std::string path = directory.file("disk.vhdx");
    const auto files = make_posix_file_system();
    SeededRandom random(31);
    VhdxMetadata metadata;
    metadata.virtual_disk_size = 8 * mib;
    REQUIRE(create_vhdx(*files, path, metadata, random));
    std::uint64_t payload = 0;
    {
        // Block 2 gets data; its BAT entry is in the log alone, as a crash between log and table leaves it.
        const auto file = value_of(files->open(path, OpenMode::read_write));
        const auto image = value_of(open_vhdx_writable(*file, random));
        payload = image.file_size;
        REQUIRE(file->resize(payload + 2 * mib));
        REQUIRE(file->write_at(payload, ByteVector(2 * mib, 0xab)));
        VhdxLogWriter log(*file, image.current.header.log_offset, image.current.header.log_length, Guid::random(random));
        REQUIRE(log.start());
        REQUIRE(VhdxHeaderWriter(*file, image.current, random).begin_all(log.log_guid()));
        ByteVector table(log_sector_size);
        const le64 entry(encode_entry(PayloadEntry{PayloadState::fully_present, payload}));
        std::memcpy(table.data() + 2 * bat_entry_size, &entry, sizeof entry);
        REQUIRE(log.commit(std::vector{VhdxLogPage{image.regions.bat.offset, table}}, payload + 2 * mib));
        REQUIRE(file->write_at(image.regions.bat.offset, ByteVector(log_sector_size)));
    }
    const test::VhdxInspector dirty(path);
    INFO(dirty.report().text());
    CHECK(dirty.report().sound());
    CHECK(dirty.report().dirty);
    CHECK(dirty.report().full_blocks == 1);

    if (have_program("qemu-img")) {
        const std::string copy = "'" + path + ".copy'";
        const auto replayed = run("cp '" + path + "' " + copy + " && qemu-img check -r all " + copy + " && qemu-img convert -O raw " + copy + " '" +
                                  directory.file("copy.raw") + "'");
        INFO(replayed.output);
        CHECK(replayed.status == 0);
        ByteVector expected(8 * mib);
        std::fill_n(expected.begin() + 4 * mib, 2 * mib, std::uint8_t{0xab});
        CHECK(directory.read("copy.raw") == expected);
    } else {
        WARN("qemu-img is not installed: not compared (apt install qemu-utils)");
    }

    const ByteVector before = directory.read("disk.vhdx");
    {
        const auto file = value_of(files->open(path, OpenMode::read_only));
        const auto image = value_of(open_vhdx_read_only(*file));
        CHECK(value_of(decode_payload_entry(value_of(read_bat(*file, image))[2])).file_offset == payload);
    }
    CHECK(directory.read("disk.vhdx") == before);
    {
        const auto file = value_of(files->open(path, OpenMode::read_write));
        const auto image = value_of(open_vhdx_writable(*file, random));
        CHECK(value_of(decode_payload_entry(value_of(read_bat(*file, image))[2])).file_offset == payload);
        CHECK(image.current.header.log_guid.is_nil());
        CHECK(image.current.header.file_write_guid.text() != dirty.report().file_write_guid);
        CHECK(image.current.header.data_write_guid.text() == dirty.report().data_write_guid);
    }
    const test::VhdxInspector clean(path);
    CHECK(clean.report().sound());
    CHECK_FALSE(clean.report().dirty);
    CHECK(clean.read(4 * mib, 2 * mib) == ByteVector(2 * mib, 0xab));
}
