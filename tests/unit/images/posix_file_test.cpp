#include "support/catch.hpp"

#include "images_test_files.hpp"
#include "images/file.hpp"

#include <fcntl.h>

using namespace rootstock;
using namespace rootstock::images;

namespace {

struct OneFile {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();
    std::unique_ptr<File> file = value_of(files->open(path(), OpenMode::create_new));
    [[nodiscard]] std::string path() const { return directory.file("disk"); }
};

constexpr std::uint64_t mib = 1U << 20U;

} // namespace

TEST_CASE("What is written is read back, and the file grows as far as it must", "[images][file]") {
    const OneFile one;
    REQUIRE(one.file->write_at(5000, as_bytes("hello")));
    REQUIRE(one.file->write_durable_at(5005, as_bytes(" you")));
    CHECK(value_of(one.file->size()) == 5009);
    ByteVector read(9);
    REQUIRE(one.file->read_at(5000, read));
    CHECK(as_text(read) == "hello you");
}

TEST_CASE("Reading beyond the end is an error that says where the file ends", "[images][file]") {
    const OneFile one;
    REQUIRE(one.file->resize(100));
    ByteVector out(200);
    const auto read = one.file->read_at(0, out);
    REQUIRE_FALSE(read);
    CHECK(read.error().what == one.path() + " ends at byte 100, before what was to be read");
}

TEST_CASE("A read that need not wait gives everything or says that it would wait", "[images][file]") {
    const OneFile one;
    REQUIRE(one.file->write_at(0, ByteVector(65536, 7)));
    ByteVector out(65536);
    if (value_of(one.file->try_read_at(0, out))) {
        CHECK(out == ByteVector(65536, 7));
    }
    CHECK_FALSE(value_of(one.file->try_read_at(65000, out))); // reaches beyond the end: not all of it is there
}

TEST_CASE("A hole reads as zeros, keeps the size and gives the space back", "[images][file]") {
    const OneFile one;
    REQUIRE(one.file->write_at(0, ByteVector(4 * mib, 1)));
    REQUIRE(one.file->sync_data());
    const std::uint64_t before = value_of(one.file->allocated_bytes());
    REQUIRE(one.file->punch_hole(mib, 2 * mib));
    ByteVector out(4 * mib);
    REQUIRE(one.file->read_at(0, out));
    CHECK(std::ranges::count(out, std::uint8_t{1}) == std::ptrdiff_t{2 * mib});
    CHECK(value_of(one.file->size()) == 4 * mib);
    CHECK(value_of(one.file->allocated_bytes()) <= before - 2 * mib);
}

TEST_CASE("Stretches of data are found between holes", "[images][file]") {
    const OneFile one;
    REQUIRE(one.file->resize(64 * mib));
    REQUIRE(one.file->write_at(8 * mib, ByteVector(mib, 1)));
    const auto stretch = value_of(one.file->next_data(0));
    REQUIRE(stretch);
    CHECK(stretch->offset <= 8 * mib);
    CHECK(stretch->offset + stretch->length >= 9 * mib);
    if (stretch->offset != 0) { // else the file system does not know holes
        CHECK_FALSE(value_of(one.file->next_data(32 * mib)));
    }
}

TEST_CASE("Allocated space is there before it is written", "[images][file]") {
    const OneFile one;
    REQUIRE(one.file->allocate(0, 2 * mib));
    CHECK(value_of(one.file->size()) == 2 * mib);
    CHECK(value_of(one.file->allocated_bytes()) >= 2 * mib);
}

TEST_CASE("A shared mapping and the file are the same bytes", "[images][file]") {
    const OneFile one;
    REQUIRE(one.file->resize(8192));
    const auto mapping = value_of(one.file->map_shared(8192));
    mapping->bytes()[5000] = 42;
    ByteVector out(1);
    REQUIRE(one.file->read_at(5000, out));
    CHECK(out[0] == 42);
    const auto read_only = value_of(one.file->map_read_only());
    CHECK(read_only->bytes().size() == 8192);
    CHECK(read_only->bytes()[5000] == 42);
    CHECK(read_only->populate(0, 8192));
    CHECK(read_only->resident(0, 8192));
}

TEST_CASE("Populating what was cut off is an error, not a signal", "[images][file]") {
    const OneFile one;
    REQUIRE(one.file->write_at(0, ByteVector(mib)));
    const auto mapping = value_of(one.file->map_read_only());
    REQUIRE(one.file->resize(4096));
    CHECK_FALSE(mapping->populate(0, mib));
}

TEST_CASE("A locked file cannot be locked again until it is closed", "[images][file]") {
    OneFile one;
    REQUIRE(one.file->lock_exclusive());
    const auto other = value_of(one.files->open(one.path(), OpenMode::read_write));
    const auto refused = other->lock_exclusive();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("in use by another process") != std::string::npos);
    one.file.reset();
    CHECK(other->lock_exclusive());
}

TEST_CASE("A stamp tells a changed or swapped file from the same one", "[images][file]") {
    const OneFile one;
    const auto before = value_of(one.file->stamp());
    CHECK(value_of(one.file->stamp()) == before);
    REQUIRE(one.file->resize(1));
    CHECK_FALSE(value_of(one.file->stamp()) == before);
    const auto other = value_of(one.files->open(one.directory.file("other"), OpenMode::create_new));
    CHECK(value_of(other->stamp()).inode != before.inode);
}

TEST_CASE("Names: create, rename, list, remove", "[images][file]") {
    const OneFile one;
    FileSystem& files = *one.files;
    CHECK(files.open(one.path(), OpenMode::create_new).error().code == std::errc::file_exists);
    REQUIRE(files.make_directories(one.directory.file("a/b/c")));
    REQUIRE(files.make_directories(one.directory.file("a/b/c")));
    REQUIRE(files.rename(one.path(), one.directory.file("a/b/c/moved")));
    CHECK(files.exists(one.directory.file("a/b/c/moved")));
    CHECK(value_of(files.list(one.directory.file("a/b/c"))) == std::vector<std::string>{"moved"});
    REQUIRE(files.sync_directory(one.directory.file("a/b/c")));
    REQUIRE(files.remove(one.directory.file("a/b/c/moved")));
    REQUIRE(files.remove(one.directory.file("a/b/c/moved")));
    CHECK_FALSE(files.exists(one.directory.file("a/b/c/moved")));
    CHECK_FALSE(files.list(one.directory.file("nowhere")));
    CHECK_FALSE(files.sync_directory(one.directory.file("nowhere")));
}

TEST_CASE("Space is told, and there is not more free than there is", "[images][file]") {
    const OneFile one;
    const auto space = value_of(one.files->space(one.directory.path()));
    CHECK(space.total_bytes > 0);
    CHECK(space.free_bytes <= space.total_bytes);
}

TEST_CASE("The kernel's boot id is one line of 36 characters", "[images][file]") { CHECK(kernel_boot_id().size() == 36); }
