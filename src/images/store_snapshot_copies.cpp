// DirectoryStore, the snapshots of disks that are no VHDX: a reset overlay goes on as it is, and what it holds is copied into a layer of the snapshot's own.
// Until the row is written there is no snapshot: a crash in between leaves FILE.new, which goes at the next start.
#include "images/directory_store.hpp"

#include "core/text.hpp"

namespace rootstock::images {

void DirectoryStore::end_copy(const std::string& machine) { slot(slot_key({DiskKind::machine, machine}))->copy_wanted = false; }

/// The one that is open, or was left by the last process. One that did not outlive the host holds nothing.
Result<std::shared_ptr<Overlay>> DirectoryStore::disk_to_copy(const Slot& slot, const WritableFile& now, const std::shared_ptr<Master>& master) {
    if (slot.disk) {
        return slot.disk;
    }
    Result<std::shared_ptr<Overlay>> disk = open_reset_overlay(files_, layout_.path(now.file), master);
    if (!disk) {
        return not_found("Machine " + now.disk.name + " has no disk now: it was thrown away, and its next boot makes a new one. Start the machine first.");
    }
    return disk;
}

Result<void> DirectoryStore::check_room(const WritableFile& now, std::uint64_t bytes) {
    const Result<FileSystem::Space> space = files_.space(layout_.path(""));
    if (!space) {
        return space.error();
    }
    if (space->free_bytes < bytes || !space_.account(slot_key(now.disk))->may_take(bytes)) {
        return make_error(std::errc::no_space_on_device, "The disk of machine " + now.disk.name + " is copied for a snapshot, which needs " + format_size(bytes) +
                                                             ": that is more than its limits, or the file system, leave. See: rootstock status");
    }
    return {};
}

/// Into `path`, an empty child of what the disk stands on.
Result<void> DirectoryStore::copy_disk(Slot& slot, const WritableFile& now, const std::string& path) {
    const Result<std::shared_ptr<Master>> master = master_on(now.layer);
    if (!master) {
        return master.error();
    }
    const Result<std::shared_ptr<Overlay>> disk = disk_to_copy(slot, now, *master);
    if (!disk) {
        return disk.error();
    }
    if (Result<void> room = check_room(now, (*disk)->allocated_bytes()); !room) {
        return room;
    }
    const Result<std::shared_ptr<Overlay>> copy = open_persistent_overlay(files_, path, *master);
    if (!copy) {
        return copy.error();
    }
    slot.copy_wanted = true;
    const Result<void> copied = (*disk)->copy_own(**copy, [&] { return slot.copy_wanted.load(); });
    slot.copy_wanted = false;
    if (copied) {
        return (*copy)->close();
    }
    if (copied.error().code == std::errc::operation_canceled) {
        return busy("Machine " + now.disk.name + " began a new boot while its disk was copied, and that disk is gone. Take the snapshot again.");
    }
    return Error{copied.error().code, "The disk of machine " + now.disk.name + " could not be copied: " + copied.error().what};
}

Result<void> DirectoryStore::copy_slot(Slot& slot, const WritableFile& now, const std::string& file, const std::string& snapshot) {
    const std::string path = layout_.path(file) + std::string(new_suffix);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    const LayerRow* below = tree ? tree->find(now.layer) : nullptr;
    if (below == nullptr) {
        return tree ? not_found("The layer " + now.layer + " is not in the catalogue.") : tree.error();
    }
    Result<void> done = make_child(file, *below);
    done = done ? copy_disk(slot, now, path) : done;
    if (done) {
        const Result<LayerRow> layer = new_layer(file, now.layer);
        const std::shared_lock layers_stay(dependence_);
        done = layer ? catalogue_.apply({.put_layers = {*layer}, .put_snapshots = {new_snapshot(*tree, now.disk, snapshot, *layer)}})
                     : Result<void>(layer.error());
    }
    if (!done) {
        const Result<void> gone = remove_disk(files_, path); // if even that fails, the next start does it
        return done;
    }
    return layout_.publish(file);
}

} // namespace rootstock::images
