#include "images/directory_store.hpp"
#include "images/live_map.hpp"

#include <filesystem>
#include <utility>

namespace rootstock::images {

std::string DirectoryStore::file_path(const std::string& file) const { return std::filesystem::absolute(layout_.path(file)).string(); }

Result<void> DirectoryStore::check_not_held(const Slot& slot, const std::string& machine) {
    return slot.held ? Result<void>(busy("The disk of machine " + machine + " is being exported. Wait for the end of that.")) : Result<void>();
}

/// The row of a persistent disk that nobody uses; the slot is locked.
Result<OverlayRow> DirectoryStore::idle_persistent_overlay(const std::string& machine, const Slot& slot) {
    if (const Result<void> free = check_not_held(slot, machine); !free) {
        return free.error();
    }
    if (slot.disk && slot.in_use()) {
        return busy("The disk of machine " + machine + " is in use. Switch the machine off, or end its sessions, first.");
    }
    const Result<std::optional<OverlayRow>> row = overlay_of(machine);
    if (!row) {
        return row.error();
    }
    if (!*row) {
        return not_found("Machine " + machine + " has no disk of its own yet. Use its image.");
    }
    if ((*row)->kind == OverlayKind::reset) {
        return make_error(std::errc::not_supported, "The disk of machine " + machine +
                                                        " is thrown away at its next boot. Keep what it holds, and use that: rootstock snapshot create " + machine +
                                                        " NAME");
    }
    return **row;
}

/// Everything acknowledged is in the file, which nobody has open then. The slot is locked and not in use.
Result<void> DirectoryStore::close_cleanly(const WritableFile& file, Slot& slot) {
    if (!slot.disk && files_.exists(LiveMap::path_of(layout_.path(file.file)))) { // a crash left writes that are not in the file yet: opening takes them over
        Result<std::shared_ptr<Overlay>> disk = open_writable(file);
        if (!disk) {
            return disk.error();
        }
        slot.disk = std::move(*disk);
    }
    return slot.disk ? std::exchange(slot.disk, nullptr)->close() : Result<void>();
}

Result<std::shared_ptr<const std::string>> DirectoryStore::hold_machine_disk(const std::string& machine) {
    const std::shared_ptr<Slot> mine = slot("machine/" + machine);
    std::lock_guard one_at_a_time(mine->mutex);
    const Result<OverlayRow> row = idle_persistent_overlay(machine, *mine);
    if (!row) {
        return row.error();
    }
    if (const Result<void> closed = close_cleanly({{DiskKind::machine, machine}, row->file, row->layer}, *mine); !closed) {
        return closed.error();
    }
    mine->held = true;
    return std::shared_ptr<const std::string>(new std::string(file_path(row->file)), [mine](const std::string* text) {
        delete text;
        std::lock_guard lock(mine->mutex);
        mine->held = false;
    });
}

} // namespace rootstock::images
