#include "images/directory_store.hpp"
#include "images/live_map.hpp"
#include "images/swappable_disk.hpp"
#include "images/vhdx_image.hpp"

#include <algorithm>

namespace rootstock::images {

Result<std::optional<OverlayRow>> DirectoryStore::overlay_of(const std::string& machine) {
    const Result<std::vector<OverlayRow>> overlays = catalogue_.overlays();
    if (!overlays) {
        return overlays.error();
    }
    const auto found = std::find_if(overlays->begin(), overlays->end(), [&](const OverlayRow& row) { return row.machine == machine; });
    return found == overlays->end() ? std::optional<OverlayRow>() : *found;
}

Result<std::shared_ptr<Overlay>> DirectoryStore::open_machine_disk(const std::string& machine, const std::string& image, OverlayKind kind,
                                                                          std::optional<std::uint32_t> version) {
    if (const Result<void> valid = check_store_name("A machine's name", machine); !valid) {
        return valid.error();
    }
    const std::shared_ptr<Slot> mine = slot("machine/" + machine);
    std::lock_guard one_at_a_time(mine->mutex);
    if (const Result<void> free = check_not_held(*mine, machine); !free) {
        return free.error();
    }
    const Result<std::optional<OverlayRow>> row = overlay_of(machine);
    if (!row) {
        return row.error();
    }
    const bool fits = *row && (*row)->image == image && (*row)->kind == kind;
    if (fits && mine->disk) {
        return mine->disk;
    }
    if (*row && !fits) {
        if ((*row)->kind == OverlayKind::persistent || mine->in_use()) {
            return busy("Machine " + machine + " has a disk over version " + std::to_string((*row)->version) + " of image " + (*row)->image +
                        ", which is not what it is to boot now. Reset the machine to throw that disk away.");
        }
        mine->disk.reset();
        if (const Result<void> removed = remove_overlay_of(**row); !removed) {
            return removed.error();
        }
    }
    Result<std::shared_ptr<Overlay>> disk = fits ? open_existing(**row) : create_overlay(machine, image, kind, version);
    if (disk) {
        (*disk)->charge_to(space_.account("machine/" + machine));
        mine->disk = *disk;
    }
    return disk;
}

Result<std::shared_ptr<Overlay>> DirectoryStore::open_existing(const OverlayRow& row) {
    Result<std::shared_ptr<Master>> master = master_on(row.layer);
    if (!master) {
        return master.error();
    }
    master = traces_.watch(row, std::move(*master));
    if (row.kind == OverlayKind::reset) {
        return open_reset(row, std::move(*master));
    }
    if (const Result<void> in_place = layout_.finish_publishing(row.file); !in_place) {
        return in_place.error();
    }
    Result<std::shared_ptr<Overlay>> disk = open_persistent_overlay(files_, layout_.path(row.file), std::move(*master));
    return disk ? std::shared_ptr<Overlay>(std::make_shared<SwappableDisk>(std::move(*disk))) : disk;
}

/// What cannot be opened any more is made anew: nothing of it was to be kept for longer than a boot.
Result<std::shared_ptr<Overlay>> DirectoryStore::open_reset(const OverlayRow& row, std::shared_ptr<Master> master) {
    Result<std::shared_ptr<Overlay>> disk = open_reset_overlay(files_, layout_.path(row.file), master);
    if (disk) {
        return disk;
    }
    log_.info("images.overlay.made_anew", {{"machine", row.machine}, {"reason", disk.error().what}});
    if (const Result<void> removed = remove_disk(files_, layout_.path(row.file)); !removed) {
        return removed.error();
    }
    if (const Result<void> created = create_reset_overlay(files_, layout_.path(row.file), *master); !created) {
        return created.error();
    }
    return open_reset_overlay(files_, layout_.path(row.file), std::move(master));
}

Result<std::shared_ptr<Overlay>> DirectoryStore::create_overlay(const std::string& machine, const std::string& image, OverlayKind kind,
                                                                       std::optional<std::uint32_t> number) {
    std::shared_lock image_stays(dependence_);
    const Result<ImageVersion> version = find_version(image, number);
    if (!version) {
        return version.error();
    }
    OverlayRow row{machine, image, version->number, kind, overlay_file(machine, kind), clock_.wall(), version->file, {}};
    Result<std::shared_ptr<Master>> master = master_on(row.layer); // nothing is made over one that cannot be used
    if (!master) {
        return master.error();
    }
    if (kind == OverlayKind::reset) {
        const Result<void> put = catalogue_.put_overlay(row);
        return put ? open_reset(row, traces_.watch(row, std::move(*master))) : Result<std::shared_ptr<Overlay>>(put.error());
    }
    const Result<std::string> file = free_file({DiskKind::machine, machine});
    if (!file) {
        return file.error();
    }
    row.file = *file;
    Result<std::unique_ptr<NewOverlay>> child = make_open_child(row.file, parent_disk(**master));
    Result<void> done = child ? catalogue_.put_overlay(row) : Result<void>(child.error());
    done = done ? layout_.publish(row.file) : done;
    if (!done) {
        discard_child(row.file);
        return done.error();
    }
    return std::shared_ptr<Overlay>(std::make_shared<SwappableDisk>((*child)->over(traces_.watch(row, std::move(*master)))));
}

/// `file`.new: a new, empty child that is open, with all that it needs to be written to.
Result<std::unique_ptr<NewOverlay>> DirectoryStore::make_open_child(const std::string& file, const ParentDisk& parent) {
    const Result<void> cleared = layout_.clear_new(file);
    return cleared ? make_new_overlay(files_, layout_.path(file) + std::string(new_suffix), layout_.path(file), parent)
                   : Result<std::unique_ptr<NewOverlay>>(cleared.error());
}

/// After a failure: what was made for `file` goes, unless the catalogue knows it now. If even that fails, the next start does it.
void DirectoryStore::discard_child(const std::string& file) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    const std::vector<std::string> known = tree ? tree->files() : std::vector<std::string>();
    if (!tree || std::ranges::find(known, file) != known.end()) {
        return;
    }
    static_cast<void>(layout_.clear_new(file));
    static_cast<void>(files_.remove(LiveMap::path_of(layout_.path(file))));
}

/// `file`.new: a new, empty child of `parent`, which may be on its way to its place.
Result<void> DirectoryStore::make_child(const std::string& file, const LayerRow& parent) {
    const Result<std::unique_ptr<File>> there = files_.open(layout_.path(parent.origin.empty() ? parent.file : parent.origin), OpenMode::read_only);
    if (!there) {
        return there.error();
    }
    const Result<VhdxImage> image = open_vhdx_read_only(**there);
    if (!image) {
        return image.error();
    }
    const VhdxMetadata& metadata = image->metadata;
    const ParentDisk disk{layout_.path(parent.file), parent.identity.data_write_guid,
                          {metadata.virtual_disk_size, metadata.logical_sector_size, metadata.physical_sector_size, 0, true}};
    const Result<void> cleared = layout_.clear_new(file);
    return cleared ? create_persistent_overlay(files_, layout_.path(file) + std::string(new_suffix), disk) : cleared;
}

Result<void> DirectoryStore::remove_machine_disk(const std::string& machine) {
    const std::shared_ptr<Slot> mine = slot("machine/" + machine);
    std::lock_guard one_at_a_time(mine->mutex);
    if (const Result<void> free = check_not_held(*mine, machine); !free) {
        return free;
    }
    if (mine->in_use()) {
        return busy("The disk of machine " + machine + " is in use. Switch the machine off, or end its sessions, first.");
    }
    const Result<std::optional<OverlayRow>> row = overlay_of(machine);
    if (!row) {
        return row.error();
    }
    mine->disk.reset();
    return *row ? remove_overlay_of(**row) : Result<void>();
}

Result<void> DirectoryStore::remove_overlay_of(const OverlayRow& row) {
    Result<void> removed = apply_and_remove({.remove_overlays = {row.machine}}, {row.file});
    if (removed) {
        space_.forget("machine/" + row.machine);
    }
    return removed;
}

} // namespace rootstock::images
