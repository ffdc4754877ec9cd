#include "images/directory_store.hpp"
#include "images/live_map.hpp"

#include <filesystem>
#include <utility>

namespace rootstock::images {

std::string DirectoryStore::file_path(const std::string& file) const { return std::filesystem::absolute(layout_.path(file)).string(); }

Result<void> DirectoryStore::check_not_held(const Slot& slot, const std::string& machine) {
    return slot.held ? Result<void>(busy("The disk of machine " + machine + " is being exported. Wait for the end of that.")) : Result<void>();
}

Result<std::shared_ptr<const std::string>> DirectoryStore::hold_machine_disk(const std::string& machine) {
    const std::shared_ptr<Slot> mine = slot("machine/" + machine);
    std::lock_guard one_at_a_time(mine->mutex);
    if (const Result<void> free = check_not_held(*mine, machine); !free) {
        return free.error();
    }
    if (mine->disk && mine->in_use()) {
        return busy("The disk of machine " + machine + " is in use. Switch the machine off, or end its sessions, first.");
    }
    const Result<std::optional<OverlayRow>> row = overlay_of(machine);
    if (!row) {
        return row.error();
    }
    if (!*row) {
        return not_found("Machine " + machine + " has no disk of its own yet. Export its image.");
    }
    if ((*row)->kind == OverlayKind::reset) {
        return make_error(std::errc::not_supported, "The disk of machine " + machine +
                                                        " is thrown away at its next boot and has no file to read. Export its image, or make the machine persistent first.");
    }
    const std::string path = file_path((*row)->file);
    if (!mine->disk && files_.exists(LiveMap::path_of(path))) { // a crash left writes that are not in the file yet: opening takes them over
        Result<std::shared_ptr<Overlay>> disk = open_existing(**row);
        if (!disk) {
            return disk.error();
        }
        mine->disk = std::move(*disk);
    }
    if (mine->disk) {
        if (const Result<void> closed = std::exchange(mine->disk, nullptr)->close(); !closed) {
            return closed.error();
        }
    }
    mine->held = true;
    return std::shared_ptr<const std::string>(new std::string(path), [mine](const std::string* text) {
        delete text;
        std::lock_guard lock(mine->mutex);
        mine->held = false;
    });
}

} // namespace rootstock::images
