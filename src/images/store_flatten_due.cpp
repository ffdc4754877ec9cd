// DirectoryStore: chains are kept short by themselves, in the background (docs/images.md, "Short chains by themselves").
#include "images/directory_store.hpp"

namespace rootstock::images {

Result<FlattenWork> DirectoryStore::flatten_work(const LayerTree& tree, const LayerTree::Shorter& shorter) {
    const Result<Rewrite> rewrite = rewrite_of(tree, shorter);
    if (!rewrite) {
        return rewrite.error();
    }
    const Result<std::uint64_t> needed = rewritten_bytes(files_, rewrite->files);
    if (!needed) {
        return needed.error();
    }
    LayerTree after = tree;
    after.put_parent(shorter);
    FlattenWork work{shorter, tree.longest_chain(shorter.layer), *needed, stored_bytes(shorter.layer)};
    for (const LayerRow& row : after.unneeded()) {
        work.freed_bytes += stored_bytes(row.file);
    }
    return work;
}

/// Merges first: they give space back. What cannot be looked at pauses like what failed.
std::vector<FlattenWork> DirectoryStore::flatten_works(const LayerTree& tree) {
    std::vector<LayerTree::Shorter> all = tree.merges();
    const std::vector<LayerTree::Shorter> chains = tree.long_chains(limits::flatten_depth);
    all.insert(all.end(), chains.begin(), chains.end());
    std::vector<FlattenWork> works;
    for (const LayerTree::Shorter& each : all) {
        if (pauses_.pausing(each.layer, clock_.now())) {
            continue;
        }
        const Result<FlattenWork> work = flatten_work(tree, each);
        if (work) {
            works.push_back(*work);
        } else {
            put_off(each.layer, work.error());
        }
    }
    return works;
}

Result<std::vector<FlattenRoom>> DirectoryStore::flatten_rooms() {
    const Result<FileSystem::Space> space = files_.space(layout_.path(""));
    if (!space) {
        return space.error();
    }
    const SpaceUse store = space_.report().store;
    return std::vector<FlattenRoom>{{space->total_bytes - space->free_bytes, space->total_bytes}, {store.used_bytes, store.limit_bytes}};
}

void DirectoryStore::put_off(const std::string& layer, const Error& why) {
    if (pauses_.failed(layer, clock_.now())) {
        log_.warning("images.flatten.put_off", {{"file", layer}, {"reason", why.what}});
    }
}

/// Once for each that comes to wait.
void DirectoryStore::tell_no_room(const std::optional<FlattenWork>& work) {
    const std::string layer = work ? work->what.layer : std::string();
    if (layer != told_no_room_ && work) {
        log_.warning("images.flatten.no_room", {{"file", layer}, {"files", work->files}, {"needed_bytes", work->needed_bytes}});
    }
    told_no_room_ = layer;
}

Result<bool> DirectoryStore::flatten_due(const ProgressCallback& progress) {
    const std::shared_ptr<Slot> mine = slot("flatten/");
    const std::lock_guard one_at_a_time(mine->mutex);
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    const Result<std::vector<FlattenRoom>> rooms = flatten_rooms();
    if (!tree || !rooms) {
        return tree ? rooms.error() : tree.error();
    }
    const FlattenChoice choice = choose_flatten(flatten_works(*tree), *rooms);
    tell_no_room(choice.no_room);
    if (!choice.next) {
        return false;
    }
    const LayerTree::Shorter& what = choice.next->what;
    log_.info("images.flatten.started", {{"file", what.layer}, {"files", choice.next->files}, {"bytes", choice.next->needed_bytes}});
    const auto go_on = [&](const ImportProgress& done) { return waiting_flatten_ == 0 && (!progress || progress(done)); };
    const Result<void> done = rewrite(*tree, what, go_on);
    if (done) {
        pauses_.done(what.layer);
    } else if (done.error().code == std::errc::operation_canceled) {
        return false;
    } else {
        put_off(what.layer, done.error());
    }
    return true;
}

} // namespace rootstock::images
