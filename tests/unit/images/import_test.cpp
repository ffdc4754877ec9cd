#include "support/catch.hpp"

#include "core/random.hpp"
#include "images/import.hpp"
#include "images/vhdx_layout.hpp"
#include "chain_files.hpp"
#include "images/overlay.hpp"
#include "support/read_pieces.hpp"
#include "support/vhdx_validator.hpp"

#include <fcntl.h>
#include <sys/stat.h>

using namespace rootstock;
using namespace rootstock::images;
using rootstock::test::VhdxInspector;

namespace {

constexpr std::uint64_t mib = vhdx::mib;
constexpr std::uint64_t gib = 1024 * mib;

/// A sparse raw image with noise at chosen places.
class RawImage {
  public:
    RawImage(FileSystem& files, const std::string& path, std::uint64_t size) : file_(value_of(files.open(path, OpenMode::create_new))) {
        REQUIRE(file_->resize(size));
    }
    void noise(std::uint64_t offset, std::size_t length) {
        ByteVector bytes(length);
        random_.fill(bytes);
        REQUIRE(file_->write_at(offset, bytes));
    }
    void zeros(std::uint64_t offset, std::size_t length) { REQUIRE(file_->write_at(offset, ByteVector(length))); }
    [[nodiscard]] ByteVector at(std::uint64_t offset, std::size_t length) {
        ByteVector bytes(length);
        REQUIRE(file_->read_at(offset, bytes));
        return bytes;
    }

  private:
    std::unique_ptr<File> file_;
    SeededRandom random_{7};
};

ProgressCallback no_progress() { return {}; }

} // namespace

TEST_CASE("A master holds what the raw image held, in one extent, and zeros take no space", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    RawImage raw(*files, directory.file("disk.raw"), 64 * mib);
    raw.noise(0, 512);
    raw.noise(10 * mib, 3 * mib);
    raw.zeros(20 * mib, 4 * mib); // written, but zero
    raw.noise(64 * mib - 512, 512);
    const auto identity = value_of(import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), no_progress())).identity;

    const VhdxInspector inspector(directory.file("master.vhdx"));
    INFO(inspector.report().text());
    CHECK(inspector.report().sound());
    CHECK(inspector.report().full_blocks == 4); // 0, 10..12, 12..14, the last
    CHECK(inspector.report().data_write_guid == identity.data_write_guid.text());
    CHECK(inspector.read(0, 64 * mib) == raw.at(0, 64 * mib));
    CHECK(identity.virtual_size == 64 * mib);

    const auto master = value_of(open_master(*files, directory.file("master.vhdx"), identity));
    CHECK(read_with_loads(*master, 0, 64 * mib, true) == raw.at(0, 64 * mib));
    CHECK(value_of(files->list(directory.path())) == std::vector<std::string>{"disk.raw", "master.vhdx"});
}

TEST_CASE("A master is read-only for everybody", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("disk.raw", std::string(4096, 'x'));
    REQUIRE(import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), no_progress()));
    struct stat status {};
    REQUIRE(::stat(directory.file("master.vhdx").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0444U);
}

TEST_CASE("A size that is no multiple of 512 is padded with zeros to the next MiB", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("disk.raw", std::string(5 * mib + 100, 'x'));
    const auto identity = value_of(import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), no_progress())).identity;
    CHECK(identity.virtual_size == 6 * mib);
    const VhdxInspector inspector(directory.file("master.vhdx"));
    ByteVector expected(6 * mib);
    std::fill_n(expected.begin(), 5 * mib + 100, std::uint8_t{'x'});
    CHECK(inspector.read(0, 6 * mib) == expected);
}

TEST_CASE("Independent programs read a master as we do", "[images][import][tools]") {
    const std::uint64_t size = GENERATE(512 * std::uint64_t{1}, 3 * mib, 9 * mib + 512, 4 * gib + 7 * mib);
    CAPTURE(size);
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    RawImage raw(*files, directory.file("disk.raw"), size);
    raw.noise(0, 512);
    if (size > gib) {
        raw.noise(gib + 12345 * 512, 5 * mib);
        raw.noise(4 * gib - 4096, 8192); // over the border of two chunks of the BAT
    }
    raw.noise(size - 512, 512);
    REQUIRE(import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), no_progress()));
    const std::string quoted = "'" + directory.file("master.vhdx") + "'";

    if (have_program("qemu-img")) {
        const auto check = run("qemu-img check " + quoted);
        INFO(check.output);
        CHECK(check.status == 0);
        const auto compare = run("qemu-img compare -f raw -F vhdx '" + directory.file("disk.raw") + "' " + quoted);
        INFO(compare.output);
        CHECK(compare.status == 0);
        CHECK(run("qemu-img info " + quoted).output.find("virtual size: ") != std::string::npos);
    } else {
        WARN("qemu-img is not installed: not compared (apt install qemu-utils)");
    }
    if (have_program("7zz") && size % mib == 0) { // it refuses other sizes
        const auto same = run("7zz e -so -tVHDX " + quoted + " 2>/dev/null | cmp - '" + directory.file("disk.raw") + "'");
        INFO(same.output);
        CHECK(same.status == 0);
    } else if (!have_program("7zz")) {
        WARN("7zz is not installed: not compared (apt install 7zip)");
    }
}

TEST_CASE("An image of any format becomes a master with the same contents", "[images][import][tools]") {
    if (!have_program("qemu-img")) {
        WARN("qemu-img is not installed: skipped (apt install qemu-utils)");
        return;
    }
    const std::string format = GENERATE(as<std::string>(), "vhdx", "vhdx -o subformat=fixed", "vpc -o force_size=on", "vpc -o subformat=fixed,force_size=on", "qcow2",
                                        "-c qcow2", "vmdk", "vmdk -o subformat=monolithicFlat", "-c vmdk -o subformat=streamOptimized", "vdi", "qed");
    CAPTURE(format);
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    RawImage raw(*files, directory.file("disk.raw"), 21 * mib);
    raw.noise(0, 512);
    raw.noise(7 * mib + 4096, 2 * mib);
    raw.noise(21 * mib - 512, 512);
    const bool compressed = format.starts_with("-c ");
    const auto made = run("qemu-img convert -f raw " + std::string(compressed ? "-c " : "") + "-O " + format.substr(compressed ? 3 : 0) + " '" +
                          directory.file("disk.raw") + "' '" + directory.file("disk") + "'");
    INFO(made.output);
    REQUIRE(made.status == 0);
    const auto identity = value_of(import_image(*files, directory.file("disk"), directory.file("master.vhdx"), no_progress())).identity;
    CHECK(identity.virtual_size == 21 * mib);
    const VhdxInspector inspector(directory.file("master.vhdx"));
    INFO(inspector.report().text());
    CHECK(inspector.report().sound());
    CHECK(inspector.report().full_blocks == 4); // 0, 6..8, 8..10, the last
    CHECK(inspector.read(0, 21 * mib) == raw.at(0, 21 * mib));
    for (const std::string& name : value_of(files->list(directory.path()))) {
        CHECK(name.find(".tmp") == std::string::npos);
    }
}

TEST_CASE("An import by way of another program can be cancelled and leaves nothing", "[images][import][tools]") {
    if (!have_program("qemu-img")) {
        WARN("qemu-img is not installed: skipped (apt install qemu-utils)");
        return;
    }
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    {
        RawImage raw(*files, directory.file("disk.raw"), 64 * mib);
        raw.noise(0, 64 * mib);
    }
    REQUIRE(run("qemu-img convert -f raw -O qcow2 '" + directory.file("disk.raw") + "' '" + directory.file("disk.qcow2") + "'").status == 0);
    const auto imported = import_image(*files, directory.file("disk.qcow2"), directory.file("master.vhdx"), [](const ImportProgress&) { return false; });
    REQUIRE_FALSE(imported);
    CHECK(imported.error().code == std::errc::operation_canceled);
    CHECK(value_of(files->list(directory.path())) == std::vector<std::string>{"disk.qcow2", "disk.raw"});
}

TEST_CASE("A digest that does not match is told, and nothing is imported", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("disk.raw", "abc");
    // FIPS 180-2 appendix B.1
    const std::string right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const auto refused = import_image(*files, {directory.file("disk.raw"), "00" + right.substr(2)}, directory.file("master.vhdx"), no_progress());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find(right) != std::string::npos);
    CHECK_FALSE(files->exists(directory.file("master.vhdx")));
    CHECK(import_image(*files, {directory.file("disk.raw"), "BA" + right.substr(2)}, directory.file("master.vhdx"), no_progress()));
}

TEST_CASE("What is no disk is refused in one sentence", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("empty", "");
    const auto attempt = [&](const std::string& source) {
        const auto imported = import_image(*files, source, directory.file("master.vhdx"), no_progress());
        REQUIRE_FALSE(imported);
        return imported.error().what;
    };
    CHECK(attempt(directory.file("empty")).find("has 0 bytes") != std::string::npos);
    CHECK(attempt(directory.file("missing")).find("No such file") != std::string::npos);
    CHECK(attempt(directory.path()).find("neither a file nor a block device") != std::string::npos);
    REQUIRE(::mkfifo(directory.file("pipe").c_str(), 0600) == 0);
    CHECK(attempt(directory.file("pipe")).find("neither a file nor a block device") != std::string::npos);
}

TEST_CASE("An existing master is never written over", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("disk.raw", std::string(4096, 'x'));
    directory.write("master.vhdx", "precious");
    CHECK_FALSE(import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), no_progress()));
    CHECK(as_text(directory.read("master.vhdx")) == "precious");
}

TEST_CASE("A cancelled import leaves nothing", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("disk.raw", std::string(8 * mib, 'x'));
    const auto imported = import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), [](const ImportProgress&) { return false; });
    REQUIRE_FALSE(imported);
    CHECK(imported.error().code == std::errc::operation_canceled);
    CHECK(value_of(files->list(directory.path())) == std::vector<std::string>{"disk.raw"});
}

TEST_CASE("Progress begins at nothing and ends with everything", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    RawImage raw(*files, directory.file("disk.raw"), 16 * mib);
    raw.noise(0, 4096);
    std::vector<ImportProgress> seen;
    REQUIRE(import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), [&](const ImportProgress& now) {
        seen.push_back(now);
        return true;
    }));
    CHECK(seen.front().done_bytes == 0);
    CHECK(seen.back().done_bytes == 16 * mib);
    CHECK(seen.back().total_bytes == 16 * mib);
    CHECK(seen.back().stored_bytes == 2 * mib);
}

TEST_CASE("A source that changes while it is read is refused", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    RawImage raw(*files, directory.file("disk.raw"), 16 * mib);
    raw.noise(0, 4096);
    const auto imported = import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), [&](const ImportProgress& now) {
        if (now.done_bytes != 0) {
            raw.noise(0, 4096);
            // A write within the clock tick of the last one does not move the time stamp.
            const timespec later[2] = {{0, UTIME_OMIT}, {4102444800, 0}};
            REQUIRE(::utimensat(AT_FDCWD, directory.file("disk.raw").c_str(), later, 0) == 0);
        }
        return true;
    });
    REQUIRE_FALSE(imported);
    CHECK(imported.error().what.find("was changed while it was read") != std::string::npos);
    CHECK_FALSE(files->exists(directory.file("master.vhdx")));
}

TEST_CASE("A master of a disk with 4096-byte sectors has them too, and overlays stand on it", "[images][import]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    DiskModel model(8 * mib, 1);
    {
        VhdxMetadata metadata;
        metadata.virtual_disk_size = model.bytes.size();
        metadata.logical_sector_size = 4096;
        VhdxFile disk(*files, directory.file("disk.vhdx"), metadata, 1);
        disk.place(2, PayloadState::fully_present);
        disk.write(4 * mib, model.noise(4 * mib, 2 * mib));
    }
    const auto identity = value_of(import_image(*files, directory.file("disk.vhdx"), directory.file("master.vhdx"), no_progress())).identity;
    const auto master = value_of(open_master(*files, directory.file("master.vhdx"), identity));
    CHECK(master->geometry().logical_block_size == 4096);
    REQUIRE(create_persistent_overlay(*files, directory.file("overlay.vhdx"), *master));
    const auto overlay = value_of(open_persistent_overlay(*files, directory.file("overlay.vhdx"), master));
    REQUIRE(overlay->write(4 * mib + 4096, model.noise(4 * mib + 4096, 4096), false));
    REQUIRE(overlay->close());
    auto reader = value_of(ImageReader::open(*files, directory.file("overlay.vhdx")));
    ByteVector bytes(model.bytes.size());
    REQUIRE(reader.read(0, bytes));
    CHECK(bytes == model.bytes);
}
