// The bounds of unpacking: what a compressed file asks for in memory and space is not what it gets.
#include "images/unpack.hpp"

#include "core/crc32.hpp"
#include "core/random.hpp"
#include "images/limits.hpp"
#include "images_test_files.hpp"

#include <algorithm>
#include <cstring>

using namespace rootstock;
using namespace rootstock::images;

namespace {

/// The real file system, but for how much is free on it.
class FullFileSystem final : public FileSystem {
  public:
    explicit FullFileSystem(std::uint64_t free_bytes) : free_bytes_(free_bytes) {}
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override { return real_->open(path, mode); }
    Result<void> remove(const std::string& path) override { return real_->remove(path); }
    Result<void> rename(const std::string& from, const std::string& to) override { return real_->rename(from, to); }
    Result<void> sync_directory(const std::string& path) override { return real_->sync_directory(path); }
    Result<void> make_directories(const std::string& path) override { return real_->make_directories(path); }
    Result<void> make_read_only(const std::string& path) override { return real_->make_read_only(path); }
    [[nodiscard]] bool exists(const std::string& path) override { return real_->exists(path); }
    Result<std::vector<std::string>> list(const std::string& directory) override { return real_->list(directory); }
    Result<Space> space(const std::string&) override { return Space{std::uint64_t{1} << 40U, free_bytes_}; }
    [[nodiscard]] Memory memory() override { return real_->memory(); }

  private:
    std::unique_ptr<FileSystem> real_ = make_posix_file_system();
    std::uint64_t free_bytes_;
};

/// 1 MiB of noise behind `command`, as `image.packed`; false: its program is missing, which was told.
bool pack(const TemporaryDirectory& directory, const std::string& program, const std::string& options) {
    ByteVector noise(std::size_t{1} << 20U);
    SeededRandom(3).fill(noise);
    directory.write("image.raw", as_text(noise));
    const std::string command = program + " " + options + " < '" + directory.file("image.raw") + "' > '" + directory.file("image.packed") + "' 2>/dev/null";
    const bool done = std::system(command.c_str()) == 0;
    if (!done) {
        WARN(program << " is missing: its bounds were not looked at");
    }
    return done;
}

Result<PendingFile> unpack_it(const TemporaryDirectory& directory, ImageFormat format, std::uint64_t free_bytes) {
    FullFileSystem files(free_bytes);
    const auto packed = value_of(files.open(directory.file("image.packed"), OpenMode::read_only));
    auto plain = unpack(files, *packed, format, directory.file("image.tmp"), {});
    if (plain) {
        REQUIRE(directory.read("image.tmp") == directory.read("image.raw"));
        return make_error(std::errc::timed_out, "it was unpacked"); // its files are those of `files`
    }
    CHECK_FALSE(std::filesystem::exists(directory.file("image.tmp")));
    return plain;
}

} // namespace

TEST_CASE("Unpacking ends while 1 GiB is still free, and leaves nothing", "[images][import][tools]") {
    const TemporaryDirectory directory;
    if (!pack(directory, "gzip", "-c")) {
        return;
    }
    const auto refused = unpack_it(directory, ImageFormat::gzip, limits::free_kept - 1);
    CHECK(refused.error().code == std::errc::no_space_on_device);
    CHECK(refused.error().what.find("make room there, or unpack it elsewhere") != std::string::npos);
    CHECK(unpack_it(directory, ImageFormat::gzip, limits::free_kept).error().what == "it was unpacked");
}

TEST_CASE("An xz file that asks for more than 1 GiB of memory is refused", "[images][import][tools]") {
    const TemporaryDirectory directory;
    if (!pack(directory, "xz", "-0 -c")) {
        return;
    }
    CHECK(unpack_it(directory, ImageFormat::xz, limits::free_kept).error().what == "it was unpacked");
    // The xz format, sections 3.1 and 5.3.1: the block's header begins at 12 with its size and flags, then the filter 21h with one byte: its dictionary.
    ByteVector bytes = directory.read("image.packed");
    const std::size_t header = (std::size_t{bytes.at(12)} + 1) * 4;
    const auto filter = std::find(bytes.begin() + 14, bytes.begin() + 12 + static_cast<std::ptrdiff_t>(header), std::uint8_t{0x21});
    REQUIRE(*(filter + 1) == 1);
    *(filter + 2) = 37; // 1.5 GiB
    const std::uint32_t sum = crc32(Bytes(bytes).subspan(12, header - 4));
    std::memcpy(bytes.data() + 12 + header - 4, &sum, sizeof sum);
    directory.write("image.packed", as_text(bytes));
    const auto refused = unpack_it(directory, ImageFormat::xz, limits::free_kept);
    CHECK(refused.error().code == std::errc::illegal_byte_sequence);
    INFO(refused.error().what);
    CHECK(refused.error().what.find("The limit is 1024 MiB") != std::string::npos);
}

TEST_CASE("A zstd file that asks for a window of 2 GiB is refused", "[images][import][tools]") {
    const TemporaryDirectory directory;
    if (!pack(directory, "zstd", "-1 -q -c")) {
        return;
    }
    CHECK(unpack_it(directory, ImageFormat::zstd, limits::free_kept).error().what == "it was unpacked");
    // RFC 8878 section 3.1.1.1: behind magic and descriptor, which has no single segment, the window: an exponent above 10 and three bits.
    ByteVector bytes = directory.read("image.packed");
    REQUIRE((bytes.at(4) & 0x20U) == 0);
    bytes.at(5) = (31 - 10) << 3U;
    directory.write("image.packed", as_text(bytes));
    CHECK(unpack_it(directory, ImageFormat::zstd, limits::free_kept).error().code == std::errc::illegal_byte_sequence);
}
