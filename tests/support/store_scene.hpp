// A store whose disks, snapshots and clones are known to models, while its operations are cut off: by the death of the process, by power loss, or by an
// operation of a file that fails. Whatever is being done, every disk holds what it must, and every snapshot exactly what it was taken of.
#pragma once

#include "support/disk_trace.hpp"
#include "support/store_host.hpp"

#include <map>

namespace rootstock::test {

class StoreScene {
  public:
    using Disk = images::DiskName;
    using Snapshot = std::pair<Disk, std::string>;

    static const Disk machine;
    static const Disk volume;

    /// A machine's disk over an image, and a volume.
    explicit StoreScene(std::uint64_t seed);

    /// Looks at one in `every` changes of files, and at every change of the catalogue.
    void cut_off_every(std::uint64_t every);
    /// The next operation: its `number`th change of a file fails. False when it was over before; take_failure() then.
    void fail_at(std::uint64_t number);
    [[nodiscard]] bool take_failure();

    /// Random writes, discards and flushes.
    void use(const Disk& disk, std::size_t steps);
    /// Has the disk open from now on, and writes to it at every look; or closes it to whoever else wants it.
    void hold(const Disk& disk);
    void let_go(const Disk& disk);

    // Operations of the store; each looks once more when it is done, and nothing unsynced survives that. False: it failed, as it was told to.
    bool snapshot(const Disk& disk, const std::string& name);
    bool restore(const Disk& disk, const std::string& name);
    /// At the machine's next boot; it has the disk open now.
    bool restore_at_boot(const std::string& name);
    bool clone(const Snapshot& of, const Disk& disk);
    bool remove_snapshot(const Disk& disk, const std::string& name);
    bool flatten(std::size_t most_layers);

    /// What there is now, without a cut; for those who open the disks anew.
    void check();
    void restart();
    [[nodiscard]] std::uint64_t looks() const { return looks_; }

  private:
    enum class Cut { none, process, power };

    bool finish(const std::string& error);
    void look();
    void look_after(Cut cut, const PowerCut& how);
    void write_meanwhile();
    void check_disks(images::Store& store, const MemoryCatalogue::Rows& rows, Cut cut) const;
    void check_snapshots(images::Store& store, const MemoryCatalogue::Rows& rows) const;
    static std::shared_ptr<images::Overlay> open(images::Store& store, const Disk& disk);
    void note_files();
    void watch();

    SeededRandom random_;
    std::unique_ptr<Host> host_ = std::make_unique<Host>();
    std::unique_ptr<images::Store> store_;
    std::map<Disk, DiskModel> disks_;
    std::map<Snapshot, DiskModel> snapshots_;
    std::map<Disk, std::string> files_; // each disk's, when the last operation was over
    std::map<Disk, std::shared_ptr<images::Overlay>> held_;

    // What the operation under way may have done or not.
    std::map<Disk, const DiskModel*> becomes_;
    std::optional<Snapshot> taking_;
    std::optional<Snapshot> removing_;

    std::uint64_t every_ = 0;
    std::uint64_t changes_ = 0;
    std::uint64_t looks_ = 0;
    bool looking_ = false;
    std::uint64_t fail_in_ = 0;
    bool failed_ = false;
};

} // namespace rootstock::test
