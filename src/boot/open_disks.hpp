// OpenDisks: the overlays and volumes that are open, with their logical units. Opened at the first
// login, shared by all sessions, closed when they change hands, are thrown away, or have been idle
// for a while. Threads: thread-safe; let_go() blocks.
#pragma once

#include "boot/names.hpp"
#include "core/clock.hpp"
#include "images/overlay.hpp"
#include "scsi/logical_unit.hpp"
#include "scsi/reservations.hpp"

#include <map>
#include <mutex>

namespace rootstock::boot {

/// "machine/lab1-07", "volume/data": what a disk is known by here, and what serial and NAA of its
/// unit are made of.
[[nodiscard]] std::string disk_identity(const Names::TargetName& disk);
[[nodiscard]] Names::TargetName disk_of_identity(const std::string& identity);

struct OpenDisk {
    std::mutex changing; // held while the disk is opened, closed or thrown away, and over the login
                         // that does it
    std::shared_ptr<scsi::LogicalUnit> unit; // guarded by `changing`; null: not open
};

class OpenDisks {
  public:
    OpenDisks(const Clock& clock, scsi::ReservationStore& reservations)
        : clock_(clock), reservations_(reservations) {}

    [[nodiscard]] std::shared_ptr<OpenDisk> get(const std::string& identity);

    /// Makes the unit over `device`, with the persistent reservations that were kept. Blocks.
    /// `disk.changing` is held.
    [[nodiscard]] Result<void>
    opened(OpenDisk& disk, const std::string& identity, std::shared_ptr<block::BlockDevice> device);
    /// The same for the medium of a CD-ROM, which has no reservations to keep.
    static void opened_cdrom(OpenDisk& disk,
                             const std::string& identity,
                             std::shared_ptr<block::BlockDevice> medium);
    /// The kept reservations end: the disk is thrown away or changes hands. It is not open.
    [[nodiscard]] Result<void> forget_reservations(const std::string& identity);
    /// Waits until no command uses the unit any more and lets go of the overlay, so that the store
    /// may close or remove it. `disk.changing` is held and its sessions are gone. Fine when it is
    /// not open.
    [[nodiscard]] static Result<void> let_go(OpenDisk& disk);

    /// A session of it has ended: it may be idle from now on.
    void touch(const std::string& identity);
    /// Those that nobody touched for `idle`; each is given once for each touch.
    [[nodiscard]] std::vector<std::string> take_idle(Duration idle);
    /// All that were ever open.
    [[nodiscard]] std::vector<std::string> identities() const;

  private:
    const Clock& clock_;
    scsi::ReservationStore& reservations_;
    mutable std::mutex mutex_; // guards both maps
    std::map<std::string, std::shared_ptr<OpenDisk>> disks_;
    std::map<std::string, TimePoint> touched_;
};

} // namespace rootstock::boot
