// A volume with everything that can be done to it, at random, against arrays of bytes: writes, discards, flushes, snapshots, restoring, clones, removal,
// flattening, closing, and deaths of the process. ROOTSTOCK_SIM_SEED=n replays one history, ROOTSTOCK_SIM_STEPS=n makes each that long.

#include "support/sim_numbers.hpp"
#include "support/store_host.hpp"

#include <map>

using namespace rootstock;
using namespace rootstock::test;
using images::DiskKind;
using images::DiskName;

namespace {

constexpr std::uint64_t disk_bytes = std::uint64_t{4} << 20U; // two blocks
constexpr std::uint64_t sectors = disk_bytes / model_sector;

class History {
  public:
    explicit History(std::uint64_t seed) : random_(seed) {
        REQUIRE(store_->create_volume("v0", disk_bytes, {"*"}));
        disks_["v0"] = ByteVector(disk_bytes);
    }

    void step() {
        switch (random_.u32() % 24) {
        case 0: return snapshot();
        case 1: return restore();
        case 2: return clone();
        case 3: return remove_snapshot();
        case 4: return flatten();
        case 5: return die();
        case 6: return remove_disk();
        case 7: return close();
        case 8:
        case 9: return discard();
        case 10: REQUIRE(disk(some_disk())->flush()); return;
        default: return write();
        }
    }

    void check() {
        for (const auto& [name, bytes] : disks_) {
            INFO(name);
            ByteVector now(disk_bytes);
            REQUIRE(disk(name)->read(0, now));
            REQUIRE((now == bytes));
        }
    }

  private:
    struct Snapshot {
        DiskName disk;
        std::string name;
        ByteVector bytes;
    };

    std::shared_ptr<images::Overlay> disk(const std::string& name) {
        auto opened = store_->open_volume_disk(name);
        INFO(error_of(opened));
        REQUIRE(opened);
        return *opened;
    }
    std::string some_disk() { return std::next(disks_.begin(), static_cast<std::ptrdiff_t>(random_.u32() % disks_.size()))->first; }
    Snapshot& some_snapshot() { return snapshots_[random_.u32() % snapshots_.size()]; }
    template <class T> static void must(const Result<T>& result) {
        INFO(error_of(result));
        REQUIRE(result);
    }

    void write() {
        const std::string name = some_disk();
        const std::uint64_t first = random_.u32() % sectors;
        const std::uint64_t count = std::min<std::uint64_t>(1 + random_.u32() % (random_.u32() % 8 == 0 ? 2000 : 20), sectors - first);
        const MutableBytes bytes = MutableBytes(disks_[name]).subspan(first * model_sector, count * model_sector);
        random_.fill(bytes);
        REQUIRE(disk(name)->write(first * model_sector, bytes, random_.u32() % 8 == 0));
    }
    void discard() {
        const std::string name = some_disk();
        const std::uint64_t first = random_.u32() % 2 == 0 ? 0 : random_.u32() % sectors;
        const std::uint64_t count = std::min<std::uint64_t>(1 + random_.u32() % sectors, sectors - first);
        std::ranges::fill(MutableBytes(disks_[name]).subspan(first * model_sector, count * model_sector), std::uint8_t{0});
        REQUIRE(disk(name)->discard(first * model_sector, count * model_sector));
    }
    void snapshot() {
        const std::string name = some_disk();
        const DiskName of{DiskKind::volume, name};
        if (random_.u32() % 2 == 0) {
            REQUIRE(disk(name)); // open while it is taken
        }
        const auto taken = store_->create_snapshot(of, "s" + std::to_string(++names_));
        must(taken);
        snapshots_.push_back({of, taken->name, disks_[name]});
    }
    void restore() {
        if (snapshots_.empty()) {
            return;
        }
        const Snapshot& snapshot = some_snapshot();
        if (!disks_.contains(snapshot.disk.name)) {
            return;
        }
        must(store_->restore_snapshot(snapshot.disk, snapshot.name));
        disks_[snapshot.disk.name] = snapshot.bytes;
    }
    void clone() {
        if (snapshots_.empty() || disks_.size() == 4) {
            return;
        }
        const Snapshot& snapshot = some_snapshot();
        const std::string name = "v" + std::to_string(++names_);
        must(store_->clone_to_volume(snapshot.disk, snapshot.name, name, {}));
        disks_[name] = snapshot.bytes;
    }
    void remove_snapshot() {
        if (snapshots_.empty()) {
            return;
        }
        const std::size_t at = random_.u32() % snapshots_.size();
        must(store_->remove_snapshot(snapshots_[at].disk, snapshots_[at].name));
        snapshots_.erase(snapshots_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    void remove_disk() {
        if (disks_.size() == 1) {
            return;
        }
        const std::string name = some_disk();
        must(store_->remove_volume(name));
        disks_.erase(name);
    }
    void flatten() { must(store_->flatten(1 + random_.u32() % 6, no_progress)); }
    void close() { must(store_->close_volume_disk(some_disk())); }
    void die() {
        auto next = std::make_unique<Host>(host_->files->after_process_death(), host_->catalogue.rows());
        store_.reset();
        host_ = std::move(next);
        store_ = host_->open();
        check();
    }

    SeededRandom random_;
    std::unique_ptr<Host> host_ = std::make_unique<Host>();
    std::unique_ptr<images::Store> store_ = host_->open();
    std::map<std::string, ByteVector> disks_;
    std::vector<Snapshot> snapshots_;
    unsigned names_ = 0;
};

} // namespace

TEST_CASE("whatever is done to disks and their snapshots, each holds what its model holds", "[images][sim][snapshot]") {
    const std::uint64_t only = number_from("ROOTSTOCK_SIM_SEED", 0);
    const std::uint64_t steps = number_from("ROOTSTOCK_SIM_STEPS", 120);
    for (std::uint64_t seed = only == 0 ? 1 : only; seed <= (only == 0 ? 4 : only); ++seed) {
        History history(seed);
        for (std::uint64_t step = 0; step < steps; ++step) {
            INFO("seed " << seed << ", step " << step);
            history.step();
            if (step % 20 == 19) {
                history.check();
            }
        }
        history.check();
    }
}
