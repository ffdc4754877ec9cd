// A store with everything that can be done to it, at random, against arrays of bytes: writes, discards and flushes of volumes and machines' disks, snapshots,
// restoring, clones, publishing and removing of versions, removal, flattening, closing, deaths of the process, and power losses behind flushes.
// ROOTSTOCK_SIM_SEED=n replays one history, ROOTSTOCK_SIM_STEPS=n makes each that long.

#include "support/sim_numbers.hpp"
#include "support/store_host.hpp"

#include <map>

using namespace rootstock;
using namespace rootstock::test;
using images::AfterPublish;
using images::DiskKind;
using images::DiskName;
using images::OverlayKind;

namespace {

constexpr std::uint64_t disk_bytes = std::uint64_t{4} << 20U; // two blocks
constexpr std::uint64_t sectors = disk_bytes / model_sector;
constexpr std::size_t most_disks = 6;
constexpr std::size_t most_snapshots = 12;
const std::string image = "win11";

class History {
  public:
    explicit History(std::uint64_t seed) : random_(seed) {
        ByteVector master(disk_bytes);
        random_.fill(MutableBytes(master).first(disk_bytes / 2));
        const auto raw = host_->files->open("/srv/lab.raw", images::OpenMode::create_new);
        REQUIRE(raw);
        REQUIRE((*raw)->write_at(0, master));
        REQUIRE((*raw)->sync_data());
        const auto version = store_->import({"/srv/lab.raw"}, image, no_progress);
        must(version);
        versions_[version->number] = master;
        REQUIRE(store_->create_volume("v0", disk_bytes, {"*"}));
        disks_[{DiskKind::volume, "v0"}].bytes = ByteVector(disk_bytes);
    }

    /// Mostly what guests do, with everything else in between.
    void step() {
        if (random_.u32() % 12 != 0) {
            return use();
        }
        switch (random_.u32() % 12) {
        case 0: return snapshot();
        case 1: return restore();
        case 2: return clone();
        case 3: return remove_snapshot();
        case 4: return flatten();
        case 5: return die();
        case 6: return lose_power();
        case 7: return remove_disk();
        case 8: return close();
        case 9: return add_machine(random_.u32() % 3 == 0 ? OverlayKind::reset : OverlayKind::persistent);
        case 10: return publish();
        default: return remove_version();
        }
    }

    void check() {
        for (const auto& [name, known] : disks_) {
            INFO(name.name);
            ByteVector now(disk_bytes);
            REQUIRE(disk(name)->read(0, now));
            REQUIRE((now == known.bytes));
        }
    }

    /// Of one version, of the store's files, and what the simulation has noted of its own.
    void check_store() {
        const auto version = std::next(versions_.begin(), static_cast<std::ptrdiff_t>(random_.u32() % versions_.size()));
        {
            INFO("version " << version->first);
            const auto looked_at = store_->open_machine_disk("looks", image, OverlayKind::persistent, version->first);
            must(looked_at);
            ByteVector now(disk_bytes);
            REQUIRE((*looked_at)->read(0, now));
            REQUIRE((now == version->second));
        }
        must(store_->remove_machine_disk("looks"));
        const auto report = store_->check({}, {});
        must(report);
        for (const images::StoreFinding& finding : report->findings) {
            FAIL(finding.kind << " " << finding.where << ": " << finding.what);
        }
        static_cast<void>(host_->files->take_operations());
    }

  private:
    struct Disk {
        ByteVector bytes;
        OverlayKind kind = OverlayKind::persistent;
        ByteVector fresh = {}; // of one that forgets: what it is after a power loss
    };
    struct Snapshot {
        DiskName disk;
        std::string name;
        ByteVector bytes;
    };

    std::shared_ptr<images::Overlay> disk(const DiskName& name) {
        auto opened = name.kind == DiskKind::volume ? store_->open_volume_disk(name.name)
                                                    : store_->open_machine_disk(name.name, image, disks_.at(name).kind);
        INFO(error_of(opened));
        REQUIRE(opened);
        return *opened;
    }
    DiskName some_disk() { return std::next(disks_.begin(), static_cast<std::ptrdiff_t>(random_.u32() % disks_.size()))->first; }
    Snapshot& some_snapshot() { return snapshots_[random_.u32() % snapshots_.size()]; }
    std::string new_name(char first) { return first + std::to_string(++names_); }
    [[nodiscard]] bool forgets(const DiskName& name) const { return disks_.at(name).kind == OverlayKind::reset; }
    template <class T> static void must(const Result<T>& result) {
        INFO(error_of(result));
        REQUIRE(result);
    }

    void use() {
        switch (random_.u32() % 8) {
        case 0:
        case 1: return discard();
        case 2: REQUIRE(disk(some_disk())->flush()); return;
        default: return write();
        }
    }
    void write() {
        const DiskName name = some_disk();
        const std::uint64_t first = random_.u32() % sectors;
        const std::uint64_t count = std::min<std::uint64_t>(1 + random_.u32() % (random_.u32() % 8 == 0 ? 2000 : 20), sectors - first);
        const MutableBytes bytes = MutableBytes(disks_[name].bytes).subspan(first * model_sector, count * model_sector);
        random_.fill(bytes);
        REQUIRE(disk(name)->write(first * model_sector, bytes, random_.u32() % 8 == 0));
    }
    void discard() {
        const DiskName name = some_disk();
        const std::uint64_t first = random_.u32() % 2 == 0 ? 0 : random_.u32() % sectors;
        const std::uint64_t count = std::min<std::uint64_t>(1 + random_.u32() % (random_.u32() % 2 == 0 ? 64 : sectors), sectors - first);
        std::ranges::fill(MutableBytes(disks_[name].bytes).subspan(first * model_sector, count * model_sector), std::uint8_t{0});
        REQUIRE(disk(name)->discard(first * model_sector, count * model_sector));
    }
    void add_machine(OverlayKind kind) {
        if (disks_.size() >= most_disks) {
            return;
        }
        const DiskName name{DiskKind::machine, new_name('m')};
        const ByteVector& current = versions_.rbegin()->second;
        disks_[name] = {current, kind, current};
        disk(name);
    }
    void publish() {
        const DiskName name = some_disk();
        if (name.kind == DiskKind::volume || forgets(name)) {
            return;
        }
        const bool goes_on = disks_.size() == 1 || random_.u32() % 2 == 0;
        const auto version = store_->publish(name.name, image, goes_on ? AfterPublish::machine_goes_on : AfterPublish::overlay_goes);
        must(version);
        versions_[version->number] = disks_.at(name).bytes;
        if (!goes_on) {
            disks_.erase(name);
        }
    }
    void remove_version() {
        const auto gone = std::next(versions_.begin(), static_cast<std::ptrdiff_t>(random_.u32() % versions_.size()));
        if (store_->remove_version(image, gone->first)) { // refused while it is needed
            REQUIRE(gone != std::prev(versions_.end()));
            versions_.erase(gone);
        }
    }
    void snapshot() {
        const DiskName name = some_disk();
        if (forgets(name) || snapshots_.size() == most_snapshots) {
            return;
        }
        if (random_.u32() % 2 == 0) {
            REQUIRE(disk(name)); // open while it is taken
        }
        const auto taken = store_->create_snapshot(name, new_name('s'));
        must(taken);
        snapshots_.push_back({name, taken->name, disks_.at(name).bytes});
    }
    void restore() {
        if (snapshots_.empty()) {
            return;
        }
        const Snapshot& snapshot = some_snapshot();
        if (snapshot.disk.kind == DiskKind::volume && !disks_.contains(snapshot.disk)) {
            return;
        }
        must(store_->restore_snapshot(snapshot.disk, snapshot.name)); // a machine gets a disk again
        disks_[snapshot.disk].bytes = snapshot.bytes;
    }
    void clone() {
        if (snapshots_.empty() || disks_.size() >= most_disks) {
            return;
        }
        const Snapshot& snapshot = some_snapshot();
        const DiskKind kind = snapshot.disk.kind == DiskKind::machine && random_.u32() % 2 == 0 ? DiskKind::machine : DiskKind::volume;
        const DiskName name{kind, new_name(kind == DiskKind::machine ? 'm' : 'v')};
        if (kind == DiskKind::machine) {
            must(store_->clone_to_machine(snapshot.disk, snapshot.name, name.name));
        } else {
            must(store_->clone_to_volume(snapshot.disk, snapshot.name, name.name, {}));
        }
        disks_[name].bytes = snapshot.bytes;
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
        const DiskName name = some_disk();
        must(name.kind == DiskKind::volume ? store_->remove_volume(name.name) : store_->remove_machine_disk(name.name));
        disks_.erase(name);
    }
    void flatten() { must(store_->flatten(1 + random_.u32() % 6, no_progress)); }
    void close() {
        const DiskName name = some_disk();
        must(name.kind == DiskKind::volume ? store_->close_volume_disk(name.name) : store_->close_machine_disk(name.name));
    }
    void go_on_with(std::unique_ptr<SimFileSystem> survived) {
        auto next = std::make_unique<Host>(std::move(survived), host_->catalogue.rows());
        store_.reset();
        host_ = std::move(next);
        store_ = host_->open();
        check();
    }
    void die() { go_on_with(host_->files->after_process_death()); }
    void lose_power() {
        for (auto& [name, known] : disks_) {
            if (known.kind == OverlayKind::reset) {
                known.bytes = known.fresh;
            } else {
                REQUIRE(disk(name)->flush());
            }
        }
        go_on_with(host_->files->after_power_loss({random_.u64(), random_.u32() % 101, 512}));
    }

    SeededRandom random_;
    std::unique_ptr<Host> host_ = std::make_unique<Host>();
    std::unique_ptr<images::Store> store_ = host_->open();
    std::map<DiskName, Disk> disks_;
    std::vector<Snapshot> snapshots_;
    std::map<std::uint32_t, ByteVector> versions_; // the last one is the current one
    unsigned names_ = 0;
};

} // namespace

TEST_CASE("whatever is done to disks, snapshots and versions, each holds what its model holds", "[images][sim][snapshot]") {
    const std::uint64_t steps = number_from("ROOTSTOCK_SIM_STEPS", 600);
    for (const std::uint64_t seed : sim_seeds(3)) {
        History history(seed);
        for (std::uint64_t step = 0; step < steps; ++step) {
            INFO("ROOTSTOCK_SIM_SEED=" << seed << ", step " << step);
            history.step();
            if (step % 150 == 149) {
                history.check();
            }
            if (step % 600 == 599) {
                history.check_store();
            }
        }
        history.check();
    }
}
