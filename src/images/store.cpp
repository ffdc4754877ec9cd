#include "images/directory_store.hpp"

#include <utility>

namespace rootstock::images {
std::shared_ptr<DirectoryStore::Slot> DirectoryStore::slot(const std::string& key) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<Slot>& found = slots_[key];
    if (!found) {
        found = std::make_shared<Slot>();
    }
    return found;
}

Result<void> DirectoryStore::close_slot(const std::string& key) {
    const std::shared_ptr<Slot> mine = slot(key);
    std::lock_guard one_at_a_time(mine->mutex);
    if (!mine->disk) {
        return {};
    }
    if (mine->in_use()) {
        return busy("The disk " + key + " is in use. Switch the machine off, or end its sessions, first.");
    }
    return std::exchange(mine->disk, nullptr)->close();
}

void DirectoryStore::close_all() {
    std::map<std::string, std::shared_ptr<Slot>> slots;
    {
        std::lock_guard lock(mutex_);
        slots = slots_;
    }
    for (const auto& [key, each] : slots) {
        std::lock_guard one_at_a_time(each->mutex);
        if (const std::shared_ptr<Overlay> disk = std::exchange(each->disk, nullptr)) {
            if (const Result<void> closed = disk->close(); !closed) {
                log_.error("images.disk.not_closed", {{"disk", key}, {"reason", closed.error().what}});
            }
        }
    }
}

void DirectoryStore::review_traces() {
    if (traces_.review()) {
        tell_change();
    }
}

Result<std::unique_ptr<Store>> open_store(FileSystem& files, const std::string& data, Catalogue& catalogue, Log& log, const Clock& clock,
                                          std::uint64_t memory_bytes) {
    StoreLayout layout(files, data);
    Result<std::unique_ptr<File>> lock = layout.prepare();
    if (!lock) {
        return lock.error();
    }
    auto store = std::make_unique<DirectoryStore>(files, std::move(layout), std::move(*lock), catalogue, log, clock, memory_bytes);
    if (const Result<void> recovered = store->recover(); !recovered) {
        return recovered.error();
    }
    if (const Result<void> counted = store->count_disks(); !counted) {
        return counted.error();
    }
    return std::unique_ptr<Store>(std::move(store));
}

} // namespace rootstock::images
