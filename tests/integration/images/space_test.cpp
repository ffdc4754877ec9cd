// Space on a real file system: what a format and a delete leave behind, and hundreds of machines over one parent.

#include "images/store.hpp"

#include "support/catch.hpp"
#include "support/disk_model.hpp"
#include "support/temporary_folder.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

using namespace rootstock;
using namespace rootstock::test;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

struct Place {
    TemporaryFolder folder;
    std::unique_ptr<images::FileSystem> files = images::make_posix_file_system();

    [[nodiscard]] std::shared_ptr<images::Overlay> child(const std::string& name, const std::shared_ptr<images::Master>& master) const {
        const std::string path = folder.file(name);
        REQUIRE(images::create_persistent_overlay(*files, path, *master));
        const auto disk = images::open_persistent_overlay(*files, path, master);
        REQUIRE(disk);
        return *disk;
    }
};

void allow_files(rlim_t count) {
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = std::max(limit.rlim_cur, std::min(count, limit.rlim_max));
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

} // namespace

TEST_CASE("what is written and discarded again leaves a few MiB behind, over a parent and without one", "[images][space]") {
    constexpr std::uint64_t written = 256 * mib;
    const Place place;
    std::shared_ptr<images::Overlay> disk;
    SECTION("persistent overlay") { disk = place.child("d.vhdx", std::make_shared<PatternMaster>(2 * written)); }
    SECTION("reset overlay") {
        const auto master = std::make_shared<PatternMaster>(2 * written);
        REQUIRE(images::create_reset_overlay(*place.files, place.folder.file("d.reset"), *master));
        disk = *images::open_reset_overlay(*place.files, place.folder.file("d.reset"), master);
    }
    SECTION("volume") {
        REQUIRE(images::create_volume(*place.files, place.folder.file("v.vhdx"), 2 * written));
        disk = *images::open_volume(*place.files, place.folder.file("v.vhdx"));
    }
    const std::uint64_t before = disk->allocated_bytes();
    const ByteVector data(8 * mib, 0x5a);
    for (std::uint64_t offset = mib; offset < mib + written; offset += data.size()) { // no block of it is whole at its ends
        REQUIRE(disk->write(offset, data, false));
    }
    REQUIRE(disk->flush());
    REQUIRE(disk->allocated_bytes() >= before + written);
    for (std::uint64_t offset = mib; offset < mib + written; offset += 32 * mib) { // as an initiator splits it
        REQUIRE(disk->discard(offset, 32 * mib));
    }
    REQUIRE(disk->flush());
    REQUIRE(disk->flush());
    REQUIRE(disk->allocated_bytes() <= before + 4 * mib);
    ByteVector read(mib);
    REQUIRE(disk->read(written / 2, read));
    REQUIRE(std::all_of(read.begin(), read.end(), [](std::uint8_t byte) { return byte == 0; }));
    REQUIRE(disk->close());
}

TEST_CASE("hundreds of machines share one parent", "[images][space]") {
    const Place place;
    constexpr std::uint64_t log_bytes = 8 * mib; // each has room for its log from the start
    const bool roomy = std::filesystem::space(place.folder.path()).available > 400 * log_bytes;
    const std::size_t machines = roomy ? 200 : 50;
    if (!roomy) {
        WARN("little space: only fifty machines");
    }
    allow_files(4 * machines);
    const auto master = std::make_shared<PatternMaster>(64 * mib);
    std::vector<std::shared_ptr<images::Overlay>> disks(machines);
    std::atomic<std::size_t> ready = 0;
    std::vector<std::thread> makers; // their syncs share journal commits
    for (std::size_t first = 0; first < 16; ++first) {
        makers.emplace_back([&, first] {
            for (std::size_t at = first; at < machines; at += 16) {
                const std::string path = place.folder.file(std::to_string(at) + ".vhdx");
                const bool created = static_cast<bool>(images::create_persistent_overlay(*place.files, path, *master));
                auto disk = images::open_persistent_overlay(*place.files, path, master);
                disks[at] = created && disk ? *disk : nullptr;
                ready += disks[at] && disks[at]->write(8 * model_sector, pattern(static_cast<Tag>(at + 2), 8, 8), false) ? 1 : 0;
            }
        });
    }
    for (std::thread& maker : makers) {
        maker.join();
    }
    REQUIRE(ready == machines);
    ByteVector read(8 * model_sector);
    for (std::size_t at = 0; at < machines; ++at) {
        REQUIRE(disks[at]->read(8 * model_sector, read));
        REQUIRE(read == pattern(static_cast<Tag>(at + 2), 8, 8));
        REQUIRE(disks[at]->read(0, read));
        REQUIRE(read == pattern(parent_tag, 0, 8));
        REQUIRE(disks[at]->allocated_bytes() < log_bytes + mib);
    }
}
