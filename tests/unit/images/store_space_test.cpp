// What disks take of a store, and who is told: accounts of a store that is opened, filled, reset and opened again.

#include "images/store.hpp"

#include "support/catch.hpp"
#include "support/disk_model.hpp"
#include "support/memory_catalogue.hpp"
#include "support/recording_log.hpp"
#include "support/sim_file.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::test;
using block::IoError;
using images::OverlayKind;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
constexpr std::uint64_t image_bytes = 64 * mib;

struct Host {
    SimFileSystem files;
    MemoryCatalogue catalogue;
    RecordingLog log;
    ManualClock clock;
    std::unique_ptr<images::Store> store;

    Host() {
        REQUIRE(files.make_directories("/srv"));
        const auto raw = files.open("/srv/win11.raw", images::OpenMode::create_new);
        REQUIRE(raw);
        REQUIRE((*raw)->resize(image_bytes));
        open();
        REQUIRE(store->import({"/srv/win11.raw"}, "win11", [](const auto&) { return true; }));
    }
    void open() {
        store.reset();
        auto opened = images::open_store(files, "/data", catalogue, log, clock);
        REQUIRE(opened);
        store = std::move(*opened);
    }
    [[nodiscard]] std::shared_ptr<images::Overlay> disk(const std::string& machine, OverlayKind kind = OverlayKind::persistent) const {
        const auto disk = store->open_machine_disk(machine, "win11", kind);
        REQUIRE(disk);
        return *disk;
    }
    [[nodiscard]] std::uint64_t used(const std::string& machine) const { return store->space().machine(machine).used_bytes; }
};

Result<void, IoError> write(block::BlockDevice& disk, std::uint64_t offset, std::uint64_t bytes) {
    return disk.write(offset, pattern(9, offset / model_sector, bytes / model_sector), false);
}

images::SpaceLimits limits(std::uint64_t store, std::uint64_t machine) { return {store, machine, {}, {}}; }

} // namespace

TEST_CASE("a machine's quota stops that machine alone, and discarding makes room", "[images][space]") {
    const auto kind = GENERATE(OverlayKind::persistent, OverlayKind::reset);
    Host host;
    host.store->space().set_limits(limits(0, 4 * mib));
    const auto full = host.disk("lab1-01", kind);
    const auto other = host.disk("lab1-02", kind);
    REQUIRE(write(*full, 0, 4 * mib));
    REQUIRE(write(*full, 8 * mib, 4096).error() == IoError::quota);
    REQUIRE(write(*full, 0, 4096)); // its own already
    REQUIRE(write(*other, 8 * mib, 4096));
    REQUIRE(full->discard(0, 2 * mib));
    REQUIRE(write(*full, 8 * mib, 2 * mib));
    REQUIRE(write(*full, 12 * mib, 4096).error() == IoError::quota);
    REQUIRE(host.used("lab1-01") == 4 * mib);
}

TEST_CASE("discarding less than a block makes room for a quota, too", "[images][space]") {
    const auto kind = GENERATE(OverlayKind::persistent, OverlayKind::reset);
    Host host;
    host.store->space().set_limits(limits(0, 4 * mib));
    const auto disk = host.disk("lab1-01", kind);
    REQUIRE(write(*disk, 0, 4 * mib));
    REQUIRE(write(*disk, 8 * mib, 4096).error() == IoError::quota);
    REQUIRE(disk->discard(0, mib));
    REQUIRE(disk->discard(2 * mib, mib));
    REQUIRE(write(*disk, 8 * mib, mib)); // the rest is what bitmaps take
    REQUIRE(write(*disk, 16 * mib, 2 * mib).error() == IoError::quota);
}

TEST_CASE("a group and the store are full for all of their machines", "[images][space]") {
    Host host;
    images::SpaceLimits wanted = limits(0, 0);
    wanted.groups["lab1"] = 2 * mib;
    wanted.machines["lab1-01"] = {std::nullopt, "lab1"};
    wanted.machines["lab1-02"] = {std::nullopt, "lab1"};
    host.store->space().set_limits(wanted);
    const auto one = host.disk("lab1-01");
    const auto two = host.disk("lab1-02");
    const auto outsider = host.disk("lab2-01");
    REQUIRE(write(*one, 0, mib));
    REQUIRE(write(*two, 0, mib));
    REQUIRE(write(*two, 4 * mib, 4096).error() == IoError::quota);
    REQUIRE(write(*outsider, 0, 2 * mib));

    host.store->review_space(); // counts the master as well
    wanted.store = host.store->space().report().store.used_bytes;
    host.store->space().set_limits(wanted);
    REQUIRE(write(*outsider, 8 * mib, 4096).error() == IoError::quota);
    REQUIRE(one->discard(0, 2 * mib));
    REQUIRE(write(*outsider, 8 * mib, 4096));
}

TEST_CASE("a machine's own quota goes before the default, and none means none", "[images][space]") {
    Host host;
    images::SpaceLimits wanted = limits(0, mib);
    wanted.machines["lab1-01"] = {2 * mib, ""};
    wanted.machines["lab1-02"] = {std::uint64_t{0}, ""};
    host.store->space().set_limits(wanted);
    REQUIRE(host.store->space().machine("lab1-01").limit_bytes == 2 * mib);
    REQUIRE(host.store->space().machine("lab1-02").limit_bytes == 0);
    REQUIRE(host.store->space().machine("lab1-03").limit_bytes == mib);
    REQUIRE(write(*host.disk("lab1-02"), 0, 8 * mib));
}

TEST_CASE("refused writes are told once, until there is room again", "[images][space]") {
    Host host;
    host.store->space().set_limits(limits(0, 4 * mib));
    const auto disk = host.disk("lab1-01");
    REQUIRE(write(*disk, 0, 4 * mib));
    for (int turn = 0; turn < 3; ++turn) {
        REQUIRE_FALSE(write(*disk, 8 * mib, 4096));
        host.store->review_space();
    }
    REQUIRE(host.log.count("images.space.refused") == 1);
    REQUIRE(host.log.count("images.space.refused scope=machine name=lab1-01") == 1);
    REQUIRE(host.log.count("images.space.alarm scope=machine name=lab1-01 percent=95") == 1);
    REQUIRE(host.store->space().machine("lab1-01").full);
    REQUIRE(disk->discard(0, 2 * mib));
    host.store->review_space();
    REQUIRE_FALSE(host.store->space().machine("lab1-01").full);
    REQUIRE(host.log.count("images.space.eased scope=machine name=lab1-01 percent=0") == 1);
    REQUIRE(write(*disk, 8 * mib, 2 * mib));
    REQUIRE_FALSE(write(*disk, 16 * mib, 4096));
    host.store->review_space();
    REQUIRE(host.log.count("images.space.refused") == 2);
}

TEST_CASE("what disks take is known before they are opened, and gone with them", "[images][space]") {
    Host host;
    REQUIRE(write(*host.disk("lab1-01"), 0, 8 * mib));
    REQUIRE(host.store->close_machine_disk("lab1-01"));
    host.open();
    REQUIRE(host.used("lab1-01") >= 8 * mib);
    REQUIRE(host.used("lab1-01") < 12 * mib);
    static_cast<void>(host.disk("lab1-01"));
    REQUIRE(host.used("lab1-01") == 8 * mib);
    REQUIRE(host.store->remove_machine_disk("lab1-01"));
    REQUIRE(host.used("lab1-01") == 0);
}

TEST_CASE("each day's use is kept over a restart and says when the store is full", "[images][space]") {
    Host host;
    auto disk = host.disk("lab1-01");
    host.clock.advance(std::chrono::minutes(1)); // masters are counted now and then
    host.store->review_space();
    const std::uint64_t masters = host.store->space().report().store.used_bytes;
    host.store->space().set_limits(limits(masters + 40 * mib, 0));
    for (std::uint64_t day = 1; day <= 3; ++day) { // 4 MiB a day
        host.clock.advance(std::chrono::hours(24));
        REQUIRE(write(*disk, (day - 1) * 4 * mib, 4 * mib));
        host.store->review_space();
    }
    REQUIRE(host.store->days_until_full("store") == 7);
    disk.reset();
    host.open();
    host.store->space().set_limits(limits(masters + 40 * mib, 0));
    const auto again = host.disk("lab1-01");
    host.store->review_space();
    REQUIRE(host.store->days_until_full("store") == 7);
    REQUIRE_FALSE(host.store->days_until_full("group/nobody"));
    const auto samples = host.catalogue.rows().samples;
    REQUIRE(std::count_if(samples.begin(), samples.end(), [](const auto& row) { return row.what == "store"; }) == 4);
}

TEST_CASE("what snapshots keep counts for the disk that they are of, and for nobody else", "[images][space][snapshot]") {
    Host host;
    host.store->space().set_limits(limits(0, 24 * mib));
    const images::DiskName first{images::DiskKind::machine, "lab1-01"};
    const auto recount = [&] {
        host.clock.advance(std::chrono::minutes(1));
        host.store->review_space();
    };
    recount();
    const std::uint64_t store_before = host.store->space().report().store.used_bytes;
    {
        const auto disk = host.disk(first.name);
        REQUIRE(write(*disk, 0, 12 * mib));
        REQUIRE(host.store->create_snapshot(first, "monday"));
        REQUIRE(host.used(first.name) >= 12 * mib); // at once
        REQUIRE(write(*disk, 0, 8 * mib));
        REQUIRE(write(*disk, 16 * mib, 8 * mib).error() == IoError::quota);
        recount();
        REQUIRE(host.used(first.name) >= 20 * mib);
        REQUIRE(host.used(first.name) < 24 * mib);
        REQUIRE(host.store->space().report().store.used_bytes - store_before == host.used(first.name)); // once
    }
    REQUIRE(host.store->clone_to_machine(first, "monday", "lab1-02"));
    recount();
    REQUIRE(host.used("lab1-02") < 4 * mib); // its own file alone

    REQUIRE(host.store->remove_machine_disk(first.name));
    recount();
    REQUIRE(host.used(first.name) >= 12 * mib); // monday outlives the disk
    REQUIRE(host.used(first.name) < 16 * mib);
    REQUIRE(host.store->remove_snapshot(first, "monday"));
    recount();
    REQUIRE(host.used(first.name) == 0);
    REQUIRE(host.used("lab1-02") >= 12 * mib); // the clone needs it still
    REQUIRE(host.store->remove_machine_disk("lab1-02"));
    recount();
    REQUIRE(host.store->space().report().store.used_bytes == store_before);
}
