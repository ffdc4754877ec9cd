// DirectoryStore: a machine's disk becomes the next version of an image.
#include "images/directory_store.hpp"

#include "images/vhdx_image.hpp"

#include <algorithm>
#include <utility>

namespace rootstock::images {

namespace {

/// Of the log, for whoever opens the file to write to it after all: a full disk may have nothing else for that.
constexpr std::uint64_t kept_of_log = std::uint64_t{64} << 10U;

/// The log of a file that is written to no more holds nothing: its reserved space goes back. A failure costs that space alone.
void give_back_log(FileSystem& files, const std::string& path) {
    const auto file = files.open(path, OpenMode::read_write);
    if (!file) {
        return;
    }
    if (const auto image = open_vhdx_read_only(**file); image && !image->replay) {
        static_cast<void>((*file)->punch_hole(image->current.header.log_offset + kept_of_log, image->current.header.log_length - kept_of_log));
    }
}

} // namespace

/// A name for a new file of `disk`: snapshots and versions may have kept the usual one.
Result<std::string> DirectoryStore::free_file(const DiskName& disk) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    const std::vector<std::string> known = tree->files();
    for (unsigned number = 1;; ++number) {
        const std::string file =
            disk.kind == DiskKind::machine ? overlay_file(disk.name, OverlayKind::persistent, number) : volume_file(disk.name, number);
        if (std::ranges::find(known, file) != known.end()) {
            continue;
        }
        if (files_.exists(layout_.path(file))) {
            return make_error(std::errc::file_exists, layout_.path(file) + " exists but is not in the catalogue. Move it away, then try again.");
        }
        return file;
    }
}

/// The next version of `image`, without a file yet: its directory is there, and nothing lies at its place.
Result<ImageVersion> DirectoryStore::new_version(const std::string& image) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    ImageVersion version;
    version.image = image;
    version.current = true;
    version.created = clock_.wall();
    for (const ImageVersion& other : tree->versions) {
        version.number = other.image == image ? std::max(version.number, other.number) : version.number;
    }
    do { // a version that is gone may have left a layer that others stand on
        ++version.number;
        version.file = version_file(image, version.number);
    } while (tree->find(version.file) != nullptr);
    const std::string path = layout_.path(version.file);
    if (files_.exists(path)) {
        return make_error(std::errc::file_exists, path + " exists but is not in the catalogue. Move it away, then try again.");
    }
    if (const Result<void> made = files_.make_directories(layout_.path("images/" + image)); !made) {
        return made.error();
    }
    return version;
}

/// A file that was closed cleanly, as a layer at its present place: sound over what it stands on, and opened as a master already.
Result<DirectoryStore::NewLayer> DirectoryStore::as_layer(const WritableFile& row) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    const Result<std::vector<LayerRow>> below = tree->chain(row.layer);
    if (!below) {
        return below.error();
    }
    give_back_log(files_, layout_.path(row.file));
    std::vector<LayerPlace> places = places_of(*below);
    places.insert(places.begin(), LayerPlace{layout_.path(row.file), {}});
    Result<std::shared_ptr<Master>> master = open_master(open_files_, places);
    if (!master) {
        return master.error();
    }
    return NewLayer{{row.file, row.layer, {}, (*master)->identity(), clock_.wall()}, std::move(*master)};
}

/// FILE.new, which was closed cleanly and is written to no more, as a layer that has no row yet.
Result<LayerRow> DirectoryStore::new_layer(const std::string& file, const std::string& parent) {
    const std::string path = layout_.path(file) + std::string(new_suffix);
    give_back_log(files_, path);
    const auto opened = LayerFile::open(files_, {path, {}});
    if (!opened) {
        return opened.error();
    }
    const Result<void> sealed = files_.make_read_only(path);
    return sealed ? Result<LayerRow>(LayerRow{file, parent, {}, (*opened)->identity(), clock_.wall()}) : sealed.error();
}

/// `release`: as in publish().
CatalogueChange DirectoryStore::put_version(ImageVersion& version, const LayerRow& layer, const std::optional<Release>& release) {
    version.current = !release || version.number == 1;
    version.identity = layer.identity;
    CatalogueChange change{.put_layers = {layer}, .add_versions = {version}};
    if (!version.current) {
        change.add_releases = {*release};
        change.add_releases.front().image = version.image;
        change.add_releases.front().version = version.number;
    }
    return change;
}

Result<ImageVersion> DirectoryStore::publish_snapshot(const DiskName& disk, const std::string& snapshot, const std::string& image,
                                                      const std::optional<Release>& release) {
    if (const Result<void> valid = check_store_name("An image's name", image); !valid) {
        return valid.error();
    }
    const std::shared_ptr<Slot> of_image = slot("image/" + image);
    const std::shared_ptr<Slot> of_disk = slot(slot_key(disk));
    const std::scoped_lock one_at_a_time(of_image->mutex, of_disk->mutex);
    const std::shared_lock layers_stay(dependence_);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    const SnapshotRow* row = tree->find(disk, snapshot);
    if (row == nullptr) {
        return no_snapshot(disk, snapshot);
    }
    const Result<std::vector<LayerRow>> below = tree->chain(row->layer);
    Result<void> done = below ? check_depth(*below, in_words(*row)) : Result<void>(below.error());
    Result<ImageVersion> version = new_version(image);
    if (!done || !version) {
        return done ? version.error() : done.error();
    }
    done = make_child(version->file, below->front());
    const Result<LayerRow> layer = done ? new_layer(version->file, row->layer) : Result<LayerRow>(done.error());
    if (!layer) {
        return layer.error();
    }
    done = catalogue_.apply(put_version(*version, *layer, release));
    done = done ? layout_.publish(version->file) : done;
    return done ? version : Result<ImageVersion>(done.error());
}

Result<ImageVersion> DirectoryStore::publish(const std::string& machine, const std::string& image, AfterPublish after,
                                             const std::optional<Release>& release) {
    if (const Result<void> valid = check_store_name("An image's name", image); !valid) {
        return valid.error();
    }
    const std::shared_ptr<Slot> of_image = slot("image/" + image);
    const std::shared_ptr<Slot> of_machine = slot("machine/" + machine);
    const std::scoped_lock one_at_a_time(of_image->mutex, of_machine->mutex);
    const Result<OverlayRow> row = idle_persistent_overlay(machine, *of_machine);
    if (!row) {
        return row.error();
    }
    const std::shared_lock layers_stay(dependence_);
    const WritableFile disk{{DiskKind::machine, machine}, row->file, row->layer};
    if (const Result<void> closed = close_cleanly(disk, *of_machine); !closed) {
        return closed.error();
    }
    Result<NewLayer> closed = as_layer(disk);
    Result<ImageVersion> version = new_version(image);
    if (!closed || !version) {
        return closed ? version.error() : closed.error();
    }
    LayerRow& layer = closed->row;
    layer.origin = std::exchange(layer.file, version->file);
    CatalogueChange change = put_version(*version, layer, release);
    Result<void> done;
    OverlayRow next = *row;
    if (after == AfterPublish::machine_goes_on) {
        const Result<std::string> file = free_file(disk.disk);
        if (!file) {
            return file.error();
        }
        const bool of_its_image = row->image == image; // else it goes on booting its own
        next = {machine, row->image, of_its_image ? version->number : row->version, OverlayKind::persistent, *file, clock_.wall(), layer.file, {}};
        done = make_child(next.file, layer);
        change.put_overlays = {next};
    } else {
        change.remove_overlays = {machine};
        if (after == AfterPublish::maintenance_ends) {
            change.rename_overlays = {{kept_owner(machine), machine}};
            change.remove_maintenance = {machine};
        }
    }
    done = done ? catalogue_.apply(change) : done;
    done = done ? settle(layer) : done;
    if (done && after == AfterPublish::machine_goes_on) {
        done = layout_.publish(next.file);
    }
    return done ? version : Result<ImageVersion>(done.error());
}

} // namespace rootstock::images
