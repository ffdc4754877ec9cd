#include "core/text.hpp"
#include "images/directory_store.hpp"

#include <algorithm>

namespace rootstock::images {
Result<ImageVersion> DirectoryStore::import(const ImportSource& source, const std::string& name, const ProgressCallback& progress) {
    if (const Result<void> valid = check_store_name("An image's name", name); !valid) {
        return valid.error();
    }
    const std::shared_ptr<Slot> image = slot("image/" + name);
    std::lock_guard one_at_a_time(image->mutex);
    Result<ImageVersion> version = new_version(name);
    if (!version) {
        return version;
    }
    if (const Result<void> cleared = layout_.clear_new(version->file); !cleared) {
        return cleared.error();
    }
    const Result<ImportedMaster> imported = import_image(files_, source, layout_.path(version->file) + std::string(new_suffix), progress);
    if (!imported) {
        return imported.error();
    }
    version->identity = imported->identity;
    version->created = clock_.wall();
    Result<void> added = catalogue_.apply({.put_layers = {{version->file, {}, {}, version->identity, version->created}},
                                           .put_contents = {{version->file, version->identity.data_write_guid, imported->digest}},
                                           .add_versions = {*version}});
    if (!added) {
        const Result<void> undone = layout_.clear_new(version->file); // if even that fails, the next start does it
        return added.error();
    }
    added = layout_.publish(version->file);
    return added ? version : Result<ImageVersion>(added.error());
}

Result<std::vector<ImageInfo>> DirectoryStore::images() {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    std::vector<ImageInfo> infos;
    for (const ImageVersion& version : tree->versions) {
        const LayerRow* layer = version.current ? tree->find(version.file) : nullptr;
        if (layer == nullptr) {
            continue;
        }
        ImageInfo info;
        info.version = version;
        for (const OverlayRow& row : tree->overlays) {
            if (row.image == version.image) {
                add_once(info.machines, machine_of(row));
            }
        }
        info.stored_bytes = stored_bytes(version.file);
        Result<LayerContent> content = content_of(*tree, *layer);
        if (!content) {
            return content.error();
        }
        info.content = std::move(*content);
        infos.push_back(std::move(info));
    }
    return infos;
}

Result<void> DirectoryStore::remove_image(const std::string& name) {
    const std::shared_ptr<Slot> image = slot("image/" + name);
    std::lock_guard one_at_a_time(image->mutex);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    std::vector<std::string> users;
    bool found = false;
    for (const ImageVersion& version : tree->versions) {
        if (version.image == name) {
            found = true;
            tree->add_users(version, users);
        }
    }
    if (!found) {
        return not_found("There is no image " + name + ".");
    }
    if (!users.empty()) {
        return busy("Image " + name + " is the base of the disks of " + join(users, ", ") + ". Reset or remove these first.");
    }
    const Result<void> removed = apply_and_remove({.remove_images = {name}}, {});
    if (removed) {
        let_cool(name, 0);
    }
    return removed;
}

} // namespace rootstock::images
