// Versions: what people do with the versions of an image (docs/images.md, "Versions"): one machine
// writes the next one, it is published, released to some or all machines at once or later, and taken
// back, by hand or by itself when its boots fail.
//
// What is where: versions, disks and who writes are in the store; the machine's mode is in the
// registry; releases have a store of their own. A publication is one transaction of the store. The
// machine's mode follows it, and recover() lets it follow after a crash in between.
//
// Threads: thread-safe; everything blocks (offload pool), but for the callbacks' setter.
#pragma once

#include "boot/disks.hpp"
#include "boot/version_policy.hpp"
#include "images/disk_changes.hpp"

#include <atomic>

namespace rootstock::boot {

/// Who gets a version, as asked for.
struct ReleaseWish {
    images::Audience audience = images::Audience::all;
    std::uint32_t percent = 100;
    std::vector<std::string> machines;
    std::optional<WallTime> at; // nothing: at once
    images::Watch watch;
};

/// What a version means for the machines of its image.
struct Moves {
    std::vector<std::string> at_next_boot; // from the release's start on
    std::vector<std::string> stay;         // persistent disks: until `machine reset` or `machine rebase`
    std::vector<std::string> not_meant;    // the release is not for them
};

struct UpdateBegun {
    std::uint32_t version = 0; // what the machine writes on
    bool kept = false;         // its disk is put aside, and comes back
    bool discarded = false;
};

/// What a machine's disk is, or has become, as a version.
struct Publication {
    std::string machine;
    std::uint32_t base = 0; // the version that the disk began as
    images::DiskChanges changes;
    images::Release release; // image, version, for whom and when; version 1 of an image needs none
    Moves moves;
};

struct PrunedVersion {
    std::uint32_t number = 0;
    std::uint64_t stored_bytes = 0;
    std::string kept_because; // empty: removed
};
struct Pruned {
    std::vector<PrunedVersion> versions;
    images::RemovalGain gain;
};

class Versions {
  public:
    Versions(Disks& disks,
             fleet::Registry& registry,
             images::Store& store,
             images::ReleaseStore& releases,
             images::FileSystem& files,
             Log& log,
             const Clock& clock);
    ~Versions();

    /// Ends what a crash left half done. Before the first login.
    [[nodiscard]] Result<void> recover();
    /// For Disks: the version of a new disk.
    [[nodiscard]] Result<std::optional<std::uint32_t>> choose(const fleet::Machine& machine);

    /// `machine`, which is switched off, becomes the one that writes the next version of its image.
    /// Its own persistent disk is put aside, or thrown away when `discard`.
    [[nodiscard]] Result<UpdateBegun> begin_update(const std::string& image,
                                                   const std::string& machine,
                                                   bool discard,
                                                   std::string_view by);
    /// What was written is thrown away; the machine gets its disk and its mode back.
    [[nodiscard]] Result<void> cancel_update(const std::string& image, std::string_view by);
    /// What publish() would do.
    [[nodiscard]] Result<Publication> preview(const std::string& image, const ReleaseWish& wish);
    [[nodiscard]] Result<Publication> publish(const std::string& image,
                                              const ReleaseWish& wish,
                                              std::string_view by,
                                              const images::ProgressCallback& progress);
    /// The persistent disk of a machine that is switched off becomes a version of `image`, which may
    /// be new; the machine goes on with what it had.
    [[nodiscard]] Result<Publication> promote(const std::string& machine,
                                              const std::string& image,
                                              const ReleaseWish& wish,
                                              std::string_view by,
                                              const images::ProgressCallback& progress);
    /// The same of what a snapshot of the machine's disk holds; the machine may be running.
    [[nodiscard]] Result<Publication> promote_snapshot(const std::string& machine,
                                                       const std::string& snapshot,
                                                       const std::string& image,
                                                       const ReleaseWish& wish,
                                                       std::string_view by,
                                                       const images::ProgressCallback& progress);

    /// `version` nothing: the newest.
    [[nodiscard]] Result<images::Release> release(const std::string& image,
                                                  std::optional<std::uint32_t> version,
                                                  const ReleaseWish& wish,
                                                  std::string_view by);
    [[nodiscard]] Result<void>
    roll_back(const std::string& image, std::uint32_t version, std::string_view by);
    /// Removes versions that nobody needs, but for the newest `keep`, at least one: numbers are never
    /// used again. `dry_run`: only says so.
    [[nodiscard]] Result<Pruned>
    prune(const std::string& image, std::uint32_t keep, bool dry_run, std::string_view by);
    /// The machine's persistent disk stands on another version (nothing: the one that a new disk
    /// would get). Refused where that would change what its file systems see. Gives the version.
    [[nodiscard]] Result<std::uint32_t> rebase(const std::string& machine,
                                               std::optional<std::uint32_t> version,
                                               std::string_view by);

    [[nodiscard]] Result<std::vector<images::Release>> releases() { return releases_.releases(); }
    /// How a release does: the boots on its version since it began.
    [[nodiscard]] BootCount boots_of(const images::Release& release) const;

    /// Releases that begin now, and those whose boots fail. Every second.
    void tick();
    /// Called when something about images has changed here. Set once, before others call; null takes
    /// it away.
    void on_change(std::function<void()> listener);

  private:
    struct Source { // a machine's disk that nobody writes, or a snapshot of it, and what it stands on
        std::shared_ptr<const std::string> file;
        images::ImageVersion base;
        std::string machine; // whose it is
        std::string writer;  // the machine that goes on over it; empty: none does
    };
    [[nodiscard]] Result<images::Maintenance> maintenance_of(const std::string& image);
    [[nodiscard]] Result<images::ImageVersion> find_version(const std::string& image,
                                                            std::uint32_t number);
    [[nodiscard]] Result<Source> hold(const std::string& machine);
    [[nodiscard]] Result<Source> snapshot_source(const std::string& machine,
                                                 const std::string& snapshot);
    [[nodiscard]] Result<Publication> examine(const Source& source,
                                              const std::string& image,
                                              const ReleaseWish& wish,
                                              const images::ProgressCallback& progress);
    [[nodiscard]] Result<images::Release> make_release(const std::string& image,
                                                       std::uint32_t version,
                                                       const ReleaseWish& wish);
    [[nodiscard]] Result<void> check_machines(const std::string& image,
                                              const std::vector<std::string>& machines) const;
    [[nodiscard]] Result<Moves> moves_of(const images::Release& release, const std::string& writer);
    [[nodiscard]] Result<Publication> make_version(const std::string& machine,
                                                   const std::string& image,
                                                   images::AfterPublish after,
                                                   const ReleaseWish& wish,
                                                   std::string_view by,
                                                   const images::ProgressCallback& progress);
    [[nodiscard]] Result<Publication> published(Publication publication, std::string_view by);
    [[nodiscard]] Result<void> begin_due();
    [[nodiscard]] Result<void> watch(const images::Release& release,
                                     std::span<const fleet::Boot> boots);
    [[nodiscard]] std::vector<fleet::Boot> all_boots() const;
    void changed(std::string_view action,
                 const std::string& object,
                 const std::string& detail,
                 std::string_view by);

    Disks& disks_;
    fleet::Registry& registry_;
    images::Store& store_;
    images::ReleaseStore& releases_;
    images::FileSystem& files_;
    Log& log_;
    const Clock& clock_;
    std::mutex mutex_; // one change of releases at a time
    std::mutex listener_mutex_; // guards changed_, also over its call
    std::function<void()> changed_;
    std::atomic<bool> boots_changed_{true}; // since the watched ones were counted
    std::atomic<bool> releases_changed_{true};
    TimePoint last_look_{};           // of tick() alone
    std::shared_ptr<void> listening_; // last: no change arrives before or after the rest lives
};

} // namespace rootstock::boot
