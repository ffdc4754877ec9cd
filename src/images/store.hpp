// Store: the data directory's disks. Names them, opens each once, knows who depends on whom, removes only what nobody needs.
// A restart finds half-done operations and rolls them back (temporary files, files without a row).
// Threads: every call is thread-safe and may block. Calls that change one disk are serialised per disk.
#pragma once

#include "core/log.hpp"
#include "images/catalogue.hpp"
#include "images/import.hpp"
#include "images/iso_image.hpp"
#include "images/limits.hpp"
#include "images/overlay.hpp"
#include "images/space_ledger.hpp"
#include "images/store_report.hpp"
#include "images/warm_set.hpp"

namespace rootstock::images {

/// What is known of the contents of a layer's file (docs/images.md, "Guard").
struct LayerContent {
    std::string file;
    std::optional<ContentState> state; // nothing: no digest was taken yet; the first verification does
    bool verifying = false;
    std::uint64_t verified_bytes = 0;  // so far, while verifying
    std::string problem = {};          // that a file which it is read from has now, in words; empty: none that can be seen without reading it
};

struct ImageInfo {
    ImageVersion version;              // the current one
    std::uint64_t stored_bytes = 0;    // occupied on disk
    std::vector<std::string> machines; // whose overlays depend on any version of it
    LayerContent content = {};         // of the current version's own file
};

/// A version, and who needs it.
struct VersionUse {
    ImageVersion version;
    std::uint64_t stored_bytes = 0;
    std::vector<std::string> machines;  // whose disks began as it, also those that are put aside
    std::vector<std::string> needed_by; // these and everything else that keeps it, in words
    std::size_t files = 0;              // that it is read from
    std::optional<TraceFacts> trace = {}; // what a boot of it reads; nothing: none was recorded yet
    std::optional<WarmState> warm = {};   // nothing: it is not kept warm
};

/// What comes back when versions go.
struct RemovalGain {
    std::uint64_t now_bytes = 0;    // the files that go with them
    std::uint64_t merged_bytes = 0; // about, and later: what stays of them is merged into what stands on it
};

/// What becomes of the machine whose disk was published.
enum class AfterPublish : std::uint8_t {
    overlay_goes,     // it gets a new disk at its next boot
    machine_goes_on,  // with a new, empty overlay over the new version: what it had
    maintenance_ends, // what was put aside is its disk again
};

struct SnapshotInfo {
    SnapshotRow row;
    std::string path;               // absolute: of its layer, a read-only VHDX whose parents are found from it
    std::uint64_t size_bytes = 0;   // of the disk
    std::uint64_t stored_bytes = 0; // occupied by its own layer
    std::size_t depth = 0;          // files that it is read from
};

enum class RestoreTime : std::uint8_t { now, next_boot };

class Store {
  public:
    virtual ~Store() = default;

    /// Imports `source` as the next version of `name` (1 when it is new). `name`: [a-z0-9][a-z0-9._-]{0,62}.
    virtual Result<ImageVersion> import(const ImportSource& source, const std::string& name, const ProgressCallback& progress) = 0;
    virtual Result<std::vector<ImageInfo>> images() = 0;
    /// Refused while overlays depend on it, naming their machines.
    virtual Result<void> remove_image(const std::string& name) = 0;

    /// The machine's persistent disk, which nobody has open, becomes the next version of `image`, a new one or one that is there: it is closed, checked, and
    /// moved to the image's place without being copied, on top of what it stood on.
    /// `release`: who gets it, its image and version are filled in; nothing, or the first version of an image: it becomes the current one.
    virtual Result<ImageVersion> publish(const std::string& machine, const std::string& image, AfterPublish after,
                                         const std::optional<Release>& release = {}) = 0;

    /// What the snapshot of a machine's disk holds becomes a version, at once: an empty file on top of it. The machine, which may be running, goes on.
    virtual Result<ImageVersion> publish_snapshot(const DiskName& disk, const std::string& snapshot, const std::string& image,
                                                  const std::optional<Release>& release = {}) = 0;

    /// Every version of every image, by name and number.
    virtual Result<std::vector<ImageVersion>> versions() = 0;
    /// Every version of one image, by number; errc::no_such_file_or_directory when there is none.
    virtual Result<std::vector<VersionUse>> version_uses(const std::string& image) = 0;
    /// Refused for the current version, and while a disk or snapshot stands on it, or more than one other version: its file, if one does, stays until it is
    /// merged into that one's (flatten).
    virtual Result<void> remove_version(const std::string& image, std::uint32_t number) = 0;
    /// Of versions of one image, were they removed now.
    virtual Result<RemovalGain> removal_gain(const std::string& image, const std::vector<std::uint32_t>& numbers) = 0;

    /// The machine becomes the one writer of its image's next version, on a new disk; what it has is put aside. Refused while that is in use, and while
    /// another machine writes that image.
    virtual Result<void> begin_maintenance(const Maintenance& row) = 0;
    virtual Result<std::vector<Maintenance>> maintenance() = 0;
    /// The disk that it wrote on is thrown away, and what was put aside is its disk again. Refused while the disk is in use.
    virtual Result<void> end_maintenance(const std::string& machine) = 0;

    /// The machine's disk, created on `version` of the image (nothing: the current one) when there is none. The same object for all who have it
    /// open. A persistent overlay stays on its version. A reset overlay lost to a reboot of the host is made anew.
    virtual Result<std::shared_ptr<Overlay>> open_machine_disk(const std::string& machine, const std::string& image, OverlayKind kind,
                                                               std::optional<std::uint32_t> version = {}) = 0;
    /// What the machine's disk stands on; nothing when it has none.
    virtual Result<std::optional<OverlayRow>> machine_disk(const std::string& machine) = 0;
    /// Closes the disk cleanly; it is opened anew when it is wanted again. Refused while somebody else has it open; fine when nobody had.
    virtual Result<void> close_machine_disk(const std::string& machine) = 0;
    /// Throws the overlay away (reset mode at a new boot; `machine reset`; another image). The caller has ended the sessions: an open disk is refused.
    virtual Result<void> remove_machine_disk(const std::string& machine) = 0;

    /// For somebody who reads the file by himself (export): closes the machine's persistent disk and keeps it closed, with everything acknowledged in
    /// the file, while the returned path lives. Opening, resetting and removing it are refused meanwhile; so is this while it is in use.
    virtual Result<std::shared_ptr<const std::string>> hold_machine_disk(const std::string& machine) = 0;
    /// The absolute path of a file of the catalogue.
    [[nodiscard]] virtual std::string file_path(const std::string& file) const = 0;

    /// A CD-ROM has the size of its ISO image, whatever `size_bytes` says.
    virtual Result<VolumeRow> create_volume(const std::string& name, std::uint64_t size_bytes, std::vector<std::string> initiators,
                                            const VolumeOptions& options = {}) = 0;
    virtual Result<void> change_volume(const std::string& name, const VolumeChange& change) = 0;
    /// Also while it is in use; the same size is fine. A volume never shrinks.
    virtual Result<void> grow_volume(const std::string& name, std::uint64_t size_bytes) = 0;
    virtual Result<void> remove_volume(const std::string& name) = 0; // an open one is refused
    virtual Result<std::vector<VolumeRow>> volumes() = 0;
    /// Whether `path` can be a CD-ROM; blocks.
    [[nodiscard]] virtual Result<IsoFacts> inspect_iso(const std::string& path) = 0;
    virtual Result<std::shared_ptr<Overlay>> open_volume_disk(const std::string& name) = 0;
    virtual Result<void> close_volume_disk(const std::string& name) = 0; // as close_machine_disk()

    // Snapshots: of machines' disks and of volumes in files, also while they are in use.
    /// I/O waits for milliseconds, and everything acknowledged before is in it. A reset overlay is copied for that, which takes as long as the copying.
    virtual Result<SnapshotRow> create_snapshot(const DiskName& disk, const std::string& name) = 0;
    /// A snapshot for which the machine's disk is being copied fails, so that a new boot does not wait for it.
    virtual void end_copy(const std::string& machine) = 0;
    virtual Result<std::vector<SnapshotInfo>> snapshots() = 0;
    /// What the disk holds now is thrown away. A machine that is running goes back at its next boot; a volume in use is refused. `kind`: what the machine is
    /// to boot next. Reset: its next boot begins with the snapshot, the one after that with its version again.
    virtual Result<RestoreTime> restore_snapshot(const DiskName& disk, const std::string& name, OverlayKind kind = OverlayKind::persistent) = 0;
    /// What others stand on of it stays.
    virtual Result<void> remove_snapshot(const DiskName& disk, const std::string& name) = 0;
    /// A new disk with what the snapshot holds, at once: nothing is copied. The machine has no disk yet.
    virtual Result<void> clone_to_machine(const DiskName& disk, const std::string& name, const std::string& machine) = 0;
    virtual Result<VolumeRow> clone_to_volume(const DiskName& disk, const std::string& name, const std::string& volume,
                                              std::vector<std::string> initiators) = 0;
    /// A new boot is about to open the machine's disk, which nobody uses: a reset one is thrown away, what was put off until then is done, and what it reads is
    /// recorded when its version has no trace yet (trace_recorder.hpp). `kind`: as it is going to be opened.
    virtual Result<void> begin_boot(const std::string& machine, OverlayKind kind = OverlayKind::persistent) = 0;
    /// The machine's boot has reached "running". Does not block.
    virtual void note_running(const std::string& machine) = 0;
    /// Ends recordings that are over and keeps what came of them. Blocks: off the shards, about once a second.
    virtual void review_traces() = 0;

    /// Shortens chains while everybody goes on: layers that nobody names any more are merged into the one above, a version on more than `most_layers`
    /// files gets one that stands alone, and a disk on more than that one that stands on its version. Takes as long as the copying; the number of files written. Cancelled it leaves what is done.
    virtual Result<std::size_t> flatten(std::size_t most_layers, const ProgressCallback& progress) = 0;

    /// The same by itself, for a thread of the background: one step, if one is worth it and there is room (images/flatten_choice). True: something was done
    /// or tried, and there may be more. A failure is told once and left alone for a while; flatten() goes before it.
    virtual Result<bool> flatten_due(const ProgressCallback& progress) = 0;

    /// Calls Master::refresh() of every open master, and tells what was found. Blocks: off the shards, about once a second.
    virtual void refresh_masters() = 0;

    /// Reads the files of a version (0: the current one) of an image, its own first, and compares them with the digests of their making. Takes those that
    /// are missing. What is damaged is told with the machines at risk, and refused to new disks until a verification finds it sound. One at a time.
    virtual Result<std::vector<ContentState>> verify_version(const std::string& image, std::uint32_t number, const PieceProgress& progress) = 0;
    /// Verifies the layers that have no digest, that were found damaged, and that were not verified for `period`.
    virtual Result<void> verify_due(std::chrono::seconds period, const PieceProgress& progress) = 0;
    /// Loads what a version (0: the current one) of the image boots with and keeps it in memory until cool(), its removal, or the end of the process. An
    /// error when it has no trace yet, or there is no room (check_warm_room()). Blocks for as long as the reading takes, one at a time.
    virtual Result<WarmState> warm(const std::string& image, std::uint32_t number, const PieceProgress& progress) = 0;
    /// Lets go of a version (0: all of them); fine when none is warm. Refused for what is to be kept warm.
    virtual Result<void> cool(const std::string& image, std::uint32_t number) = 0;
    /// From now on warm_due() keeps the current versions of these images warm, once they have a trace.
    virtual void keep_warm(std::set<std::string> images) = 0;
    /// Does what is due: current versions of these images, versions whose file was written anew. Blocks as warm(); every few seconds, on one thread.
    virtual Result<void> warm_due(const PieceProgress& progress) = 0;

    /// Called when something about images changes by itself: a verification begins, goes on or ends, a trace was recorded, a
    /// version is warm. Must be quick. Set once, before
    /// any; null takes it away.
    virtual void on_change(std::function<void()> listener) = 0;
    /// Looks at everything in the data directory (docs/store-check.md). `progress`: of the reading, when the check is deep.
    virtual Result<StoreReport> check(const StoreCheckOptions& options, const PieceProgress& progress) = 0;

    /// What disks take, and their limits.
    virtual SpaceLedger& space() = 0;
    /// Counts what is taken, tells of alarms, and notes it once a day. Blocks: off the shards, about once a second.
    virtual void review_space() = 0;
    /// Whole days until the file system, the store or a group ("file-system", "store", "group/NAME") is full; nothing when that is not in sight.
    [[nodiscard]] virtual std::optional<std::int64_t> days_until_full(const std::string& what) = 0;

    /// Closes every disk cleanly; for the planned stop.
    virtual void close_all() = 0;
};

/// `data`: the data directory (images/, overlays/, volumes/ below it). Rolls back what a crash left half done. `memory_bytes`: what all volatile volumes may
/// hold together.
[[nodiscard]] Result<std::unique_ptr<Store>> open_store(FileSystem& files, const std::string& data, Catalogue& catalogue, Log& log, const Clock& clock,
                                                        std::uint64_t memory_bytes = limits::volatile_bytes);

} // namespace rootstock::images
