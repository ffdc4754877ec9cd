// DirectoryStore, what its disks take: counted when it opens, settled each second, noted each day.
#include "images/directory_store.hpp"
#include "images/vhdx_create.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

constexpr const char* store_samples = "store";
constexpr const char* file_system_samples = "file-system";
constexpr std::string_view group_samples = "group/";
constexpr std::chrono::seconds closed_period{10};

/// Machines' names have no dot.
bool is_machine_name(const std::string& name) { return name.find('.') == std::string::npos; }

} // namespace

/// Of a disk that is closed: what its file takes, less the log that each of them has, in use or not.
std::uint64_t DirectoryStore::data_bytes(const std::string& file) {
    const std::uint64_t stored = stored_bytes(file);
    return stored - std::min<std::uint64_t>(stored, vhdx_log_length_writable);
}

Result<void> DirectoryStore::count_disks() {
    const Result<void> loaded = history_.load();
    return loaded ? count_closed() : loaded;
}

/// What no open disk tells: disks that are closed, layers below them, and that some have gone, or have become something else, since the last time.
Result<void> DirectoryStore::count_closed() {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    std::map<std::string, std::uint64_t> kept;
    for (const auto& [disk, bytes] : own_bytes(*tree)) {
        kept[disk] = 0;
        const std::shared_ptr<Slot> mine = slot(disk);
        const std::unique_lock one_at_a_time(mine->mutex, std::try_to_lock); // whoever opens or closes it now counts it himself
        if (one_at_a_time && !mine->disk) {
            space_.account(disk)->settle(bytes);
        }
    }
    const std::map<std::string, DiskName> owners = tree->owners();
    std::uint64_t masters = 0;
    for (const LayerRow& layer : tree->layers) {
        const auto owner = owners.find(layer.file);
        (owner == owners.end() ? masters : kept[slot_key(owner->second)]) += stored_bytes(layer.file);
    }
    space_.set_disks(kept);
    space_.set_masters(masters);
    closed_counted_at_ = clock_.now();
    return {};
}

/// What each disk's own file takes, as far as that can be told from outside.
std::map<std::string, std::uint64_t> DirectoryStore::own_bytes(const LayerTree& tree) {
    std::map<std::string, std::uint64_t> disks;
    for (const OverlayRow& row : tree.overlays) {
        // One that is put aside has the name of no machine: it counts for the store alone.
        const std::string owner = is_machine_name(row.machine) ? "machine/" + row.machine : "kept/" + row.machine;
        disks[owner] = row.kind == OverlayKind::persistent ? data_bytes(row.file) : stored_bytes(row.file);
    }
    for (const VolumeRow& row : tree.volumes) {
        disks["volume/" + row.name] = row.options.kind == VolumeKind::disk ? data_bytes(row.file) : 0;
    }
    return disks;
}

void DirectoryStore::review_space() {
    std::map<std::string, std::shared_ptr<Slot>> slots;
    {
        std::lock_guard lock(mutex_);
        slots = slots_;
    }
    for (const auto& [key, each] : slots) {
        const std::unique_lock one_at_a_time(each->mutex, std::try_to_lock); // one that is being opened or closed is counted next time
        if (one_at_a_time && each->disk) {
            each->disk->settle_account();
        }
    }
    if (clock_.now() - closed_counted_at_ >= closed_period) {
        static_cast<void>(count_closed()); // a catalogue that cannot be read now leaves the last figures
    }
    const Result<FileSystem::Space> space = files_.space(layout_.path(""));
    if (!space) {
        return;
    }
    space_.review(*space);
    const SpaceReport report = space_.report();
    std::map<std::string, std::uint64_t> used{{file_system_samples, report.file_system.used_bytes}, {store_samples, report.store.used_bytes}};
    for (const SpaceUse& group : report.groups) {
        used[std::string(group_samples) + group.name] = group.used_bytes;
    }
    history_.note(clock_.wall(), used);
}

std::optional<std::int64_t> DirectoryStore::days_until_full(const std::string& what) {
    const SpaceReport report = space_.report();
    const auto full_in = [&](const SpaceUse& use) { return images::days_until_full(history_.of(what), use.used_bytes, use.limit_bytes); };
    if (what == file_system_samples) {
        return full_in(report.file_system);
    }
    if (what == store_samples) {
        return full_in(report.store);
    }
    for (const SpaceUse& group : report.groups) {
        if (what == std::string(group_samples) + group.name) {
            return full_in(group);
        }
    }
    return std::nullopt;
}

} // namespace rootstock::images
