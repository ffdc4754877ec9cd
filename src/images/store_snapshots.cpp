// DirectoryStore, the snapshots: taken of disks that may be in use, gone back to, removed, and made new disks of.
#include "images/directory_store.hpp"

#include <algorithm>

namespace rootstock::images {
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

/// The old file, closed and clean, is a layer from now on, and `next`, whose file waits under its new name, the disk. The old file stays where it is: who
/// reads it by its path goes on doing so.
Result<void> DirectoryStore::seal(const NewLayer& layer, const WritableFile& next, const std::string& snapshot) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    CatalogueChange change = put_writable(*tree, next);
    change.put_layers = {layer.row};
    change.put_snapshots = {new_snapshot(*tree, next.disk, snapshot, layer.row)};
    if (const Result<void> done = catalogue_.apply(change); !done) {
        return done;
    }
    {
        const std::lock_guard lock(mutex_);
        masters_[layer.row.file] = layer.master; // whoever opens it next finds it flattened
    }
    return layout_.publish(next.file);
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
    std::shared_lock layers_stay(dependence_);
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
    if (tree->find(disk, name) != nullptr) {
        return make_error(std::errc::file_exists, "There is a snapshot " + name + " of " + in_words(disk) + " already. Choose another name.");
    }
    const Result<std::vector<LayerRow>> below = tree->chain(now->layer);
    if (!below) {
        return below.error();
    }
    if (const Result<void> low = check_depth(*below, "The disk of " + in_words(disk)); !low) {
        return low.error();
    }
    const Result<std::string> file = free_file(disk);
    if (!file) {
        return file.error();
    }
    const bool copied = now->kind == OverlayKind::reset;
    if (copied) {
        layers_stay.unlock(); // copying takes its time; what the disk stands on stays as long as the slot is locked
    }
    const WritableFile next{disk, *file, now->file};
    const Result<void> taken = copied       ? copy_slot(*mine, *now, *file, name)
                               : mine->disk ? seal_open(*mine, *now, next, name)
                                            : seal_closed(*mine, *now, next, name);
    if (!taken) {
        return taken.error();
    }
    space_.account(slot_key(disk))->add_kept(stored_bytes(copied ? *file : now->file)); // the quotas count it on; count_closed() knows better soon
    const Result<LayerTree> after = LayerTree::read(catalogue_);
    const SnapshotRow* row = after ? after->find(disk, name) : nullptr;
    return row != nullptr ? Result<SnapshotRow>(*row) : after ? no_snapshot(disk, name) : after.error();
}

/// After a seal() that failed: once the catalogue has the file as a layer, nobody may write to it any more, whatever failed then.
Result<std::shared_ptr<Overlay>> DirectoryStore::open_as_catalogued(const DiskName& disk) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    const Result<WritableFile> file = tree ? writable_of(*tree, disk) : Result<WritableFile>(tree.error());
    return file ? open_writable(*file) : Result<std::shared_ptr<Overlay>>(file.error());
}

Result<void> DirectoryStore::seal_closed(Slot& slot, const WritableFile& now, const WritableFile& next, const std::string& snapshot) {
    const Result<void> closed = close_cleanly(now, slot);
    const Result<NewLayer> layer = closed ? as_layer(now) : Result<NewLayer>(closed.error());
    Result<void> done = layer ? make_child(next.file, layer->row) : Result<void>(layer.error());
    done = done ? seal(*layer, next, snapshot) : done;
    if (!done) {
        discard_child(next.file);
        return done;
    }
    return finish_sealing(layer->row);
}

/// Everything that takes its time, or space, is done before the disk's users have to wait: they wait for what is left to be flushed, the headers of the closed
/// file, and the catalogue. Whatever fails, they go on with `next`, or with what there was.
Result<void> DirectoryStore::seal_open(Slot& slot, const WritableFile& now, const WritableFile& next, const std::string& snapshot) {
    // What its users have been handed of the files below stays mapped until they have the new disk over the same files.
    const Result<std::shared_ptr<Master>> below = now.layer.empty() ? std::shared_ptr<Master>() : master_on(now.layer);
    if (!below) {
        return below.error();
    }
    const std::optional<Guid> known_by = slot.disk->data_write_guid();
    if (!known_by) {
        return busy("The disk of " + in_words(now.disk) + " could not be opened when it was last exchanged; end its sessions first.");
    }
    std::shared_ptr<Master> read_from = slot.disk->parent(); // that of the moment it was opened: files may have been written anew since
    Result<std::unique_ptr<NewOverlay>> child = make_open_child(next.file, {layout_.path(now.file), *known_by, slot.disk->geometry()});
    if (!child) {
        return child.error();
    }
    if (!slot.disk->flush()) { // what it leaves to be done at the exchange is little
        discard_child(next.file);
        return make_error(std::errc::io_error, "The disk of " + in_words(now.disk) + " could not be flushed; see the log.");
    }
    Result<void> sealed;
    std::optional<NewLayer> layer;
    const Result<void> opened = slot.disk->exchange([&](Result<void> closed) -> Result<std::shared_ptr<Overlay>> {
        Result<NewLayer> made = closed ? as_layer(now) : Result<NewLayer>(closed.error());
        sealed = made ? seal(*made, next, snapshot) : Result<void>(made.error());
        if (sealed) {
            layer = std::move(*made);
            return (*child)->over(layer->master);
        }
        child->reset(); // with the lock of its file
        return open_as_catalogued(now.disk);
    });
    if (read_from != *below) {
        keep_for_readers(std::move(read_from));
    }
    if (!sealed) {
        discard_child(next.file);
        return sealed;
    }
    const Result<void> finished = finish_sealing(layer->row);
    return opened ? finished : opened;
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
    const SnapshotRow* row = tree->find(disk, name);
    if (row == nullptr) {
        return no_snapshot(disk, name);
    }
    const OverlayRow* overlay = disk.kind == DiskKind::machine ? tree->overlay(disk.name) : nullptr;
    if (overlay != nullptr && overlay->restore == name) {
        return busy("Machine " + disk.name + " goes back to snapshot " + name + " at its next boot. Restart it, or restore another one, first.");
    }
    return apply_and_remove({.remove_snapshots = {*row}}, {});
}

Result<RestoreTime> DirectoryStore::restore_snapshot(const DiskName& disk, const std::string& name, OverlayKind kind) {
    const std::shared_ptr<Slot> mine = slot(slot_key(disk));
    const std::lock_guard one_at_a_time(mine->mutex);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    const SnapshotRow* snapshot = tree->find(disk, name);
    if (snapshot == nullptr) {
        return no_snapshot(disk, name);
    }
    const bool is_reset = disk.kind == DiskKind::machine && kind == OverlayKind::reset;
    if (!is_reset && (!mine->disk || !mine->in_use())) {
        const Result<void> restored = restore_now(*mine, *tree, disk, name);
        return restored ? Result<RestoreTime>(RestoreTime::now) : restored.error();
    }
    if (disk.kind == DiskKind::volume) {
        return busy("Volume " + disk.name + " is in use. End its sessions first.");
    }
    const OverlayRow* now = tree->overlay(disk.name);
    OverlayRow row = now != nullptr ? *now : new_overlay(disk.name, *snapshot, kind, overlay_file(disk.name, kind));
    row.restore = name;
    const Result<void> put = catalogue_.put_overlay(row);
    return put ? Result<RestoreTime>(RestoreTime::next_boot) : put.error();
}

Result<void> DirectoryStore::begin_boot(const std::string& machine, OverlayKind kind) {
    const std::shared_ptr<Slot> mine = slot(slot_key({DiskKind::machine, machine}));
    const std::lock_guard one_at_a_time(mine->mutex);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    traces_.expect(machine);
    const OverlayRow* row = tree->overlay(machine);
    if (row == nullptr || (row->restore.empty() && kind == OverlayKind::persistent)) {
        return {};
    }
    if (mine->in_use()) {
        return busy("The disk of machine " + machine + " is in use, and its boot has to begin with another one. End its sessions.");
    }
    if (kind == OverlayKind::persistent) {
        return restore_now(*mine, *tree, {DiskKind::machine, machine}, row->restore);
    }
    if (Result<void> free = check_not_held(*mine, machine); !free) {
        return free;
    }
    mine->disk.reset();
    return row->restore.empty() ? remove_overlay_of(*row) : restore_reset(*tree, *row);
}

/// The disk of this boot is over the snapshot; the next boot's is over its version again.
Result<void> DirectoryStore::restore_reset(const LayerTree& tree, const OverlayRow& row) {
    const DiskName disk{DiskKind::machine, row.machine};
    const SnapshotRow* snapshot = tree.find(disk, row.restore);
    if (snapshot == nullptr) {
        return no_snapshot(disk, row.restore);
    }
    const OverlayRow next = new_overlay(row.machine, *snapshot, OverlayKind::reset, overlay_file(row.machine, OverlayKind::reset));
    // Its own file has the name of the one before. That one goes before anything says what it stands on: it must never be found over something else.
    if (Result<void> removed = remove_disk(files_, layout_.path(next.file)); !removed) {
        return removed;
    }
    return apply_and_remove({.put_overlays = {next}}, row.file == next.file ? std::vector<std::string>() : std::vector<std::string>{row.file});
}

/// What the disk holds now goes; it is a new, empty file over the snapshot then. The slot is locked, and nobody uses the disk.
Result<void> DirectoryStore::restore_now(Slot& slot, const LayerTree& tree, const DiskName& disk, const std::string& name) {
    if (Result<void> free = check_not_held(slot, disk.name); !free) {
        return free;
    }
    const SnapshotRow* snapshot = tree.find(disk, name);
    const Result<std::string> file = free_file(disk);
    if (snapshot == nullptr || !file) {
        return snapshot == nullptr ? no_snapshot(disk, name) : file.error();
    }
    const Result<WritableFile> now = writable_of(tree, disk);
    CatalogueChange change;
    if (disk.kind == DiskKind::machine) { // it may have been reset since then
        change.put_overlays = {new_overlay(disk.name, *snapshot, OverlayKind::persistent, *file)};
    } else if (now) {
        change = put_writable(tree, {disk, *file, snapshot->layer});
    } else {
        return now.error();
    }
    slot.disk.reset();
    Result<void> done = make_child(*file, *tree.find(snapshot->layer));
    done = done ? apply_and_remove(std::move(change), now ? std::vector<std::string>{now->file} : std::vector<std::string>()) : done;
    return done ? layout_.publish(*file) : done;
}

OverlayRow DirectoryStore::new_overlay(const std::string& machine, const SnapshotRow& snapshot, OverlayKind kind, const std::string& file) const {
    return {machine, snapshot.image, snapshot.version, kind, file, clock_.wall(), snapshot.layer, {}};
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
    source.snapshot = source.tree.find(disk, name);
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
    if (tree.overlay(machine) != nullptr) {
        return make_error(std::errc::file_exists, "Machine " + machine + " has a disk already. Reset the machine to throw that disk away.");
    }
    const Result<std::string> file = free_file({DiskKind::machine, machine});
    if (!file) {
        return file.error();
    }
    return add_child(*tree.find(snapshot->layer), *file, {.put_overlays = {new_overlay(machine, *snapshot, OverlayKind::persistent, *file)}});
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
    if (tree.volume(volume) != nullptr) {
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
