// A store with everything that can be done to it, at random: what guests do to volumes and machines' disks (writes, FUA, discards, flushes, reads by both ways),
// snapshots, restoring, clones, versions, publishing, removal, flattening, growing, closing; deaths of the process and power losses, also in the middle of
// each of these; writes by other shards meanwhile. Models know what every disk, snapshot and version holds, and after a power loss may hold.
//
// A step is one operation. Most are guests'; each is compared at once with what it can have touched, and all of everything with the models now and then.
#pragma once

#include "support/disk_model.hpp"
#include "support/sim_numbers.hpp"
#include "support/store_host.hpp"

#include <map>
#include <set>

namespace rootstock::test {

inline constexpr std::uint64_t block_sectors = 4096; // of 2 MiB

class StoreHistory {
  public:
    explicit StoreHistory(std::uint64_t seed);

    /// Some steps; how many.
    std::uint64_t go_on();
    /// Every disk, and a snapshot or version.
    void check();
    /// Every snapshot and version, the store's files with their digests, and the structure of each.
    void check_store();
    /// How often what was done, for people.
    [[nodiscard]] std::string summary() const;

  private:
    using Version = std::pair<std::string, std::uint32_t>; // image and number
    using SnapshotName = std::pair<images::DiskName, std::string>;
    struct Disk {
        DiskModel model;
        images::OverlayKind kind = images::OverlayKind::persistent;
        std::string image = {};                // of a machine
        std::uint64_t block = 1;               // sectors of a logical block
        std::shared_ptr<const DiskModel> fresh = {}; // of one that forgets: what it is after a power loss
        std::string restore = {};              // the snapshot that its next boot goes back to
    };
    struct Snapshot {
        DiskModel model;
        std::string image;
        std::uint64_t block = 1;
    };
    /// What there must be.
    struct State {
        std::map<images::DiskName, Disk> disks;
        std::map<SnapshotName, Snapshot> snapshots;
        std::map<Version, DiskModel> versions; // the last of an image is the current one
    };
    enum class Cut { process, power };
    /// A death in the middle of something: what was there in files and rows, and in the models.
    struct Death {
        Cut cut{};
        PowerCut how;
        std::unique_ptr<SimFileSystem> files;
        MemoryCatalogue::Rows rows;
        State before;
    };

    // Guests.
    std::uint64_t use();
    void guest_step(const images::DiskName& name, Disk& disk, images::Overlay& overlay);
    void write(Disk& disk, images::Overlay& overlay, std::uint64_t first, std::uint64_t count);
    void discard(Disk& disk, images::Overlay& overlay, std::uint64_t first, std::uint64_t count);
    void look(const Disk& disk, images::Overlay& overlay, std::uint64_t first, std::uint64_t count);
    std::pair<std::uint64_t, std::uint64_t> some_range(const Disk& disk);
    void write_meanwhile();

    // Operators: true when something was done.
    bool snapshot();
    bool restore();
    bool boot();
    bool clone();
    bool remove_snapshot();
    bool flatten();
    bool remove_disk();
    bool close();
    bool hold();
    bool let_go();
    bool add_disk();
    bool publish();
    bool remove_version();
    bool grow();
    bool verify();
    void operate();

    // Deaths.
    void watch(std::uint64_t at_change);
    void capture(Cut cut);
    void die();
    /// What there must be after `death`: of each thing what was there before, or is now, as the rows say.
    State left_by(const Death& death) const;
    void check_after(const Death& death, const State& after);

    std::shared_ptr<images::Overlay> open(const images::DiskName& name);
    void check_disk(const images::DiskName& name);
    void check_snapshot(const SnapshotName& name);
    void check_version(const Version& version);
    bool in_use(const images::DiskName& name) const { return held_.contains(name); }
    bool one_in(std::uint64_t count) { return random_.below(count) == 0; }
    template <class Map> auto some(Map& map) { return std::next(map.begin(), static_cast<std::ptrdiff_t>(random_.below(map.size()))); }
    template <class T> static void must(const Result<T>& result) {
        if (!result) {
            FAIL(result.error().what);
        }
    }
    std::string new_name(char first) { return first + std::to_string(++names_); }
    Tag next_tag() { return tag_ == 0xfffffffeU ? tag_ = 100 : ++tag_; }
    /// The current version of an image.
    const DiskModel& current(const std::string& image) const;

    SimRandom random_;
    std::unique_ptr<Host> host_ = std::make_unique<Host>();
    std::unique_ptr<images::Store> store_ = host_->open();
    State state_;
    std::map<images::DiskName, std::shared_ptr<images::Overlay>> held_; // by sessions
    std::map<images::DiskName, std::string> files_before_;              // of each disk, when the operation began
    std::optional<Death> death_;
    std::uint64_t changes_left_ = 0; // until death_
    bool writing_meanwhile_ = false;
    Tag tag_ = 100;
    unsigned names_ = 0;
    std::map<std::string, std::uint64_t> done_;
};

} // namespace rootstock::test
