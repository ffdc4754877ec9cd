// Disks as the catalogue names them: the file that is written to, its rows, and what to say where there is none. Pure; of the store's own parts.
#pragma once

#include "images/layer_tree.hpp"

namespace rootstock::images {

[[nodiscard]] inline Error not_found(const std::string& what) { return make_error(std::errc::no_such_file_or_directory, what); }
[[nodiscard]] inline Error busy(const std::string& what) { return make_error(std::errc::device_or_resource_busy, what); }

/// A file of the catalogue that is written to: a machine's overlay, or a volume.
struct WritableFile {
    DiskName disk;
    std::string file;
    std::string layer; // empty: it stands on none
    OverlayKind kind = OverlayKind::persistent;
};

/// "machine/NAME" or "volume/NAME": of its slot and its account.
[[nodiscard]] std::string slot_key(const DiskName& disk);
/// What of `disk` can have snapshots.
[[nodiscard]] Result<WritableFile> writable_of(const LayerTree& tree, const DiskName& disk);
/// The row of `disk`, which there is, when it is `now`.
[[nodiscard]] CatalogueChange put_writable(const LayerTree& tree, const WritableFile& now);
/// Of a disk that there is.
[[nodiscard]] SnapshotRow new_snapshot(const LayerTree& tree, const DiskName& disk, const std::string& name, const LayerRow& layer);
[[nodiscard]] Error no_snapshot(const DiskName& disk, const std::string& name);
/// Whether another file may stand on these.
[[nodiscard]] Result<void> check_depth(const std::vector<LayerRow>& below, const std::string& what);

} // namespace rootstock::images
