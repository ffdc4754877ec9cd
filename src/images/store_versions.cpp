// DirectoryStore, the versions of images: who needs them, and which machine writes the next one.
#include "images/directory_store.hpp"

#include <algorithm>
#include <utility>

namespace rootstock::images {
namespace {

constexpr std::string_view kept_suffix = ".kept";

std::string version_name(const std::string& image, std::uint32_t number) { return "Version " + std::to_string(number) + " of image " + image; }

VersionUse use_of(const LayerTree& tree, const ImageVersion& version) {
    VersionUse use;
    use.version = version;
    if (const auto chain = tree.chain(version.file)) {
        use.files = chain->size();
    }
    for (const OverlayRow& row : tree.overlays) {
        if (row.image == version.image && row.version == version.number) {
            add_once(use.machines, machine_of(row));
        }
    }
    tree.add_users(version, use.needed_by);
    for (const ImageVersion& other : tree.has_one_child(version.file) ? std::vector<ImageVersion>() : tree.versions) {
        if (other.file != version.file && tree.stands_on(other.file, version.file)) {
            use.needed_by.push_back((other.image == version.image ? "" : "image " + other.image + " ") + "version " + std::to_string(other.number));
        }
    }
    return use;
}

std::optional<TraceFacts> trace_of(const std::vector<TraceBook::Row>& traces, const ImageVersion& version) {
    const auto found = std::ranges::find_if(traces, [&](const auto& row) { return row.image == version.image && row.version == version.number; });
    return found == traces.end() ? std::nullopt : std::optional(found->facts);
}

} // namespace

std::string kept_owner(const std::string& machine) { return machine + std::string(kept_suffix); }

std::string machine_of(const OverlayRow& overlay) {
    const std::string& owner = overlay.machine;
    return owner.ends_with(kept_suffix) ? owner.substr(0, owner.size() - kept_suffix.size()) : owner;
}

Result<ImageVersion> DirectoryStore::find_version(const std::string& image, std::optional<std::uint32_t> number) {
    const Result<std::vector<ImageVersion>> versions = catalogue_.versions();
    if (!versions) {
        return versions.error();
    }
    const auto found = std::find_if(versions->begin(), versions->end(), [&](const ImageVersion& version) {
        return version.image == image && (number ? version.number == *number : version.current);
    });
    if (found == versions->end()) {
        return not_found(number ? version_name(image, *number) + " is not in the catalogue."
                                : "There is no image " + image + ". Import it: rootstock image import FILE --name " + image);
    }
    return *found;
}

/// A file that is gone takes no space; opening it is what reports that.
std::uint64_t DirectoryStore::stored_bytes(const std::string& file) {
    const Result<std::unique_ptr<File>> opened = files_.open(layout_.path(file), OpenMode::read_only);
    if (!opened) {
        return 0;
    }
    const Result<std::uint64_t> bytes = (*opened)->allocated_bytes();
    return bytes ? *bytes : 0;
}

Result<std::vector<VersionUse>> DirectoryStore::version_uses(const std::string& image) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    const Result<std::vector<TraceBook::Row>> traces = catalogue_.traces().all();
    if (!traces) {
        return traces.error();
    }
    std::vector<VersionUse> uses;
    for (const ImageVersion& version : tree->versions) {
        if (version.image == image) {
            uses.push_back(use_of(*tree, version));
            uses.back().stored_bytes = stored_bytes(version.file);
            uses.back().trace = trace_of(*traces, version);
            uses.back().warm = warm_.state(image, version.number);
        }
    }
    return uses.empty() ? Result<std::vector<VersionUse>>(not_found("There is no image " + image + ".")) : uses;
}

Result<RemovalGain> DirectoryStore::removal_gain(const std::string& image, const std::vector<std::uint32_t>& numbers) {
    Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    CatalogueChange change;
    std::ranges::copy_if(tree->versions, std::back_inserter(change.remove_versions), [&](const ImageVersion& version) {
        return version.image == image && std::ranges::find(numbers, version.number) != numbers.end();
    });
    const std::vector<LayerTree::Shorter> before = tree->merges();
    tree->apply(change);
    RemovalGain gain;
    CatalogueChange gone;
    for (const LayerRow& row : tree->unneeded()) {
        gain.now_bytes += stored_bytes(row.file);
        gone.remove_layers.push_back(row.file);
    }
    tree->apply(gone);
    for (const LayerTree::Shorter& merge : tree->merges()) {
        if (std::ranges::find(before, merge) != before.end()) {
            continue;
        }
        const Result<FlattenWork> work = flatten_work(*tree, merge);
        if (!work) {
            return work.error();
        }
        gain.merged_bytes += work->gain_bytes();
    }
    return gain;
}

Result<void> DirectoryStore::remove_version(const std::string& image, std::uint32_t number) {
    const std::shared_ptr<Slot> mine = slot("image/" + image);
    std::lock_guard one_at_a_time(mine->mutex);
    const Result<ImageVersion> version = find_version(image, number);
    if (!version) {
        return version.error();
    }
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    if (version->current || !use_of(*tree, *version).needed_by.empty()) {
        return busy(version_name(image, number) + (version->current ? " is the current one." : " is the base of others."));
    }
    const Result<void> removed = apply_and_remove({.remove_versions = {*version}}, {});
    if (removed) {
        let_cool(image, number);
    }
    return removed;
}

// --- the machine that writes the next one

/// Closes the machine's disk, which nobody may use.
Result<void> DirectoryStore::let_go(Slot& slot, const std::string& machine) {
    if (const Result<void> free = check_not_held(slot, machine); !free) {
        return free;
    }
    if (slot.in_use()) {
        return busy("The disk of machine " + machine + " is in use. Switch the machine off, or end its sessions, first.");
    }
    const std::shared_ptr<Overlay> disk = std::exchange(slot.disk, nullptr);
    return disk ? disk->close() : Result<void>();
}

Result<void> DirectoryStore::check_writer(const Maintenance& row) {
    const Result<std::vector<Maintenance>> rows = catalogue_.maintenance();
    if (!rows) {
        return rows.error();
    }
    const auto other = std::find_if(rows->begin(), rows->end(), [&](const Maintenance& known) { return known.image == row.image; });
    return other == rows->end() ? Result<void>()
                                : Result<void>(busy("Machine " + other->machine + " writes the next version of image " + row.image +
                                                    " already. Publish that or give it up first."));
}

Result<void> DirectoryStore::begin_maintenance(const Maintenance& row) {
    const std::shared_ptr<Slot> of_image = slot("image/" + row.image);
    const std::shared_ptr<Slot> of_machine = slot("machine/" + row.machine);
    const std::scoped_lock one_at_a_time(of_image->mutex, of_machine->mutex);
    if (const Result<void> alone = check_writer(row); !alone) {
        return alone;
    }
    if (const Result<void> closed = let_go(*of_machine, row.machine); !closed) {
        return closed;
    }
    return catalogue_.apply({.rename_overlays = {{row.machine, kept_owner(row.machine)}}, .put_maintenance = {row}});
}

Result<void> DirectoryStore::end_maintenance(const std::string& machine) {
    const std::shared_ptr<Slot> mine = slot("machine/" + machine);
    std::lock_guard one_at_a_time(mine->mutex);
    if (const Result<void> closed = let_go(*mine, machine); !closed) {
        return closed;
    }
    const Result<std::optional<OverlayRow>> row = overlay_of(machine);
    if (!row) {
        return row.error();
    }
    const std::vector<std::string> files = *row ? std::vector<std::string>{(*row)->file} : std::vector<std::string>();
    return apply_and_remove({.remove_overlays = {machine}, .rename_overlays = {{kept_owner(machine), machine}}, .remove_maintenance = {machine}}, files);
}

} // namespace rootstock::images
