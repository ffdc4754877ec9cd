// DirectoryStore, the snapshots: taken of disks that may be in use, gone back to, removed, and made new disks of.
#include "images/directory_store.hpp"

#include "core/text.hpp"
#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

Error not_persistent(const std::string& machine) {
    return make_error(std::errc::not_supported, "The disk of machine " + machine +
                                                    " is thrown away at its next boot and has no snapshots. Make the machine persistent first.");
}

const SnapshotRow* find_snapshot(const LayerTree& tree, const DiskName& disk, const std::string& name) {
    const auto found = std::ranges::find_if(tree.snapshots, [&](const SnapshotRow& row) { return row.disk == disk && row.name == name; });
    return found == tree.snapshots.end() ? nullptr : &*found;
}

template <class Rows, class Key> auto* find_named(Rows& rows, const std::string& name, Key key) {
    const auto found = std::ranges::find(rows, name, key);
    return found == rows.end() ? nullptr : &*found;
}

Error no_snapshot(const DiskName& disk, const std::string& name) {
    return not_found("There is no snapshot " + name + " of " + in_words(disk) + ". List them: rootstock snapshot list");
}

} // namespace

std::string DirectoryStore::slot_key(const DiskName& disk) { return (disk.kind == DiskKind::machine ? "machine/" : "volume/") + disk.name; }

/// What of `disk` can have snapshots.
Result<WritableFile> DirectoryStore::writable_of(const LayerTree& tree, const DiskName& disk) {
    if (disk.kind == DiskKind::volume) {
        const VolumeRow* row = find_named(tree.volumes, disk.name, &VolumeRow::name);
        if (row == nullptr) {
            return not_found("There is no volume " + disk.name + ".");
        }
        if (row->options.kind != VolumeKind::disk) {
            return make_error(std::errc::not_supported, "Volume " + disk.name + " has no file of its own and no snapshots.");
        }
        return WritableFile{disk, row->file, row->layer};
    }
    const OverlayRow* row = find_named(tree.overlays, disk.name, &OverlayRow::machine);
    if (row == nullptr) {
        return not_found("Machine " + disk.name + " has no disk of its own yet: it gets one at its first boot.");
    }
    return row->kind == OverlayKind::persistent ? Result<WritableFile>(WritableFile{disk, row->file, row->layer}) : not_persistent(disk.name);
}

/// The row of `disk` when it is `now`.
CatalogueChange DirectoryStore::put_writable(const LayerTree& tree, const WritableFile& now) {
    CatalogueChange change;
    if (now.disk.kind == DiskKind::volume) {
        change.put_volumes = {*find_named(tree.volumes, now.disk.name, &VolumeRow::name)};
        change.put_volumes.front().file = now.file;
        change.put_volumes.front().layer = now.layer;
    } else {
        change.put_overlays = {*find_named(tree.overlays, now.disk.name, &OverlayRow::machine)};
        change.put_overlays.front().file = now.file;
        change.put_overlays.front().layer = now.layer;
    }
    return change;
}

Result<std::shared_ptr<Overlay>> DirectoryStore::open_writable(const WritableFile& file) {
    if (const Result<void> in_place = layout_.finish_publishing(file.file); !in_place) {
        return in_place.error();
    }
    if (file.layer.empty()) {
        return open_volume(files_, layout_.path(file.file));
    }
    Result<std::shared_ptr<Master>> master = master_on(file.layer);
    return master ? open_persistent_overlay(files_, layout_.path(file.file), std::move(*master)) : Result<std::shared_ptr<Overlay>>(master.error());
}

/// The file, closed and clean, becomes a layer under a new, empty file: `next`. The old file stays where it is: who reads it by its path goes on doing so.
Result<void> DirectoryStore::seal(const WritableFile& now, const WritableFile& next, const std::string& snapshot) {
    const Result<LayerRow> layer = as_layer(now);
    if (!layer) {
        return layer.error();
    }
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    CatalogueChange change = put_writable(*tree, next);
    change.put_layers = {*layer};
    SnapshotRow row{now.disk, snapshot, layer->file, {}, 0, layer->created};
    if (const OverlayRow* overlay = now.disk.kind == DiskKind::machine ? find_named(tree->overlays, now.disk.name, &OverlayRow::machine) : nullptr) {
        row.image = overlay->image;
        row.version = overlay->version;
    }
    change.put_snapshots = {row};
    Result<void> done = make_child(next.file, *layer);
    done = done ? catalogue_.apply(change) : done;
    done = done ? layout_.publish(next.file) : done;
    return done ? files_.make_read_only(layout_.path(now.file)) : done;
}

/// A crash in between leaves the disk as it was, or the snapshot and an empty file over it.
Result<SnapshotRow> DirectoryStore::create_snapshot(const DiskName& disk, const std::string& name) {
    if (const Result<void> valid = check_store_name("A snapshot's name", name); !valid) {
        return valid.error();
    }
    if (const Result<void> room = shorten_full_chain(disk); !room) {
        return room.error();
    }
    const std::shared_ptr<Slot> mine = slot(slot_key(disk));
    const std::lock_guard one_at_a_time(mine->mutex);
    const std::shared_lock layers_stay(dependence_);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    const Result<WritableFile> now = writable_of(*tree, disk);
    if (!now) {
        return now.error();
    }
    if (const Result<void> free = check_not_held(*mine, disk.name); !free) {
        return free.error();
    }
    if (find_snapshot(*tree, disk, name) != nullptr) {
        return make_error(std::errc::file_exists, "There is a snapshot " + name + " of " + in_words(disk) + " already. Choose another name.");
    }
    const Result<std::vector<LayerRow>> below = tree->chain(now->layer);
    if (!below) {
        return below.error();
    }
    if (below->size() == limits::chain_depth) {
        return make_error(std::errc::not_supported, "The disk of " + in_words(disk) + " stands on " + std::to_string(below->size()) +
                                                        " files already. Shorten that first: rootstock snapshot flatten");
    }
    const Result<std::string> file = free_file(disk);
    if (!file) {
        return file.error();
    }
    if (const Result<void> sealed = seal_slot(*mine, *now, {disk, *file, now->file}, name); !sealed) {
        return sealed.error();
    }
    space_.account(slot_key(disk))->add_kept(stored_bytes(now->file)); // the quotas count it on; count_closed() knows better soon
    const Result<LayerTree> after = LayerTree::read(catalogue_);
    const SnapshotRow* row = after ? find_snapshot(*after, disk, name) : nullptr;
    return row != nullptr ? Result<SnapshotRow>(*row) : after ? no_snapshot(disk, name) : after.error();
}

/// After a seal() that failed: once the catalogue has the file as a layer, nobody may write to it any more, whatever failed then.
Result<std::shared_ptr<Overlay>> DirectoryStore::open_as_catalogued(const DiskName& disk) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    const Result<WritableFile> file = tree ? writable_of(*tree, disk) : Result<WritableFile>(tree.error());
    return file ? open_writable(*file) : Result<std::shared_ptr<Overlay>>(file.error());
}

/// seal() of a disk that may be open: then its users wait for as long as that takes, a few milliseconds, and go on with `next`, or with what there was.
Result<void> DirectoryStore::seal_slot(Slot& slot, const WritableFile& now, const WritableFile& next, const std::string& snapshot) {
    if (!slot.disk) {
        const Result<void> closed = close_cleanly(now, slot);
        return closed ? seal(now, next, snapshot) : closed;
    }
    // What its users have been handed of the files below stays mapped until they have the new disk over the same files.
    const Result<std::shared_ptr<Master>> below = now.layer.empty() ? std::shared_ptr<Master>() : master_on(now.layer);
    if (!below) {
        return below.error();
    }
    if (!slot.disk->flush()) { // what it leaves to be done at the exchange is little
        return make_error(std::errc::io_error, "The disk of " + in_words(now.disk) + " could not be flushed; see the log.");
    }
    Result<void> sealed;
    const Result<void> opened = slot.disk->exchange([&](Result<void> closed) {
        sealed = closed ? seal(now, next, snapshot) : closed;
        return sealed ? open_writable(next) : open_as_catalogued(now.disk);
    });
    return sealed ? opened : sealed;
}

Result<std::vector<SnapshotInfo>> DirectoryStore::snapshots() {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    std::vector<SnapshotInfo> infos;
    for (const SnapshotRow& row : tree->snapshots) {
        SnapshotInfo info{row, file_path(row.layer), 0, stored_bytes(row.layer), 0};
        if (const LayerRow* layer = tree->find(row.layer)) {
            info.size_bytes = layer->identity.virtual_size;
        }
        if (const auto chain = tree->chain(row.layer)) {
            info.depth = chain->size();
        }
        infos.push_back(std::move(info));
    }
    return infos;
}

Result<void> DirectoryStore::remove_snapshot(const DiskName& disk, const std::string& name) {
    const std::shared_ptr<Slot> mine = slot(slot_key(disk));
    const std::lock_guard one_at_a_time(mine->mutex);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    const SnapshotRow* row = find_snapshot(*tree, disk, name);
    if (row == nullptr) {
        return no_snapshot(disk, name);
    }
    const OverlayRow* overlay = disk.kind == DiskKind::machine ? find_named(tree->overlays, disk.name, &OverlayRow::machine) : nullptr;
    if (overlay != nullptr && overlay->restore == name) {
        return busy("Machine " + disk.name + " goes back to snapshot " + name + " at its next boot. Restart it, or restore another one, first.");
    }
    return apply_and_remove({.remove_snapshots = {*row}}, {});
}

Result<RestoreTime> DirectoryStore::restore_snapshot(const DiskName& disk, const std::string& name) {
    const std::shared_ptr<Slot> mine = slot(slot_key(disk));
    const std::lock_guard one_at_a_time(mine->mutex);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    if (find_snapshot(*tree, disk, name) == nullptr) {
        return no_snapshot(disk, name);
    }
    if (!mine->disk || !mine->in_use()) {
        const Result<void> restored = restore_now(*mine, *tree, disk, name);
        return restored ? Result<RestoreTime>(RestoreTime::now) : restored.error();
    }
    if (disk.kind == DiskKind::volume) {
        return busy("Volume " + disk.name + " is in use. End its sessions first.");
    }
    OverlayRow row = *find_named(tree->overlays, disk.name, &OverlayRow::machine);
    if (row.kind != OverlayKind::persistent) {
        return not_persistent(disk.name);
    }
    row.restore = name;
    const Result<void> put = catalogue_.put_overlay(row);
    return put ? Result<RestoreTime>(RestoreTime::next_boot) : put.error();
}

Result<void> DirectoryStore::begin_boot(const std::string& machine) {
    const std::shared_ptr<Slot> mine = slot(slot_key({DiskKind::machine, machine}));
    const std::lock_guard one_at_a_time(mine->mutex);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    traces_.expect(machine);
    const OverlayRow* row = find_named(tree->overlays, machine, &OverlayRow::machine);
    if (row == nullptr || row->restore.empty()) {
        return {};
    }
    if (mine->in_use()) {
        return busy("The disk of machine " + machine + " is in use and cannot go back to snapshot " + row->restore + ".");
    }
    return restore_now(*mine, *tree, {DiskKind::machine, machine}, row->restore);
}

/// What the disk holds now goes; it is a new, empty file over the snapshot then. The slot is locked, and nobody uses the disk.
Result<void> DirectoryStore::restore_now(Slot& slot, const LayerTree& tree, const DiskName& disk, const std::string& name) {
    if (Result<void> free = check_not_held(slot, disk.name); !free) {
        return free;
    }
    const SnapshotRow* snapshot = find_snapshot(tree, disk, name);
    const Result<std::string> file = free_file(disk);
    if (snapshot == nullptr || !file) {
        return snapshot == nullptr ? no_snapshot(disk, name) : file.error();
    }
    WritableFile next{disk, *file, snapshot->layer};
    CatalogueChange change;
    std::vector<std::string> old;
    if (const OverlayRow* row = disk.kind == DiskKind::machine ? find_named(tree.overlays, disk.name, &OverlayRow::machine) : nullptr;
        row == nullptr && disk.kind == DiskKind::machine) { // reset since then
        change.put_overlays = {new_overlay(disk.name, *snapshot, next.file)};
    } else {
        const Result<WritableFile> now = writable_of(tree, disk);
        if (!now) {
            return now.error();
        }
        old = {now->file};
        change = put_writable(tree, next);
        if (row != nullptr) {
            change.put_overlays.front().image = snapshot->image;
            change.put_overlays.front().version = snapshot->version;
            change.put_overlays.front().restore.clear();
        }
    }
    slot.disk.reset();
    Result<void> done = make_child(next.file, *tree.find(snapshot->layer));
    done = done ? apply_and_remove(std::move(change), std::move(old)) : done;
    return done ? layout_.publish(next.file) : done;
}

OverlayRow DirectoryStore::new_overlay(const std::string& machine, const SnapshotRow& snapshot, const std::string& file) const {
    return {machine, snapshot.image, snapshot.version, OverlayKind::persistent, file, clock_.wall(), snapshot.layer, {}};
}

Result<DirectoryStore::CloneSource> DirectoryStore::clone_source(const DiskName& disk, const std::string& name, const DiskName& target) {
    CloneSource source;
    source.target = slot(slot_key(target));
    source.one_at_a_time = std::unique_lock(source.target->mutex);
    source.layers_stay = std::shared_lock(dependence_);
    Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    source.tree = std::move(*tree);
    source.snapshot = find_snapshot(source.tree, disk, name);
    return source.snapshot != nullptr ? Result<CloneSource>(std::move(source)) : no_snapshot(disk, name);
}

Result<void> DirectoryStore::clone_to_machine(const DiskName& disk, const std::string& name, const std::string& machine) {
    const Result<CloneSource> source = clone_source(disk, name, {DiskKind::machine, machine});
    if (!source) {
        return source.error();
    }
    const auto& [target, one_at_a_time, layers_stay, tree, snapshot] = *source;
    if (snapshot->image.empty()) {
        return make_error(std::errc::not_supported, "A machine boots from an image, and " + in_words(*snapshot) + " is of none. Clone it to a volume.");
    }
    if (find_named(tree.overlays, machine, &OverlayRow::machine) != nullptr) {
        return make_error(std::errc::file_exists, "Machine " + machine + " has a disk already. Reset the machine to throw that disk away.");
    }
    const Result<std::string> file = free_file({DiskKind::machine, machine});
    if (!file) {
        return file.error();
    }
    return add_child(*tree.find(snapshot->layer), *file, {.put_overlays = {new_overlay(machine, *snapshot, *file)}});
}

Result<VolumeRow> DirectoryStore::clone_to_volume(const DiskName& disk, const std::string& name, const std::string& volume,
                                                  std::vector<std::string> initiators) {
    if (const Result<void> valid = check_store_name("A volume's name", volume); !valid) {
        return valid.error();
    }
    const Result<CloneSource> source = clone_source(disk, name, {DiskKind::volume, volume});
    if (!source) {
        return source.error();
    }
    const auto& [target, one_at_a_time, layers_stay, tree, snapshot] = *source;
    if (find_named(tree.volumes, volume, &VolumeRow::name) != nullptr) {
        return make_error(std::errc::file_exists, "There is a volume " + volume + " already. Choose another name, or remove that one.");
    }
    const Result<std::string> file = free_file({DiskKind::volume, volume});
    const Result<std::shared_ptr<Master>> master = master_on(snapshot->layer);
    if (!file || !master) {
        return file ? master.error() : file.error();
    }
    VolumeRow row{volume, (*master)->geometry().size_bytes, *file, std::move(initiators), clock_.wall()};
    row.options.block_size = (*master)->geometry().logical_block_size;
    row.layer = snapshot->layer;
    const Result<void> added = add_child(*tree.find(snapshot->layer), *file, {.put_volumes = {row}});
    return added ? Result<VolumeRow>(row) : Result<VolumeRow>(added.error());
}

/// A new, empty file over `layer`, and its row.
Result<void> DirectoryStore::add_child(const LayerRow& layer, const std::string& file, const CatalogueChange& row) {
    Result<void> done = make_child(file, layer);
    done = done ? catalogue_.apply(row) : done;
    return done ? layout_.publish(file) : done;
}

} // namespace rootstock::images
