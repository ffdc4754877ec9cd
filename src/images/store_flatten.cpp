// DirectoryStore: chains are kept short. Layers that nobody names are merged into the one above; a version with a long
// chain comes to stand alone, a disk with one on its version; disks in use go over to the new files.
#include "images/directory_store.hpp"

#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {

namespace {

std::string rewritten_file(const std::string& file) { return file + std::string(rewritten_suffix); }

} // namespace

Result<std::size_t> DirectoryStore::flatten(std::size_t most_layers, const ProgressCallback& progress) {
    return flatten_while([most_layers](const LayerTree& tree) { return tree.shorter(most_layers); }, progress);
}

/// A disk on as many files as there may be gets fewer before its next snapshot, while it is read and written on: who takes one snapshot after the other
/// is faster than flatten_due().
Result<void> DirectoryStore::shorten_full_chain(const DiskName& disk) {
    const NextShorter next = [&](const LayerTree& tree) -> std::optional<LayerTree::Shorter> {
        const Result<WritableFile> file = writable_of(tree, disk);
        const auto chain = file ? tree.chain(file->layer) : Result<std::vector<LayerRow>>(file.error());
        if (!chain || chain->size() < limits::chain_depth) {
            return std::nullopt;
        }
        const std::vector<LayerTree::Shorter> all = tree.long_chains(limits::flatten_depth);
        const auto mine = std::ranges::find_if(all, [&](const LayerTree::Shorter& each) { return tree.stands_on(file->layer, each.layer); });
        return mine == all.end() ? std::nullopt : std::optional(*mine);
    };
    const Result<std::size_t> done = flatten_while(next, {});
    if (done) {
        return {};
    }
    Error why = done.error();
    why.what = "The disk of " + in_words(disk) + " stands on " + std::to_string(limits::chain_depth) + " files, and they could not be made fewer: " + why.what;
    return why;
}

Result<std::size_t> DirectoryStore::flatten_while(const NextShorter& next_of, const ProgressCallback& progress) {
    const std::shared_ptr<Slot> mine = slot("flatten/");
    ++waiting_flatten_;
    const std::lock_guard one_at_a_time(mine->mutex);
    --waiting_flatten_;
    std::size_t rewritten = 0;
    for (;;) {
        const Result<LayerTree> tree = LayerTree::read(catalogue_);
        if (!tree) {
            return tree.error();
        }
        const std::optional<LayerTree::Shorter> next = next_of(*tree);
        if (!next) {
            return rewritten;
        }
        if (const Result<void> done = rewrite(*tree, *next, progress); !done) {
            return done.error();
        }
        ++rewritten;
    }
}

Result<DirectoryStore::Rewrite> DirectoryStore::rewrite_of(const LayerTree& tree, const LayerTree::Shorter& shorter) const {
    const Result<std::vector<LayerRow>> chain = tree.chain(shorter.layer);
    if (!chain) {
        return chain.error();
    }
    const auto below = std::ranges::find(*chain, shorter.below, &LayerRow::file);
    Rewrite rewrite;
    rewrite.merged = {chain->begin(), below};
    rewrite.files = {places_of(rewrite.merged), places_of({below, chain->end()}), layout_.path(rewritten_file(shorter.layer))};
    return rewrite;
}

/// The file is written while everybody goes on; then its row and its name change. Who has the old one open keeps it.
Result<void> DirectoryStore::rewrite(const LayerTree& tree, const LayerTree::Shorter& shorter, const ProgressCallback& progress) {
    const Result<Rewrite> planned = rewrite_of(tree, shorter);
    if (!planned) {
        return planned.error();
    }
    const auto& [merged, work] = *planned;
    // What is damaged would be taken for right in the new file, and all copies of it with it.
    const PieceProgress go_on = [&](std::uint64_t done, std::uint64_t total) { return !progress || progress({done, total, done}); };
    if (Result<void> sound = verify_known(merged, go_on); !sound) {
        return sound;
    }
    if (Result<void> cleared = remove_disk(files_, work.target); !cleared) {
        return cleared;
    }
    const Result<MasterIdentity> identity = rewrite_layers(open_files_, work, progress);
    if (!identity) {
        return identity.error();
    }
    LayerRow next = merged.front();
    next.parent = shorter.below;
    next.identity = *identity;
    const Result<ContentDigest> digest = digest_of(work.target, go_on);
    if (!digest) {
        static_cast<void>(remove_disk(files_, work.target)); // if even that fails, the next start does it
        return digest.error();
    }
    const auto no_verification = verification_turn(go_on, 0); // one under way would take its findings for those of the new file
    if (!no_verification) {
        static_cast<void>(remove_disk(files_, work.target));
        return no_verification.error();
    }
    if (Result<void> replaced = replace_layer(merged.front(), {.put_layers = {next}, .put_contents = {{next.file, identity->data_write_guid, *digest, clock_.wall()}}});
        !replaced) {
        return replaced;
    }
    log_.info("images.layer.rewritten", {{"file", shorter.layer}, {"merged", work.merged.size()}, {"below", shorter.below}});
    return apply_and_remove({}, {});
}

Result<ContentDigest> DirectoryStore::digest_of(const std::string& path, const PieceProgress& progress) {
    const auto file = files_.open(path, OpenMode::read_only);
    return file ? digest_file(**file, progress) : Result<ContentDigest>(file.error());
}

/// `change` puts the new row of `old` and the digest of its file.
Result<void> DirectoryStore::replace_layer(const LayerRow& old, const CatalogueChange& change) {
    const std::string& below = change.put_layers.front().parent;
    const std::unique_lock nobody_new(dependence_);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    const LayerRow* row = tree ? tree->find(old.file) : nullptr;
    if (row == nullptr || *row != old || (!below.empty() && tree->find(below) == nullptr)) {
        const Result<void> removed = files_.remove(layout_.path(rewritten_file(old.file)));
        return tree ? removed : Result<void>(tree.error()); // it went, or changed, meanwhile: there may be something else to do now
    }
    CatalogueChange undo{.put_layers = {old}};
    const Result<std::optional<ContentState>> state = state_of(old.file, old.identity.data_write_guid);
    const Result<std::optional<ContentDigest>> digest = catalogue_.contents().digest(old.file);
    if (state && *state && digest && *digest) {
        undo.put_contents = {{old.file, old.identity.data_write_guid, **digest, (*state)->verified}};
    }
    if (Result<void> put = catalogue_.apply(change); !put) {
        const Result<void> removed = files_.remove(layout_.path(rewritten_file(old.file))); // if even that fails, the next start does it
        return put;
    }
    {
        const std::lock_guard lock(mutex_);
        for (auto& [layer, master] : masters_) { // openings from now on read the new file; those who have the old one are looked after as before
            replaced_.push_back(std::move(master));
        }
        masters_.clear();
    }
    rewritten_ = true;
    const Result<void> placed = layout_.put_rewritten(old.file);
    if (!placed && files_.exists(layout_.path(rewritten_file(old.file)))) { // the old one is at its place, and is to be what the row speaks of
        Result<void> undone = catalogue_.apply(undo); // if even that fails, the next start puts the new one there
        undone = undone && undo.put_contents.empty() ? catalogue_.contents().remove(old.file) : undone;
        const Result<void> removed = undone ? files_.remove(layout_.path(rewritten_file(old.file))) : undone;
        return removed ? placed : removed;
    }
    return placed;
}

/// Open disks go over to files that were written anew, under their users: else the old ones would take their space for as long as somebody has one open.
void DirectoryStore::follow_rewritten() {
    if (!rewritten_.exchange(false)) {
        return;
    }
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    bool all = static_cast<bool>(tree);
    if (tree) {
        for (const OverlayRow& row : tree->overlays) {
            if (row.kind == OverlayKind::persistent) {
                all = follow_rewritten({{DiskKind::machine, row.machine}, row.file, row.layer}, *tree) && all;
            }
        }
        for (const VolumeRow& row : tree->volumes) {
            all = (row.layer.empty() || follow_rewritten({{DiskKind::volume, row.name}, row.file, row.layer}, *tree)) && all;
        }
    }
    if (!all) {
        rewritten_ = true; // again in a second
    }
}

/// False: it could not be looked at now. One whose new files cannot be opened was told, and stays on the old ones.
bool DirectoryStore::follow_rewritten(const WritableFile& disk, const LayerTree& tree) {
    const std::shared_ptr<Slot> mine = slot(slot_key(disk.disk));
    const std::unique_lock one_at_a_time(mine->mutex, std::try_to_lock);
    if (!one_at_a_time) {
        return false;
    }
    std::shared_ptr<Master> old = mine->disk ? mine->disk->parent() : nullptr;
    const Result<std::vector<LayerRow>> chain = tree.chain(disk.layer);
    if (!old || !chain || std::ranges::equal(*chain, old->chain(), {}, &LayerRow::identity)) {
        return true;
    }
    if (old->is_recorded()) {
        return false;
    }
    const std::shared_lock layers_stay(dependence_);
    const Result<std::shared_ptr<Master>> now = master_on(disk.layer);
    if (now && (*now)->identity().data_write_guid == old->identity().data_write_guid && mine->disk->stand_on(*now)) {
        log_.info("images.disk.followed", {{"disk", in_words(disk.disk)}, {"files", (*now)->chain().size()}, {"before", old->chain().size()}});
        keep_for_readers(std::move(old));
    }
    return true;
}

/// Sessions may have bytes of its mappings that wait to be sent.
void DirectoryStore::keep_for_readers(std::shared_ptr<Master> master) {
    const std::lock_guard lock(mutex_);
    leaving_.emplace_back(clock_.now(), std::move(master));
}

} // namespace rootstock::images
