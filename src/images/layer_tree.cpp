#include "images/layer_tree.hpp"

#include "images/limits.hpp"

#include <algorithm>
#include <set>
#include <span>

namespace rootstock::images {
namespace {

/// Moves what the catalogue answers into `rows`; false: it answered with an error.
template <class T> bool take(Result<std::vector<T>> answer, std::vector<T>& rows, std::optional<Error>& error) {
    if (!answer) {
        error = answer.error();
        return false;
    }
    rows = std::move(*answer);
    return true;
}

/// A row that is put replaces the one with its key.
template <class Row, class Key> void put(std::vector<Row>& rows, const std::vector<Row>& changed, Key key) {
    for (const Row& row : changed) {
        std::erase_if(rows, [&](const Row& other) { return other.*key == row.*key; });
        rows.push_back(row);
    }
}

/// Layers that disks are read from: what versions, overlays and volumes name.
std::set<std::string> tops_of(const LayerTree& tree) {
    std::set<std::string> tops;
    std::ranges::for_each(tree.versions, [&](const ImageVersion& row) { tops.insert(row.file); });
    std::ranges::for_each(tree.overlays, [&](const OverlayRow& row) { tops.insert(row.layer); });
    std::ranges::for_each(tree.volumes, [&](const VolumeRow& row) { tops.insert(row.layer); });
    tops.erase(std::string()); // of volumes that stand on nothing
    return tops;
}

/// What makes the chain `files` shorter, of which there are too many.
LayerTree::Shorter shorter_of(const LayerTree& tree, std::span<const LayerRow> files, std::size_t most_layers) {
    const auto is_version = [&](const LayerRow& row) { return std::ranges::find(tree.versions, row.file, &ImageVersion::file) != tree.versions.end(); };
    const auto version = std::ranges::find_if(files, is_version);
    const auto below = static_cast<std::size_t>(files.end() - version); // the version's own chain
    if (version == files.begin() || below == 0 || most_layers == 1) {
        return {files.front().file, {}};
    }
    return below < most_layers ? LayerTree::Shorter{files.front().file, version->file} : LayerTree::Shorter{version->file, {}};
}

template <class Row> const Row* find_named(const std::vector<Row>& rows, const std::string& name, std::string Row::* key) {
    const auto found = std::ranges::find(rows, name, key);
    return found == rows.end() ? nullptr : &*found;
}

bool contains(const std::vector<std::string>& names, const std::string& name) { return std::ranges::find(names, name) != names.end(); }

} // namespace

void add_once(std::vector<std::string>& words, const std::string& word) {
    if (!contains(words, word)) {
        words.push_back(word);
    }
}

std::string in_words(const DiskName& disk) { return disk.kind == DiskKind::machine ? disk.name : "volume " + disk.name; }
std::string in_words(const SnapshotRow& snapshot) { return "snapshot " + snapshot.name + " of " + in_words(snapshot.disk); }

Result<LayerTree> LayerTree::read(Catalogue& catalogue) {
    LayerTree tree;
    std::optional<Error> error;
    const bool done = take(catalogue.layers(), tree.layers, error) && take(catalogue.versions(), tree.versions, error) &&
                      take(catalogue.overlays(), tree.overlays, error) && take(catalogue.volumes(), tree.volumes, error) &&
                      take(catalogue.snapshots(), tree.snapshots, error);
    return done ? Result<LayerTree>(std::move(tree)) : Result<LayerTree>(*error);
}

const LayerRow* LayerTree::find(const std::string& layer) const { return find_named(layers, layer, &LayerRow::file); }
const OverlayRow* LayerTree::overlay(const std::string& machine) const { return find_named(overlays, machine, &OverlayRow::machine); }
const VolumeRow* LayerTree::volume(const std::string& name) const { return find_named(volumes, name, &VolumeRow::name); }

const SnapshotRow* LayerTree::find(const DiskName& disk, const std::string& snapshot) const {
    const auto found = std::ranges::find_if(snapshots, [&](const SnapshotRow& row) { return row.disk == disk && row.name == snapshot; });
    return found == snapshots.end() ? nullptr : &*found;
}

Result<std::vector<LayerRow>> LayerTree::chain(const std::string& layer) const {
    std::vector<LayerRow> chain;
    for (std::string next = layer; !next.empty(); next = chain.back().parent) {
        const LayerRow* row = find(next);
        if (row == nullptr) {
            return make_error(std::errc::no_such_file_or_directory, "The layer " + next + " is not in the catalogue.");
        }
        if (chain.size() == limits::chain_depth) {
            return make_error(std::errc::not_supported, "The disk on " + layer + " stands on a chain of more than " + std::to_string(limits::chain_depth) +
                                                            " files. Flatten it first: rootstock snapshot flatten");
        }
        chain.push_back(*row);
    }
    return chain;
}

bool LayerTree::stands_on(const std::string& upper, const std::string& lower) const {
    std::size_t steps = 0; // rows that go round would be somebody's mistake in the database
    for (const LayerRow* at = find(upper); at != nullptr && steps <= layers.size(); at = find(at->parent), ++steps) {
        if (at->file == lower) {
            return true;
        }
    }
    return false;
}

bool LayerTree::has_one_child(const std::string& layer) const {
    const auto is_named = [&](const auto& rows) { return std::ranges::any_of(rows, [&](const auto& row) { return row.layer == layer; }); };
    return std::ranges::count(layers, layer, &LayerRow::parent) <= 1 && !is_named(overlays) && !is_named(volumes) && !is_named(snapshots);
}

std::vector<std::string> LayerTree::users(const std::string& layer) const {
    std::vector<std::string> users;
    const auto add = [&](const std::string& upper, const std::string& words) {
        if (stands_on(upper, layer)) {
            add_once(users, words);
        }
    };
    for (const OverlayRow& row : overlays) {
        add(row.layer, machine_of(row));
    }
    for (const VolumeRow& row : volumes) {
        add(row.layer, "volume " + row.name);
    }
    for (const SnapshotRow& row : snapshots) {
        add(row.layer, in_words(row));
    }
    return users;
}

void LayerTree::add_users(const ImageVersion& version, std::vector<std::string>& users) const {
    for (const OverlayRow& row : overlays) {
        if (row.image == version.image && row.version == version.number) {
            add_once(users, machine_of(row));
        }
    }
    for (const SnapshotRow& row : snapshots) {
        if (row.image == version.image && row.version == version.number) {
            add_once(users, in_words(row));
        }
    }
}

std::map<std::string, DiskName> LayerTree::owners() const {
    std::map<std::string, const LayerRow*> by_name;
    for (const LayerRow& row : layers) {
        by_name.emplace(row.file, &row);
    }
    std::set<std::string> of_versions;
    std::map<std::string, DiskName> owners;
    // `take` says whether the layer was new to it: below one that was not, all is known.
    const auto go_down = [&](const std::string& layer, const auto& take) {
        for (auto at = by_name.find(layer); at != by_name.end() && take(at->first); at = by_name.find(at->second->parent)) {
        }
    };
    const auto own = [&](const std::string& layer, const DiskName& disk) {
        go_down(layer, [&](const std::string& name) { return !of_versions.contains(name) && owners.emplace(name, disk).second; });
    };
    for (const ImageVersion& version : versions) {
        go_down(version.file, [&](const std::string& name) { return of_versions.insert(name).second; });
    }
    std::vector<const SnapshotRow*> oldest_first;
    std::ranges::transform(snapshots, std::back_inserter(oldest_first), [](const SnapshotRow& row) { return &row; });
    std::ranges::stable_sort(oldest_first, {}, &SnapshotRow::created);
    std::ranges::for_each(oldest_first, [&](const SnapshotRow* row) { own(row->layer, row->disk); });
    std::ranges::for_each(overlays, [&](const OverlayRow& row) { own(row.layer, {DiskKind::machine, machine_of(row)}); });
    std::ranges::for_each(volumes, [&](const VolumeRow& row) { own(row.layer, {DiskKind::volume, row.name}); });
    return owners;
}

std::vector<LayerRow> LayerTree::unneeded() const {
    std::set<std::string> needed;
    const auto need = [&](const std::string& layer) {
        for (const LayerRow* at = find(layer); at != nullptr && needed.insert(at->file).second; at = find(at->parent)) {
        }
    };
    std::ranges::for_each(versions, need, &ImageVersion::file);
    std::ranges::for_each(overlays, need, &OverlayRow::layer);
    std::ranges::for_each(volumes, need, &VolumeRow::layer);
    std::ranges::for_each(snapshots, need, &SnapshotRow::layer);
    std::vector<LayerRow> unneeded;
    std::ranges::copy_if(layers, std::back_inserter(unneeded), [&](const LayerRow& row) { return !needed.contains(row.file); });
    const auto depth = [&](const LayerRow& row) {
        std::size_t steps = 0;
        for (const LayerRow* at = find(row.parent); at != nullptr && steps <= layers.size(); at = find(at->parent)) {
            ++steps;
        }
        return steps;
    };
    std::ranges::stable_sort(unneeded, std::greater<>(), depth);
    return unneeded;
}

std::vector<LayerTree::Shorter> LayerTree::merges() const {
    std::set<std::string> named = tops_of(*this);
    std::ranges::for_each(snapshots, [&](const SnapshotRow& row) { named.insert(row.layer); });
    const auto waits = [&](const LayerRow& row) { return !named.contains(row.file) && std::ranges::count(layers, row.file, &LayerRow::parent) == 1; };
    std::vector<Shorter> merges;
    for (const LayerRow& row : layers) {
        const LayerRow* below = waits(row) ? nullptr : find(row.parent); // the one above it takes a row that waits with it
        if (below == nullptr || !waits(*below)) {
            continue;
        }
        while (below != nullptr && waits(*below)) {
            below = find(below->parent);
        }
        merges.push_back({row.file, below == nullptr ? std::string() : below->file});
    }
    return merges;
}

std::vector<LayerTree::Shorter> LayerTree::long_chains(std::size_t most_layers) const {
    std::vector<Shorter> chains;
    for (const std::string& top : tops_of(*this)) {
        const auto files = chain(top);
        if (files && files->size() <= most_layers) {
            continue;
        }
        const Shorter work = files ? shorter_of(*this, *files, most_layers) : Shorter{top, {}};
        if (std::ranges::find(chains, work) == chains.end()) {
            chains.push_back(work);
        }
    }
    return chains;
}

std::optional<LayerTree::Shorter> LayerTree::shorter(std::size_t most_layers) const {
    for (const std::vector<Shorter>& all : {merges(), long_chains(most_layers)}) {
        if (!all.empty()) {
            return all.front();
        }
    }
    return std::nullopt;
}

std::size_t LayerTree::longest_chain(const std::string& layer) const {
    std::size_t longest = 0;
    for (const std::string& top : tops_of(*this)) {
        if (layer.empty() || stands_on(top, layer)) {
            const auto below = chain(top);
            longest = std::max(longest, below ? below->size() : limits::chain_depth + 1);
        }
    }
    return longest;
}

std::vector<std::string> LayerTree::files() const {
    std::vector<std::string> files;
    const auto note = [&](const std::string& file) {
        if (!file.empty()) {
            files.push_back(file);
        }
    };
    std::ranges::for_each(layers, note, &LayerRow::file);
    std::ranges::for_each(layers, note, &LayerRow::origin);
    std::ranges::for_each(overlays, note, &OverlayRow::file);
    std::ranges::for_each(volumes, note, &VolumeRow::file);
    return files;
}

void LayerTree::put_parent(const Shorter& done) {
    if (const auto row = std::ranges::find(layers, done.layer, &LayerRow::file); row != layers.end()) {
        row->parent = done.below;
    }
}

void LayerTree::apply(const CatalogueChange& change) {
    put(layers, change.put_layers, &LayerRow::file);
    std::erase_if(layers, [&](const LayerRow& row) { return contains(change.remove_layers, row.file); });
    put(overlays, change.put_overlays, &OverlayRow::machine);
    put(volumes, change.put_volumes, &VolumeRow::name);
    for (const SnapshotRow& gone : change.remove_snapshots) {
        std::erase_if(snapshots, [&](const SnapshotRow& row) { return row.disk == gone.disk && row.name == gone.name; });
    }
    std::erase_if(overlays, [&](const OverlayRow& row) { return contains(change.remove_overlays, row.machine); });
    std::erase_if(volumes, [&](const VolumeRow& row) { return contains(change.remove_volumes, row.name); });
    std::erase_if(versions, [&](const ImageVersion& row) {
        return contains(change.remove_images, row.image) || std::ranges::any_of(change.remove_versions, [&](const ImageVersion& gone) {
                   return gone.image == row.image && gone.number == row.number;
               });
    });
}

} // namespace rootstock::images
