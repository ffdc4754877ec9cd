// Snapshots and publications by the store, with its database: what an administrator waits for, and how long a running machine does.
#include "images.hpp"

#include "core/random.hpp"
#include "db/database.hpp"
#include "images/store.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

namespace rootstock::bench {
namespace {

constexpr std::uint64_t new_disks = 100;
constexpr std::uint64_t snapshots = 10;
constexpr std::uint64_t publications = 10;
constexpr std::uint64_t writes_between = 256;
const std::string image = "bench";

/// How long a write took, in seconds, and what the store synced meanwhile.
struct Stall {
    double seconds = 0;
    std::uint64_t syncs = 0;
};

/// Writes to a disk without a pause, on a thread of its own, and notes the write that took longest.
class Guest {
  public:
    Guest(const Setting& setting, images::Overlay& disk) : setting_(setting), disk_(disk), thread_([this] { run(); }) {}
    ~Guest() {
        stopping_ = true;
        thread_.join();
    }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    /// The longest since the last call.
    [[nodiscard]] Stall take_longest() {
        const std::lock_guard lock(mutex_);
        return std::exchange(longest_, {});
    }

  private:
    void run() {
        const ByteVector data(io_bytes, 0x47);
        const std::uint64_t blocks = disk_.geometry().size_bytes / block_bytes;
        for (std::uint64_t at = 0; !stopping_; ++at) {
            const FileCounts before = setting_.files.counts();
            const double seconds =
                seconds_of([&] { need(static_cast<bool>(disk_.write(at % blocks * block_bytes, data, false)), "a write beside a snapshot"); });
            const FileCounts meanwhile = setting_.files.counts() - before;
            {
                const std::lock_guard lock(mutex_);
                longest_ = seconds > longest_.seconds ? Stall{seconds, meanwhile.syncs} : longest_;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(100)); // a busy machine, not a greedy one
        }
    }

    const Setting& setting_;
    images::Overlay& disk_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_; // longest_
    Stall longest_;
    std::thread thread_; // begins when all of the others are there
};

void write_some(images::Overlay& disk, std::uint64_t shift) {
    const ByteVector data(io_bytes, 0x53);
    for (std::uint64_t at = 0; at < writes_between; ++at) {
        need(static_cast<bool>(disk.write(at * block_bytes + shift * io_bytes, data, false)), "a write");
    }
}

/// Machines that boot for the first time.
void measure_new_disks(const Setting& setting, images::Store& store) {
    setting.measure("new-machine-disk", new_disks, [&] {
        for (std::uint64_t at = 0; at < new_disks; ++at) {
            need(store.open_machine_disk("new" + std::to_string(at), image, images::OverlayKind::persistent));
        }
    });
}

/// Of a disk in use; what it wrote since the last one is flushed by it.
void measure_snapshots(const Setting& setting, images::Store& store) {
    const auto disk = need(store.open_machine_disk("running", image, images::OverlayKind::persistent));
    Guest guest(setting, *disk);
    std::vector<double> stalls;
    std::uint64_t stalled_syncs = 0;
    double seconds = 0;
    FileCounts counts{};
    for (std::uint64_t at = 0; at < snapshots; ++at) {
        write_some(*disk, at + 1);
        static_cast<void>(guest.take_longest());
        const FileCounts before = setting.files.counts();
        seconds += seconds_of([&] { need(store.create_snapshot({images::DiskKind::machine, "running"}, "s" + std::to_string(at))); });
        const FileCounts now = setting.files.counts() - before;
        counts = {counts.writes + now.writes, counts.written_bytes + now.written_bytes, counts.syncs + now.syncs};
        const Stall stall = guest.take_longest();
        stalls.push_back(stall.seconds);
        stalled_syncs += stall.syncs;
    }
    setting.report("snapshot", seconds, snapshots, counts);
    setting.report("snapshot-longest-write-beside", *std::ranges::max_element(stalls), 1, {});
    setting.report("snapshot-writes-wait", std::accumulate(stalls.begin(), stalls.end(), 0.0), snapshots, {0, 0, stalled_syncs});
}

/// Of machines that are off: a disk with what they have written becomes a version.
void measure_publications(const Setting& setting, images::Store& store) {
    for (std::uint64_t at = 0; at < publications; ++at) {
        const std::string machine = "m" + std::to_string(at);
        const auto disk = need(store.open_machine_disk(machine, image, images::OverlayKind::persistent, 1));
        write_some(*disk, 0);
        need(static_cast<bool>(disk->flush()), "a flush");
    }
    setting.measure("publish", publications, [&] {
        for (std::uint64_t at = 0; at < publications; ++at) {
            need(store.publish("m" + std::to_string(at), image, images::AfterPublish::machine_goes_on));
        }
    });
}

} // namespace

void measure_store(const Setting& setting) {
    const std::string data = setting.folder + "/data";
    need(static_cast<bool>(setting.files.make_directories(data)), "making a data directory");
    SystemClock clock;
    NullLog log;
    const auto database = need(db::Database::open(data + "/rootstock.db", clock));
    const auto store = need(images::open_store(setting.files, data, database->images(), log, clock));
    need(store->import(setting.master_path, image, [](const auto&) { return true; }));
    measure_new_disks(setting, *store);
    measure_snapshots(setting, *store);
    measure_publications(setting, *store);
    store->close_all();
}

} // namespace rootstock::bench
