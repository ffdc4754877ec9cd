#include "images/store_check.hpp"

#include "core/text.hpp"
#include "images/live_map.hpp"
#include "images/reset_disk.hpp"
#include "images/vhdx_usage.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

constexpr std::string_view lost_and_found = "lost+found";

Result<std::set<std::string>> files_with_rows(Catalogue& catalogue) {
    const auto tree = LayerTree::read(catalogue);
    if (!tree) {
        return tree.error();
    }
    const std::vector<std::string> files = tree->files();
    return std::set<std::string>(files.begin(), files.end());
}

std::optional<std::string> without(const std::string& text, std::string_view end) {
    return text.ends_with(end) ? std::optional(text.substr(0, text.size() - end.size())) : std::nullopt;
}

/// "lab1-07" of lab1-07.vhdx.new: what a file in `overlays` or `volumes` is called after.
std::string owner_of(std::string name) {
    for (bool shorter = true; shorter;) {
        shorter = false;
        for (const std::string_view end : {std::string_view(".live"), std::string_view(".owned"), std::string_view(".vhdx"), std::string_view(".reset"),
                                           std::string_view(".raw"), temporary_suffix, new_suffix, removed_suffix}) {
            if (const auto rest = without(name, end)) {
                name = *rest;
                shorter = true;
            }
        }
    }
    return name.substr(0, name.find('@')); // a second file of the same machine (overlay_file)
}

/// The slot under whose lock a file comes and goes.
std::string slot_of(const std::string& directory, const std::string& name) {
    if (name.find(rewritten_suffix) != name.npos) {
        return "flatten/";
    }
    if (directory == "overlays") {
        return "machine/" + owner_of(name);
    }
    return directory == "volumes" ? "volume/" + owner_of(name) : "image/" + directory.substr(directory.find('/') + 1);
}

} // namespace

void StoreCheck::found(StoreFinding finding, const Mend& mend) {
    if (options_.repair && mend) {
        const Result<std::string> done = mend();
        finding.mended = static_cast<bool>(done);
        finding.remedy = done ? *done : "could not be mended: " + done.error().what;
    }
    report_.findings.push_back(std::move(finding));
}

Result<StoreReport> StoreCheck::run() {
    // Files first: what is brought back is not missing any more.
    for (const auto& look : {&StoreCheck::look_at_directories, &StoreCheck::look_at_layers, &StoreCheck::look_at_overlays,
                             &StoreCheck::look_at_volumes, &StoreCheck::look_at_records}) {
        if (const Result<void> looked = (this->*look)(); !looked) {
            return looked.error();
        }
    }
    if (options_.deep) {
        if (const Result<void> read = read_everything(); !read) {
            return read.error();
        }
    }
    return report_;
}

// --- files

Result<void> StoreCheck::look_at_directories() {
    const auto images = store_.files_.list(store_.layout_.path("images"));
    if (!images) {
        return images.error();
    }
    std::vector<std::string> directories{"overlays", "volumes"};
    for (const std::string& image : *images) {
        if (is_store_name(image)) {
            directories.push_back("images/" + image);
        } else {
            found({"unknown_file", "images/" + image, "is no image's folder", "move it away"});
        }
    }
    for (const std::string& directory : directories) {
        if (const Result<void> looked = look_at_directory(directory); !looked) {
            return looked;
        }
    }
    return {};
}

Result<void> StoreCheck::look_at_directory(const std::string& directory) {
    const auto names = store_.files_.list(store_.layout_.path(directory));
    if (!names) {
        return names.error();
    }
    for (const std::string& name : *names) {
        if (const Result<void> looked = look_at_file(directory, name); !looked) {
            return looked;
        }
    }
    return {};
}

/// Under the lock of whoever would make or remove it: what is half done now is somebody's work, and not looked at.
Result<void> StoreCheck::look_at_file(const std::string& directory, const std::string& name) {
    const auto slot = store_.slot(slot_of(directory, name));
    const std::unique_lock mine(slot->mutex, std::try_to_lock);
    const std::string file = directory + "/" + name;
    if (!mine || !store_.files_.exists(store_.layout_.path(file))) {
        return {};
    }
    const auto known = files_with_rows(store_.catalogue_);
    if (!known) {
        return known.error();
    }
    judge_file(file, *known);
    return {};
}

void StoreCheck::judge_file(const std::string& file, const std::set<std::string>& known) {
    const auto exists = [&](const std::string& other) { return store_.files_.exists(store_.layout_.path(other)); };
    if (known.contains(file)) {
        return;
    }
    const Mend move = [&] { return move_to_lost_and_found(file); };
    for (const std::string& beside : {LiveMap::path_of(""), OwnedSectors::path_of("")}) {
        if (const auto disk = without(file, beside)) {
            if (!exists(*disk)) {
                found({"leftover", file, "belongs to a disk that is gone", "move it away; --repair moves it to lost+found"}, move);
            }
            return;
        }
    }
    for (const std::string_view end : {new_suffix, removed_suffix}) {
        const auto base = without(file, end);
        if (base && known.contains(*base) && !exists(*base)) {
            found({"leftover", file, "is " + *base + " under the name that it has while it comes or goes", "--repair gives it its name back"}, [&]() -> Result<std::string> {
                const Result<void> renamed = store_.layout_.move_across(file, *base);
                return renamed ? Result<std::string>("renamed to " + *base) : renamed.error();
            });
            return;
        }
    }
    if (file.ends_with(new_suffix) || file.ends_with(removed_suffix) || file.ends_with(rewritten_suffix) || file.ends_with(temporary_suffix)) {
        found({"leftover", file, "was left by something that did not end", "delete it, or restart the server; --repair moves it to lost+found"}, move);
        return;
    }
    found({"unknown_file", file, "is not in the database", "restore the database that knows it, or move the file away; --repair moves it to lost+found"}, move);
}

Result<std::string> StoreCheck::move_to_lost_and_found(const std::string& file) {
    if (const Result<void> made = store_.files_.make_directories(store_.layout_.path(std::string(lost_and_found))); !made) {
        return made.error();
    }
    std::string flat = file;
    std::ranges::replace(flat, '/', '-');
    const std::string first = std::string(lost_and_found) + "/" + flat;
    std::string target = first;
    for (int number = 1; store_.files_.exists(store_.layout_.path(target)); ++number) {
        target = first + "." + std::to_string(number);
    }
    const Result<void> moved = store_.layout_.move_across(file, target);
    return moved ? Result<std::string>("moved to " + target) : moved.error();
}

// --- masters

Result<void> StoreCheck::look_at_layers() {
    const std::shared_lock layers_stay(store_.dependence_);
    auto tree = LayerTree::read(store_.catalogue_);
    if (!tree) {
        return tree.error();
    }
    tree_ = std::move(*tree);
    report_.longest_chain = tree_.longest_chain();
    look_at_chains();
    for (const LayerRow& layer : tree_.layers) {
        if (layer.origin.empty()) { // else it is on its way
            ++report_.layers;
            look_at_layer(layer);
        }
    }
    return {};
}

/// One near the end, where nothing can be put on top any more; shorter ones are the server's own work.
void StoreCheck::look_at_chains() {
    constexpr std::size_t most = limits::chain_depth / 4 * 3;
    for (const LayerTree::Shorter& each : tree_.long_chains(most)) {
        found({"long_chain", each.layer, "stands on a chain of more than " + std::to_string(most) + " files, and " + std::to_string(limits::chain_depth) + " are the limit",
               "make room if there is none, then run `rootstock snapshot flatten`"});
    }
}

void StoreCheck::look_at_layer(const LayerRow& layer) {
    const std::string path = store_.layout_.path(layer.file);
    const std::string at_risk = join(tree_.users(layer.file), ", ");
    const std::string machines = at_risk.empty() ? "" : "; the disks of " + at_risk + " depend on it";
    if (!store_.files_.exists(path)) {
        found({"missing_file", layer.file, "is in the database, and not in its place" + machines, "restore it from a backup"});
        return;
    }
    if (const auto opened = LayerFile::open(store_.files_, {path, layer.identity}); !opened) {
        found({"master", layer.file, opened.error().what + machines, "put a sound copy in its place"});
    }
    if (const auto sound = store_.check_sound(layer); !sound && !options_.deep) {
        found({"contents", layer.file, "was found damaged by the last verification" + machines, sound.error().what});
    }
    if (store_.files_.can_be_written(path)) {
        found({"permissions", layer.file, "can be written to, and a master never changes", "chmod 0444 " + path + "; --repair does it"},
              [&]() -> Result<std::string> {
                  const Result<void> done = store_.files_.make_read_only(path);
                  return done ? Result<std::string>("made read-only") : done.error();
              });
    }
}

// --- overlays and volumes

Result<void> StoreCheck::look_at_overlays() {
    for (const OverlayRow& row : tree_.overlays) {
        ++report_.overlays;
        look_at_overlay(row);
    }
    return {};
}

/// A disk that stands on `layer`, or on nothing when that is empty: what is wrong with it, or its structure.
Result<VhdxImage> StoreCheck::look_inside(const std::string& kind, const std::string& file, const std::string& layer, File& opened) {
    auto image = open_vhdx_read_only(opened);
    if (!image) {
        found({kind, file, image.error().what, "restore it from a backup"});
        return image;
    }
    const LayerRow* parent = layer.empty() ? nullptr : tree_.find(layer);
    const auto& locator = image->metadata.parent;
    const auto linkages = locator ? locator->linkages() : std::vector<Guid>();
    const bool fits = layer.empty() ? !locator : parent != nullptr && std::ranges::find(linkages, parent->identity.data_write_guid) != linkages.end();
    if (!fits) {
        const std::string what = "is not a child of " + (layer.empty() ? std::string("nothing") : layer) + ", on which the database has it";
        found({kind, file, what, "restore the file, or the database, from a backup"});
        return make_error(std::errc::invalid_argument, what);
    }
    return image;
}

void StoreCheck::look_at_overlay(const OverlayRow& row) {
    const auto slot = store_.slot("machine/" + row.machine);
    const std::unique_lock mine(slot->mutex, std::try_to_lock);
    if (!mine || slot->disk || slot->held) {
        ++report_.in_use;
        return;
    }
    const std::string path = store_.layout_.path(row.file);
    if (row.kind == OverlayKind::reset) {
        return; // whatever is wrong with it, the next boot makes it anew
    }
    if (!store_.files_.exists(path)) {
        found({"missing_file", row.file, "the disk of machine " + row.machine + " is gone",
               "restore it from a backup, or begin anew: rootstock machine reset " + row.machine});
        return;
    }
    const auto file = store_.files_.open(path, OpenMode::read_only);
    if (!file) {
        found({"overlay", row.file, file.error().what, "restore it from a backup"});
        return;
    }
    if (const auto image = look_inside("overlay", row.file, row.layer, **file)) {
        look_at_space("overlay", row.file, **file, *image, [&]() -> Result<std::string> {
            const auto disk = store_.open_existing(row);
            const Result<void> closed = disk ? (*disk)->close() : Result<void>(disk.error());
            return closed ? Result<std::string>("the space was given back") : closed.error();
        });
    }
}

Result<void> StoreCheck::look_at_volumes() {
    const auto rows = store_.catalogue_.volumes();
    if (!rows) {
        return rows.error();
    }
    for (const VolumeRow& row : *rows) {
        ++report_.volumes;
        if (row.options.kind == VolumeKind::disk) {
            look_at_volume(row);
        }
    }
    return {};
}

void StoreCheck::look_at_volume(const VolumeRow& row) {
    const auto slot = store_.slot("volume/" + row.name);
    const std::unique_lock mine(slot->mutex, std::try_to_lock);
    if (!mine || slot->disk) {
        ++report_.in_use;
        return;
    }
    const std::string path = store_.layout_.path(row.file);
    if (!store_.files_.exists(path)) {
        found({"missing_file", row.file, "volume " + row.name + " has no file", "restore it from a backup, or remove the volume: rootstock volume remove " + row.name});
        return;
    }
    const auto file = store_.files_.open(path, OpenMode::read_only);
    if (!file) {
        found({"volume", row.file, file.error().what, "restore it from a backup"});
        return;
    }
    const auto image = look_inside("volume", row.file, row.layer, **file);
    if (!image) {
        return;
    }
    if (image->metadata.virtual_disk_size < row.size_bytes) {
        found({"volume", row.file, "its disk has " + format_size(image->metadata.virtual_disk_size) + ", the database says " + format_size(row.size_bytes),
               "restore the file, or the database, from a backup"});
        return;
    }
    if (row.layer.empty()) { // one over a snapshot gives its space back when it is used again
        look_at_space("volume", row.file, **file, *image, [&]() -> Result<std::string> {
            const auto disk = open_volume(store_.files_, path);
            const Result<void> closed = disk ? (*disk)->close() : Result<void>(disk.error());
            return closed ? Result<std::string>("the space was given back") : closed.error();
        });
    }
}

/// A disk that was not closed cleanly has space that only its log or live map knows the use of; opening it takes care of that.
void StoreCheck::look_at_space(const std::string& kind_of_disk, const std::string& file, File& opened, const VhdxImage& image, const Mend& reopen) {
    if (image.replay || store_.files_.exists(LiveMap::path_of(opened.path()))) {
        return;
    }
    const auto bytes = unused_bytes(opened, image);
    if (!bytes) {
        found({kind_of_disk, file, bytes.error().what, "restore it from a backup"});
    } else if (*bytes != 0) {
        found({"unused_space", file, format_size(*bytes) + " belong to no block", "the next use of the disk gives them back; --repair does it now"}, reopen);
    }
}

// --- digests

Result<void> StoreCheck::look_at_records() {
    const auto records = store_.catalogue_.contents().all();
    const auto known = files_with_rows(store_.catalogue_);
    if (!records || !known) {
        return !records ? records.error() : known.error();
    }
    for (const ContentState& record : *records) {
        if (known->contains(record.file)) {
            continue;
        }
        const auto still = store_.catalogue_.contents().find(record.file); // else it went with its layer since
        if (!still) {
            return still.error();
        }
        if (*still) {
            found({"record", record.file, "the database keeps the digest of a file that it does not know", "harmless; --repair removes it"},
                  [&]() -> Result<std::string> {
                      const Result<void> removed = store_.catalogue_.contents().remove(record.file);
                      return removed ? Result<std::string>("removed") : removed.error();
                  });
        }
    }
    return {};
}

Result<void> StoreCheck::read_everything() {
    const std::lock_guard one_at_a_time(store_.verification_);
    const auto tree = LayerTree::read(store_.catalogue_);
    if (!tree) {
        return tree.error();
    }
    for (const LayerRow& layer : tree->layers) {
        if (!layer.origin.empty() || !store_.files_.exists(store_.layout_.path(layer.file))) {
            continue; // on its way, or told before
        }
        const auto state = store_.verify(layer, progress_);
        if (!state && state.error().code == std::errc::operation_canceled) {
            return state.error();
        }
        if (!state) {
            found({"contents", layer.file, state.error().what, "put a sound copy in its place"});
        } else if (!state->damage.empty()) {
            found({"contents", layer.file, "is not what was imported", store_.check_sound(layer).error().what});
        }
    }
    return {};
}

Result<StoreReport> DirectoryStore::check(const StoreCheckOptions& options, const PieceProgress& progress) {
    return StoreCheck(*this, options, progress).run();
}

} // namespace rootstock::images
