// DirectoryStore, the layers: opening what stands on them, moving them to their place, removing what nobody needs.
#include "images/directory_store.hpp"

#include "core/text.hpp"
#include "images/limits.hpp"
#include "images/live_map.hpp"
#include "images/vhdx_metadata_change.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>

namespace rootstock::images {

Result<std::shared_ptr<Master>> DirectoryStore::master_on(const std::string& layer) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    const Result<std::vector<LayerRow>> chain = tree->chain(layer);
    if (!chain) {
        return chain.error();
    }
    if (const Result<void> sound = check_sound(*chain); !sound) {
        return unusable_layer(*tree, layer, sound.error());
    }
    std::lock_guard lock(mutex_); // opening a master is quick, and must happen once
    std::shared_ptr<Master>& master = masters_[layer]; // who has the one before keeps that
    if (!master || master->identity() != chain->front().identity || master->health() != LayerHealth::intact) {
        Result<std::shared_ptr<Master>> opened = open_master(open_files_, places_of(*chain));
        if (!opened) {
            if (!master) { // one that was open stays watched: its file may come back
                masters_.erase(layer);
            }
            return unusable_layer(*tree, layer, opened.error());
        }
        master = std::move(*opened);
    }
    return master;
}

std::vector<LayerPlace> DirectoryStore::places_of(const std::vector<LayerRow>& chain) const {
    std::vector<LayerPlace> places;
    for (const LayerRow& row : chain) {
        places.push_back({layout_.path(row.file), row.identity});
    }
    return places;
}

Error DirectoryStore::unusable_layer(const LayerTree& tree, const std::string& layer, const Error& why) {
    const std::vector<std::string> users = tree.users(layer);
    const std::string dependents = users.empty() ? "" : " The disks of " + join(users, ", ") + " depend on it.";
    log_.error("images.master.refused", {{"file", layer}, {"reason", why.what}, {"machines", join(users, ", ")}});
    return {why.code, why.what + dependents};
}

/// Masters that nobody uses and no version names are let go: the chains of single machines would fill the memory with maps and open files.
void DirectoryStore::refresh_masters() {
    follow_rewritten();
    std::vector<std::shared_ptr<Master>> masters;
    std::vector<std::pair<TimePoint, std::shared_ptr<Master>>> gone; // closing files takes its time
    {
        std::lock_guard lock(mutex_);
        std::erase_if(masters_, [](const auto& entry) { return entry.second.use_count() == 1 && !entry.first.starts_with(version_directory); });
        for (const auto& [layer, master] : masters_) {
            masters.push_back(master);
        }
        const auto stays = std::ranges::find_if(leaving_, [&](const auto& entry) { return clock_.now() - entry.first < limits::mapping_kept; });
        gone.assign(std::make_move_iterator(leaving_.begin()), std::make_move_iterator(stays));
        leaving_.erase(leaving_.begin(), stays);
        std::erase_if(replaced_, [](const auto& master) { return master.expired(); });
        for (const std::weak_ptr<Master>& replaced : replaced_) {
            if (auto master = replaced.lock()) {
                masters.push_back(std::move(master));
            }
        }
    }
    for (const std::shared_ptr<Master>& master : masters) {
        master->refresh();
    }
    tell_health();
}

/// Makes the change; with it go `files`, and the layers that nobody needs then. A crash in between leaves all of it or nothing.
Result<void> DirectoryStore::apply_and_remove(CatalogueChange change, std::vector<std::string> files) {
    const std::unique_lock nobody_new(dependence_);
    Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    tree->apply(change);
    for (const LayerRow& row : tree->unneeded()) {
        change.remove_layers.push_back(row.file);
        files.push_back(row.file);
    }
    std::erase_if(files, [&](const std::string& file) { return !files_.exists(layout_.path(file)); }); // deleted by hand: its row goes all the same
    Result<void> removed;
    for (const std::string& file : files) {
        removed = removed ? layout_.retire(file) : removed;
    }
    removed = removed ? catalogue_.apply(change) : removed;
    if (!removed) {
        for (const std::string& file : files) {
            const Result<void> back = layout_.bring_back(file); // if even that fails, the next start does it
        }
        return removed;
    }
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(masters_, [&](const auto& entry) { return std::ranges::find(change.remove_layers, entry.first) != change.remove_layers.end(); });
    }
    for (const std::string& file : files) {
        const Result<void> gone = layout_.remove_retired(file);
        removed = removed ? gone : removed;
    }
    return removed;
}

/// A layer that lies at its origin goes to its place. What a crash left half done of that is done again.
Result<void> DirectoryStore::settle(LayerRow layer) {
    const std::string path = layout_.path(layer.file);
    if (!files_.exists(path)) {
        if (Result<void> moved = layout_.move_across(layer.origin, layer.file); !moved) {
            return moved;
        }
    }
    if (!layer.parent.empty()) {
        const Result<LayerTree> tree = LayerTree::read(catalogue_);
        const LayerRow* parent = tree ? tree->find(layer.parent) : nullptr;
        if (parent == nullptr) {
            return tree ? not_found("The layer " + layer.parent + " is not in the catalogue.") : tree.error();
        }
        const VhdxParentLocator locator = make_parent_locator(file_path(layer.file), file_path(layer.parent), parent->identity.data_write_guid);
        if (Result<void> changed = change_parent_locator(files_, path, locator); !changed) {
            return changed;
        }
    }
    if (Result<void> sealed = files_.make_read_only(path); !sealed) {
        return sealed;
    }
    layer.origin.clear();
    return catalogue_.apply({.put_layers = {layer}});
}

/// The row was changed before the crash when the new file is what it speaks of.
Result<void> DirectoryStore::finish_rewriting(const LayerRow& layer) {
    const std::string path = layout_.path(layer.file + std::string(rewritten_suffix));
    if (!files_.exists(path)) {
        return {};
    }
    if (!LayerFile::open(files_, {path, layer.identity})) {
        return {}; // a leftover: goes with the others
    }
    log_.info("images.store.completed", {{"file", layer.file}});
    return layout_.put_rewritten(layer.file);
}

/// A disk's file becomes a layer before it loses its permission to be written, and its live map. The layers of versions come with it: theirs were lost to
/// somebody.
Result<void> DirectoryStore::finish_sealing(const LayerRow& layer) {
    const std::string path = layout_.path(layer.file);
    if (layer.file.starts_with(version_directory) || !files_.exists(path)) {
        return {};
    }
    const Result<void> removed = files_.remove(LiveMap::path_of(path));
    return removed ? files_.make_read_only(path) : removed;
}

Result<void> DirectoryStore::recover() {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    for (const LayerRow& row : tree->layers) {
        if (Result<void> finished = finish_rewriting(row); !finished) {
            return finished;
        }
    }
    const std::vector<std::string> files = tree->files();
    if (Result<void> recovered = layout_.recover({files.begin(), files.end()}, log_); !recovered) {
        return recovered;
    }
    for (const LayerRow& row : tree->layers) {
        if (row.origin.empty()) {
            if (Result<void> sealed = finish_sealing(row); !sealed) {
                return sealed;
            }
            continue;
        }
        log_.info("images.store.completed", {{"file", row.file}});
        if (Result<void> settled = settle(row); !settled) {
            return settled;
        }
    }
    return {};
}

} // namespace rootstock::images
