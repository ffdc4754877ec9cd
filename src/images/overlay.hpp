// Overlays: the disk of one machine over one master. Both kinds keep every acknowledged write over the death of this process; the persistent
// one also keeps every flushed write over power loss.
//   persistent  a differencing VHDX ([MS-VHDX]), `PATH`, and while open `PATH.live`: the ownership of new sectors in a shared mapping, headed by
//               the kernel's boot id (data first, then the bit, then the answer). Taken over on reopening under the same boot id.
//   reset       a sparse raw file and a bitmap of owned sectors in a shared mapping; no journal, no sync.
//   volume      a plain dynamic VHDX without a parent, with the same promises as persistent.
#pragma once

#include "images/master.hpp"
#include "images/space_account.hpp"

#include <functional>

namespace rootstock::images {

/// A writable disk in the store. close() makes it clean (log empty, live map gone); dropping the last pointer without it is what a crash does.
class Overlay : public block::BlockDevice {
  public:
    virtual Result<void> close() = 0;
    /// The same for a moment: what opening it again needs stays beside it, so that a disk that has become full cannot keep it closed.
    virtual Result<void> suspend() { return close(); }
    /// What a child made on it now names it by, once it is closed ([MS-VHDX] 2.6.2.6.3); nothing: it can have none.
    [[nodiscard]] virtual std::optional<Guid> data_write_guid() { return std::nullopt; }
    /// What it stands on; null: nothing.
    [[nodiscard]] virtual std::shared_ptr<Master> parent() { return nullptr; }
    /// From now on it is read from `master`, which holds what parent() does, in other files. What was handed out of the old ones is in use still: the caller
    /// keeps these for as long. False: nothing was changed.
    virtual bool stand_on(std::shared_ptr<Master> master) {
        (void)master;
        return false;
    }
    /// Space that the disk takes in the store, metadata included.
    [[nodiscard]] virtual std::uint64_t allocated_bytes() = 0;
    /// From now on it counts what it takes there, and ends writes that would pass a limit with IoError::quota. Once, before anybody else has the disk.
    virtual void charge_to(std::shared_ptr<SpaceAccount> account) = 0;
    /// Puts the account right: what it takes is what it owns, less the holes in it. Quick, but asks the file.
    virtual void settle_account() = 0;
    /// Told how closing (suspend()) went, with nothing of the disk open; gives what is to be the disk from now on. One that did not close is repaired by
    /// opening it.
    using Next = std::function<Result<std::shared_ptr<Overlay>>(Result<void> closed)>;
    /// Puts something else in the place of what is open, under its users. An error is that of `next`: all I/O ends with `gone` then. Only disks in files can.
    virtual Result<void> exchange(const Next& next) {
        (void)next;
        return make_error(std::errc::not_supported, "this disk cannot be exchanged");
    }
    /// Writes what it owns to `copy`, a new disk over the same master, as it is at one moment before the call returns: everything acknowledged until then. Its
    /// users go on meanwhile, but for the last few writes. `wanted` is asked every 2 MiB; false: errc::operation_canceled. Only disks that are no VHDX can.
    virtual Result<void> copy_own(block::BlockDevice& copy, const std::function<bool()>& wanted) {
        (void)copy;
        (void)wanted;
        return make_error(std::errc::not_supported, "this disk cannot be copied");
    }
};

/// What a child is made on: the file that it will find, and the disk in it.
struct ParentDisk {
    std::string path;
    Guid data_write_guid;
    block::Geometry geometry;
};
[[nodiscard]] inline ParentDisk parent_disk(const Master& master) { return {master.path(), master.identity().data_write_guid, master.geometry()}; }

/// New, empty differencing VHDX over `parent` (parent locator: relative, absolute; parent_linkage = its DataWriteGuid). Durable when it returns.
/// `growth_bytes`: it may grow to that size.
[[nodiscard]] Result<void> create_persistent_overlay(FileSystem& files, const std::string& path, const ParentDisk& parent,
                                                     std::uint64_t growth_bytes = 0);
[[nodiscard]] inline Result<void> create_persistent_overlay(FileSystem& files, const std::string& path, const Master& master) {
    return create_persistent_overlay(files, path, parent_disk(master));
}
[[nodiscard]] Result<std::shared_ptr<Overlay>> open_persistent_overlay(FileSystem& files, const std::string& path,
                                                                       std::shared_ptr<Master> master);

/// A new, empty persistent overlay that is open, and waits for its name and for the disk below it.
class NewOverlay {
  public:
    virtual ~NewOverlay() = default;
    /// The file has its name, and `master` is what it was made on. Once. Cannot fail.
    [[nodiscard]] virtual std::shared_ptr<Overlay> over(std::shared_ptr<Master> master) = 0;
};
/// In `temporary`, which must not exist; with the live map that belongs to `path`, the name that it is to get. Durable when it returns, with one sync of the
/// file and one of its directory, and with all the space that being open needs. A failure leaves nothing.
[[nodiscard]] Result<std::unique_ptr<NewOverlay>> make_new_overlay(FileSystem& files, const std::string& temporary, const std::string& path,
                                                                   const ParentDisk& parent);

[[nodiscard]] Result<void> create_reset_overlay(FileSystem& files, const std::string& path, const Master& master);
/// errc::state_not_recoverable when the host went down since it was made: its contents are gone, remove it and create it again.
[[nodiscard]] Result<std::shared_ptr<Overlay>> open_reset_overlay(FileSystem& files, const std::string& path, std::shared_ptr<Master> master);

/// `block_size`: of the logical blocks, 512 or 4096. Has room to grow to volume_growth times its size, or to the largest there is.
inline constexpr std::uint64_t volume_growth = 64;
[[nodiscard]] Result<void> create_volume(FileSystem& files, const std::string& path, std::uint64_t size_bytes, std::uint32_t block_size = 512);
/// A volume that nobody has open, also one that a crash left behind. Durable; a crash leaves it with the old size or the new one.
[[nodiscard]] Result<void> grow_volume(FileSystem& files, const std::string& path, std::uint64_t size_bytes);
[[nodiscard]] Result<std::shared_ptr<Overlay>> open_volume(FileSystem& files, const std::string& path);

/// Removes the file and what lies beside it (.live, bitmap).
[[nodiscard]] Result<void> remove_disk(FileSystem& files, const std::string& path);

} // namespace rootstock::images
