// DirectoryStore: the Store over a data directory, a Catalogue and the formats of this folder. Each store_*.cpp has one part of it: images, versions, publish,
// disks, volumes, snapshots (snapshot_copies: of disks that are no VHDX), flatten (by itself: flatten_due), layers with the masters over them, contents with the guard, space, warm, hold for disks that
// are lent out, check for all of it; store.cpp opens and closes.
// Long because all of it works under the same few locks, whose order stands at the end.
#pragma once

#include "block/memory_device.hpp"
#include "images/flatten_choice.hpp"
#include "images/layer_rewrite.hpp"
#include "images/space_history.hpp"
#include "images/store.hpp"
#include "images/store_layout.hpp"
#include "images/trace_recorder.hpp"
#include "images/writable_file.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <shared_mutex>

namespace rootstock::images {

class DirectoryStore final : public Store {
  public:
    DirectoryStore(FileSystem& files, StoreLayout layout, std::unique_ptr<File> lock, Catalogue& catalogue, Log& log, const Clock& clock,
                   std::uint64_t memory_bytes)
        : files_(files), layout_(std::move(layout)), lock_(std::move(lock)), catalogue_(catalogue), log_(log), clock_(clock),
          memory_(std::make_shared<block::MemoryBudget>(memory_bytes)), open_files_(files), space_(log), history_(catalogue, log), traces_(catalogue, log, clock), warm_(files) {}

    /// Ends what a crash left half done; before anything else.
    [[nodiscard]] Result<void> recover();

    /// Once, before anything is opened: what the disks take that were there before.
    Result<void> count_disks();

    Result<ImageVersion> import(const ImportSource& source, const std::string& name, const ProgressCallback& progress) override;
    Result<std::vector<ImageInfo>> images() override;
    Result<void> remove_image(const std::string& name) override;
    Result<ImageVersion> publish(const std::string& machine, const std::string& image, AfterPublish after, const std::optional<Release>& release) override;
    Result<ImageVersion> publish_snapshot(const DiskName& disk, const std::string& snapshot, const std::string& image,
                                          const std::optional<Release>& release) override;
    Result<std::vector<ImageVersion>> versions() override { return catalogue_.versions(); }
    Result<std::vector<VersionUse>> version_uses(const std::string& image) override;
    Result<void> remove_version(const std::string& image, std::uint32_t number) override;
    Result<RemovalGain> removal_gain(const std::string& image, const std::vector<std::uint32_t>& numbers) override;
    Result<void> begin_maintenance(const Maintenance& row) override;
    Result<std::vector<Maintenance>> maintenance() override { return catalogue_.maintenance(); }
    Result<void> end_maintenance(const std::string& machine) override;

    Result<std::shared_ptr<Overlay>> open_machine_disk(const std::string& machine, const std::string& image, OverlayKind kind,
                                                       std::optional<std::uint32_t> version) override;
    Result<std::optional<OverlayRow>> machine_disk(const std::string& machine) override { return overlay_of(machine); }
    Result<void> close_machine_disk(const std::string& machine) override { return close_slot("machine/" + machine); }
    Result<void> remove_machine_disk(const std::string& machine) override;

    Result<std::shared_ptr<const std::string>> hold_machine_disk(const std::string& machine) override;
    std::string file_path(const std::string& file) const override;
    Result<VolumeRow> create_volume(const std::string& name, std::uint64_t size_bytes, std::vector<std::string> initiators,
                                    const VolumeOptions& options) override;
    Result<void> change_volume(const std::string& name, const VolumeChange& change) override;
    Result<void> grow_volume(const std::string& name, std::uint64_t size_bytes) override;
    Result<void> remove_volume(const std::string& name) override;
    Result<std::vector<VolumeRow>> volumes() override { return catalogue_.volumes(); }
    Result<IsoFacts> inspect_iso(const std::string& path) override { return images::inspect_iso(files_, path); }
    Result<std::shared_ptr<Overlay>> open_volume_disk(const std::string& name) override;
    Result<void> close_volume_disk(const std::string& name) override { return close_slot("volume/" + name); }

    Result<SnapshotRow> create_snapshot(const DiskName& disk, const std::string& name) override;
    void end_copy(const std::string& machine) override;
    Result<std::vector<SnapshotInfo>> snapshots() override;
    Result<RestoreTime> restore_snapshot(const DiskName& disk, const std::string& name, OverlayKind kind) override;
    Result<void> remove_snapshot(const DiskName& disk, const std::string& name) override;
    Result<void> clone_to_machine(const DiskName& disk, const std::string& name, const std::string& machine) override;
    Result<VolumeRow> clone_to_volume(const DiskName& disk, const std::string& name, const std::string& volume,
                                      std::vector<std::string> initiators) override;
    Result<void> begin_boot(const std::string& machine, OverlayKind kind) override;
    void note_running(const std::string& machine) override { traces_.note_running(machine); }
    void review_traces() override;
    Result<std::size_t> flatten(std::size_t most_layers, const ProgressCallback& progress) override;
    Result<bool> flatten_due(const ProgressCallback& progress) override;

    void refresh_masters() override;
    Result<std::vector<ContentState>> verify_version(const std::string& image, std::uint32_t number, const PieceProgress& progress) override;
    Result<void> verify_due(std::chrono::seconds period, const PieceProgress& progress) override;
    void on_change(std::function<void()> listener) override;
    Result<WarmState> warm(const std::string& image, std::uint32_t number, const PieceProgress& progress) override;
    Result<void> cool(const std::string& image, std::uint32_t number) override;
    void keep_warm(std::set<std::string> images) override;
    Result<void> warm_due(const PieceProgress& progress) override;
    Result<StoreReport> check(const StoreCheckOptions& options, const PieceProgress& progress) override;
    SpaceLedger& space() override { return space_; }
    void review_space() override;
    std::optional<std::int64_t> days_until_full(const std::string& what) override;
    void close_all() override;

  private:
    friend class StoreCheck; // looks at everything under the same locks

    /// One disk that may be open; its calls are serialised by its mutex.
    struct Slot {
        std::mutex mutex;
        std::shared_ptr<Overlay> disk;
        bool held = false; // closed, and read by somebody else (hold_machine_disk)
        std::atomic<bool> copy_wanted{false}; // a snapshot is being copied, and nobody has asked for its end
        std::shared_ptr<block::MemoryDevice> memory; // of a volatile volume, from its first opening to its removal

        [[nodiscard]] bool in_use() const { return disk.use_count() > 1; }
    };

    std::shared_ptr<Slot> slot(const std::string& key);
    Result<void> close_slot(const std::string& key);
    [[nodiscard]] std::uint64_t data_bytes(const std::string& file);
    Result<void> count_closed();
    [[nodiscard]] std::map<std::string, std::uint64_t> own_bytes(const LayerTree& tree);
    [[nodiscard]] static Result<void> check_not_held(const Slot& slot, const std::string& machine);
    Result<std::optional<OverlayRow>> overlay_of(const std::string& machine);
    Result<VolumeRow> volume_named(const std::string& name);
    /// `number` nothing: the current one.
    Result<ImageVersion> find_version(const std::string& image, std::optional<std::uint32_t> number);
    std::uint64_t stored_bytes(const std::string& file);
    Result<void> let_go(Slot& slot, const std::string& machine);
    Result<void> check_writer(const Maintenance& row);
    Result<ImageVersion> new_version(const std::string& image);
    [[nodiscard]] static CatalogueChange put_version(ImageVersion& version, const LayerRow& layer, const std::optional<Release>& release);

    Result<std::shared_ptr<Master>> master_on(const std::string& layer);
    [[nodiscard]] std::vector<LayerPlace> places_of(const std::vector<LayerRow>& chain) const;
    Error unusable_layer(const LayerTree& tree, const std::string& layer, const Error& why);
    Result<void> apply_and_remove(CatalogueChange change, std::vector<std::string> files);

    // store_contents.cpp
    /// Of the file that is the layer now; nothing for one that was written anew since.
    Result<std::optional<ContentState>> state_of(const std::string& layer, const Guid& data_write_guid);
    Result<void> check_sound(const LayerRow& layer);
    Result<void> check_sound(const std::vector<LayerRow>& chain);
    [[nodiscard]] bool is_changed(const LayerRow& layer);
    void forget_changed(const std::string& layer);
    [[nodiscard]] std::string users_of(const std::string& layer);
    /// The lock of verification_; verify_due() gives way. `progress` is asked whether it is still wanted.
    Result<std::unique_lock<std::mutex>> verification_turn(const PieceProgress& progress, std::uint64_t total_bytes);
    Result<ContentState> verify(const LayerRow& layer, const PieceProgress& progress);
    Result<void> verify_known(const std::vector<LayerRow>& layers, const PieceProgress& progress);
    Result<void> take_digest(const LayerRow& layer, File& file, const PieceProgress& progress);
    Result<void> compare(const LayerRow& layer, File& file, const ContentDigest& digest, const PieceProgress& progress);
    Result<LayerContent> content_of(const LayerTree& tree, const LayerRow& layer);
    [[nodiscard]] std::string problem_of(const LayerRow& layer);
    void tell_change();

    // store_warm.cpp
    Result<WarmState> warm_version(const ImageVersion& version, const BootTrace& trace, bool by_itself, const PieceProgress& progress);
    void let_cool(const std::string& image, std::uint32_t number);
    Result<void> warm_rewritten(const std::vector<ImageVersion>& versions, const PieceProgress& progress);
    void keep_version_warm(const ImageVersion& version, const PieceProgress& progress);
    void cool_unwanted(const std::vector<ImageVersion>& versions, const std::set<std::string>& kept);

    void note_verifying(const std::string& layer, std::uint64_t bytes);
    void tell_health(const LayerRow& layer, LayerHealth health);
    void tell_health();

    Result<void> settle(LayerRow layer);
    Result<void> finish_sealing(const LayerRow& layer);
    Result<void> finish_rewriting(const LayerRow& layer);
    /// The old files and the new one; nothing is written yet.
    struct Rewrite {
        std::vector<LayerRow> merged; // the newest first
        LayerRewrite files;
    };
    Result<Rewrite> rewrite_of(const LayerTree& tree, const LayerTree::Shorter& shorter) const;
    using NextShorter = std::function<std::optional<LayerTree::Shorter>(const LayerTree&)>;
    Result<std::size_t> flatten_while(const NextShorter& next, const ProgressCallback& progress);
    Result<void> shorten_full_chain(const DiskName& disk);
    Result<FlattenWork> flatten_work(const LayerTree& tree, const LayerTree::Shorter& shorter);
    std::vector<FlattenWork> flatten_works(const LayerTree& tree);
    Result<std::vector<FlattenRoom>> flatten_rooms();
    void put_off(const std::string& layer, const Error& why);
    void tell_no_room(const std::optional<FlattenWork>& work);
    Result<void> rewrite(const LayerTree& tree, const LayerTree::Shorter& shorter, const ProgressCallback& progress);
    Result<void> replace_layer(const LayerRow& old, const CatalogueChange& change);
    void follow_rewritten();
    bool follow_rewritten(const WritableFile& disk, const LayerTree& tree);
    void keep_for_readers(std::shared_ptr<Master> master);
    Result<ContentDigest> digest_of(const std::string& path, const PieceProgress& progress);

    Result<std::string> free_file(const DiskName& disk);
    struct NewLayer {
        LayerRow row;
        std::shared_ptr<Master> master; // over it
    };
    Result<NewLayer> as_layer(const WritableFile& row);
    Result<LayerRow> new_layer(const std::string& file, const std::string& parent);
    Result<void> make_child(const std::string& file, const LayerRow& parent);
    Result<std::unique_ptr<NewOverlay>> make_open_child(const std::string& file, const ParentDisk& parent);
    void discard_child(const std::string& file);
    struct CloneSource { // what a clone is made of, and what stays as it is while it is made
        std::shared_ptr<Slot> target;
        std::unique_lock<std::mutex> one_at_a_time;
        std::shared_lock<std::shared_mutex> layers_stay;
        LayerTree tree;
        const SnapshotRow* snapshot = nullptr; // of the tree
    };
    Result<CloneSource> clone_source(const DiskName& disk, const std::string& name, const DiskName& target);
    Result<void> add_child(const LayerRow& layer, const std::string& file, const CatalogueChange& row);
    Result<OverlayRow> idle_persistent_overlay(const std::string& machine, const Slot& slot);
    Result<void> close_cleanly(const WritableFile& file, Slot& slot);
    Result<std::shared_ptr<Overlay>> open_writable(const WritableFile& file);
    Result<std::shared_ptr<Overlay>> open_as_catalogued(const DiskName& disk);

    [[nodiscard]] OverlayRow new_overlay(const std::string& machine, const SnapshotRow& snapshot, OverlayKind kind, const std::string& file) const;
    Result<void> seal(const NewLayer& layer, const WritableFile& next, const std::string& snapshot);
    Result<void> seal_closed(Slot& slot, const WritableFile& now, const WritableFile& next, const std::string& snapshot);
    Result<void> seal_open(Slot& slot, const WritableFile& now, const WritableFile& next, const std::string& snapshot);
    Result<void> restore_now(Slot& slot, const LayerTree& tree, const DiskName& disk, const std::string& name);
    Result<void> restore_reset(const LayerTree& tree, const OverlayRow& row);

    // store_snapshot_copies.cpp
    Result<void> copy_slot(Slot& slot, const WritableFile& now, const std::string& file, const std::string& snapshot);
    Result<std::shared_ptr<Overlay>> disk_to_copy(const Slot& slot, const WritableFile& now, const std::shared_ptr<Master>& master);
    Result<void> check_room(const WritableFile& now, std::uint64_t bytes);
    Result<void> copy_disk(Slot& slot, const WritableFile& now, const std::string& path);

    Result<std::shared_ptr<Overlay>> open_existing(const OverlayRow& row);
    Result<std::shared_ptr<Overlay>> open_reset(const OverlayRow& row, std::shared_ptr<Master> master);
    Result<std::shared_ptr<Overlay>> create_overlay(const std::string& machine, const std::string& image, OverlayKind kind,
                                                    std::optional<std::uint32_t> number);
    Result<void> remove_overlay_of(const OverlayRow& row);
    Result<void> insert_iso(VolumeRow& row);
    Result<void> make_volume_file(const VolumeRow& row);
    Result<void> grow_volume_file(const VolumeRow& row, Slot& slot, std::uint64_t size_bytes);
    Result<std::shared_ptr<Overlay>> open_volume_of(VolumeRow row, Slot& slot);

    FileSystem& files_;
    StoreLayout layout_;
    std::unique_ptr<File> lock_;
    Catalogue& catalogue_;
    Log& log_;
    const Clock& clock_;
    const std::shared_ptr<block::MemoryBudget> memory_; // of all volatile volumes
    LayerFiles open_files_;
    SpaceLedger space_;
    SpaceHistory history_;
    BootTraces traces_;
    WarmSet warm_;
    std::map<std::string, TimePoint> warm_failures_; // by image: when it could not be warmed by itself; of warm_due() alone
    std::mutex keep_warm_mutex_;                     // keep_warm_
    std::set<std::string> keep_warm_;
    TimePoint closed_counted_at_; // review_space() alone
    std::mutex mutex_; // slots_, masters_, replaced_
    std::map<std::string, std::shared_ptr<Slot>> slots_;          // "machine/NAME", "volume/NAME", "image/NAME"
    std::map<std::string, std::shared_ptr<Master>> masters_;      // by layer
    std::vector<std::weak_ptr<Master>> replaced_;                 // that somebody may still have open
    std::vector<std::pair<TimePoint, std::shared_ptr<Master>>> leaving_; // since when nobody reads of it; under mutex_
    std::atomic<bool> rewritten_{false};                          // a file, since follow_rewritten() was done
    std::map<std::string, LayerHealth> told_;  // by layer: what was wrong with it and has been told; of refresh_masters() alone
    std::mutex verification_;                  // one at a time; no file is put in another's place meanwhile. Taken before dependence_
    std::atomic<unsigned> waiting_{0};         // who asked for a verification goes before verify_due()
    std::map<std::string, WallTime> attempts_; // by layer: the last verification by itself; under verification_
    std::atomic<unsigned> waiting_flatten_{0}; // who asked for it goes before flatten_due()
    FlattenPauses pauses_;                     // this and the next under the slot "flatten/"
    std::string told_no_room_;                 // the layer
    std::mutex progress_mutex_;                // guards the three below, also over the listener's call
    std::string verifying_;                    // the layer
    std::uint64_t verified_bytes_ = 0;
    std::function<void()> listener_;
    std::shared_mutex dependence_; // shared: something comes to depend on a layer; exclusive: layers go. Taken after a slot's mutex
};

} // namespace rootstock::images
