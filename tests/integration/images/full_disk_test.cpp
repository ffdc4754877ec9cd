// A real file system that runs full under an open disk: a defined error, no signal, and everything acknowledged stays. Needs root, for a small tmpfs in
// a mount namespace of its own.

#include "support/catch.hpp"
#include "support/store_host.hpp"
#include "support/temporary_folder.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace rootstock;
using namespace rootstock::test;

namespace {

constexpr std::uint64_t disk_bytes = std::uint64_t{256} << 20U;

/// Runs `body` in a child that sees `folder` as a file system of 24 MiB. What went wrong, in words.
std::string on_small_file_system(const TemporaryFolder& folder, const std::function<std::string()>& body) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const bool mounted = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                             ::mount("none", folder.path().c_str(), "tmpfs", 0, "size=24m") == 0;
        const std::string problem = mounted ? body() : "cannot mount";
        const bool told = ::write(ends[1], problem.data(), problem.size()) == static_cast<ssize_t>(problem.size());
        ::_exit(told ? 0 : 1);
    }
    ::close(ends[1]);
    std::string problem;
    std::array<char, 256> piece{};
    for (ssize_t got = 0; (got = ::read(ends[0], piece.data(), piece.size())) > 0;) {
        problem.append(piece.data(), static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? problem : "ended by signal " + std::to_string(WTERMSIG(status));
}

using Open = std::function<Result<std::shared_ptr<images::Overlay>>()>;

/// Writes 4 KiB into places far apart until there is no space; then all that was acknowledged must be there, before and after reopening.
std::string fill_up(const Open& open) {
    constexpr std::uint64_t stride = 8 * 5;
    auto disk = open();
    if (!disk) {
        return disk.error().what;
    }
    std::uint64_t written = 0;
    Result<void, block::IoError> result;
    for (; (written + 1) * stride < disk_bytes / model_sector; ++written) {
        result = (*disk)->write(written * stride * model_sector, pattern(9, written * stride, 8), false);
        if (!result) {
            break;
        }
    }
    if (result || result.error() != block::IoError::no_space) {
        return "the file system did not run full, or it was told otherwise";
    }
    for (int turn = 0; turn < 2; ++turn) {
        ByteVector bytes(8 * model_sector);
        for (std::uint64_t at = 0; at < written; ++at) {
            if (!(*disk)->read(at * stride * model_sector, bytes) || bytes != pattern(9, at * stride, 8)) {
                return "write " + std::to_string(at) + " of " + std::to_string(written) + " is lost";
            }
        }
        if (!(*disk)->write(0, pattern(9, 0, 8), false)) {
            return "a write in place failed";
        }
        disk->reset();
        disk = open();
        if (!disk) {
            return disk.error().what;
        }
    }
    // Space comes back by discarding, and the disk is as good as new.
    if (!(*disk)->discard(0, disk_bytes / 2) || !(*disk)->flush() || !(*disk)->write(0, pattern(10, 0, 8), true)) {
        return "no space again after a discard";
    }
    return "";
}

/// A volume that has filled the file system: a snapshot of it succeeds or not, and whoever uses it goes on.
std::string snapshot_when_full(images::FileSystem& files, const std::string& data) {
    MemoryCatalogue catalogue;
    NullLog log;
    ManualClock clock;
    const auto store = images::open_store(files, data, catalogue, log, clock);
    if (!store || !(*store)->create_volume("data", disk_bytes, {"*"})) {
        return "no volume";
    }
    const auto disk = (*store)->open_volume_disk("data");
    if (!disk) {
        return disk.error().what;
    }
    std::uint64_t sectors = 0;
    while ((*disk)->write(sectors * model_sector, pattern(9, sectors, 8), false)) {
        sectors += 8;
    }
    const std::string failure = error_of((*store)->create_snapshot({images::DiskKind::volume, "data"}, "full"));
    ByteVector bytes(8 * model_sector);
    for (std::uint64_t at = 0; at < sectors; at += 8) {
        if (!(*disk)->read(at * model_sector, bytes) || bytes != pattern(9, at, 8)) {
            return "sector " + std::to_string(at) + " is lost; " + failure;
        }
    }
    if (!failure.empty() && (!(*disk)->write(0, pattern(10, 0, 8), false) || !(*disk)->flush())) {
        return "no write in place after: " + failure;
    }
    return "";
}

} // namespace

TEST_CASE("a snapshot on a full file system leaves whoever uses the disk reading and writing", "[images][full]") {
    if (::geteuid() != 0) {
        WARN("not root: nothing was mounted, nothing was tested");
        return;
    }
    const TemporaryFolder folder;
    const auto files = images::make_posix_file_system();
    REQUIRE(on_small_file_system(folder, [&] { return snapshot_when_full(*files, folder.file("data")); }) == "");
}

TEST_CASE("a file system that runs full costs no acknowledged write", "[images][full]") {
    if (::geteuid() != 0) {
        WARN("not root: nothing was mounted, nothing was tested");
        return;
    }
    const TemporaryFolder folder;
    const auto files = images::make_posix_file_system();
    const auto master = std::make_shared<PatternMaster>(disk_bytes);
    SECTION("persistent overlay") {
        REQUIRE(on_small_file_system(folder, [&]() -> std::string {
                    const std::string path = folder.file("d.vhdx");
                    const auto created = images::create_persistent_overlay(*files, path, *master);
                    return created ? fill_up([&] { return images::open_persistent_overlay(*files, path, master); }) : created.error().what;
                }) == "");
    }
    SECTION("reset overlay") {
        REQUIRE(on_small_file_system(folder, [&]() -> std::string {
                    const std::string path = folder.file("d.reset");
                    const auto created = images::create_reset_overlay(*files, path, *master);
                    return created ? fill_up([&] { return images::open_reset_overlay(*files, path, master); }) : created.error().what;
                }) == "");
    }
}
