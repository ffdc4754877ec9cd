#include "images/writable_file.hpp"

#include "images/limits.hpp"

namespace rootstock::images {

std::string slot_key(const DiskName& disk) { return (disk.kind == DiskKind::machine ? "machine/" : "volume/") + disk.name; }

Error no_snapshot(const DiskName& disk, const std::string& name) {
    return not_found("There is no snapshot " + name + " of " + in_words(disk) + ". List them: rootstock snapshot list");
}

Result<void> check_depth(const std::vector<LayerRow>& below, const std::string& what) {
    return below.size() < limits::chain_depth ? Result<void>()
                                              : make_error(std::errc::not_supported, what + " stands on " + std::to_string(below.size()) +
                                                                                         " files already. Shorten that first: rootstock snapshot flatten");
}

Result<WritableFile> writable_of(const LayerTree& tree, const DiskName& disk) {
    if (disk.kind == DiskKind::volume) {
        const VolumeRow* row = tree.volume(disk.name);
        if (row == nullptr) {
            return not_found("There is no volume " + disk.name + ".");
        }
        if (row->options.kind != VolumeKind::disk) {
            return make_error(std::errc::not_supported, "Volume " + disk.name + " has no file of its own and no snapshots.");
        }
        return WritableFile{disk, row->file, row->layer};
    }
    const OverlayRow* row = tree.overlay(disk.name);
    if (row == nullptr) {
        return not_found("Machine " + disk.name + " has no disk of its own yet: it gets one at its first boot.");
    }
    return WritableFile{disk, row->file, row->layer, row->kind};
}

CatalogueChange put_writable(const LayerTree& tree, const WritableFile& now) {
    CatalogueChange change;
    if (now.disk.kind == DiskKind::volume) {
        change.put_volumes = {*tree.volume(now.disk.name)};
        change.put_volumes.front().file = now.file;
        change.put_volumes.front().layer = now.layer;
    } else {
        change.put_overlays = {*tree.overlay(now.disk.name)};
        change.put_overlays.front().file = now.file;
        change.put_overlays.front().layer = now.layer;
    }
    return change;
}

SnapshotRow new_snapshot(const LayerTree& tree, const DiskName& disk, const std::string& name, const LayerRow& layer) {
    SnapshotRow row{disk, name, layer.file, {}, 0, layer.created};
    if (disk.kind == DiskKind::machine) {
        const OverlayRow& overlay = *tree.overlay(disk.name);
        row.image = overlay.image;
        row.version = overlay.version;
    }
    return row;
}

} // namespace rootstock::images
