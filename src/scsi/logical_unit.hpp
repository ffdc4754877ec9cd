// A logical unit: the device server of SAM-5 over one BlockDevice. Shared by all sessions that see the disk, on any shard.
// Threads: every call is thread-safe and never blocks; the fast path (READ / WRITE with no unit attention pending and no
// reservation held) takes no lock.
#pragma once

#include "scsi/command.hpp"
#include "scsi/task_claim.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace rootstock::scsi {

/// What makes a unit recognisable: stable over restart, restore and replacement of the PC.
struct Identity {
    std::string vendor = "ROOTSTCK";       // 8 characters
    std::string product = "VIRTUAL DISK";  // 16
    std::string revision = "1";            // 4
    std::string serial;                    // VPD 80
    std::array<std::uint8_t, 16> naa{};    // VPD 83: NAA 6 (locally made, registered extended form), all 16 bytes
};

/// Derives serial and NAA from a stable name ("machine/lab1-07", "volume/data").
[[nodiscard]] Identity identity_from_name(std::string_view stable_name);

class LogicalUnit {
  public:
    virtual ~LogicalUnit() = default;

    /// For READ. While a COMPARE AND WRITE or ORWRITE is performed, nothing can be written through it: try_write() would block.
    [[nodiscard]] virtual block::BlockDevice& device() = 0;
    /// For WRITE: device()'s calls of these names, and IoError::gone once the task was aborted by another nexus.
    [[nodiscard]] virtual block::TryWrite try_write(TaskClaim claim, std::uint64_t offset, Bytes data) = 0;
    [[nodiscard]] virtual Result<void, block::IoError> write(TaskClaim claim, std::uint64_t offset, Bytes data, bool fua) = 0;

    /// A new I_T nexus; starts with POWER ON, RESET OR BUS DEVICE RESET OCCURRED pending when `power_on` (SAM-5 5.14).
    /// `initiator_port`: iSCSI name + ",i,0x" + ISID (RFC 7143 section 4.4.1), the key of reservations.
    /// `relative_target_port`: the portal group tag. `all_luns`: what REPORT LUNS answers.
    [[nodiscard]] virtual std::shared_ptr<Nexus> attach(std::string_view initiator_port, std::uint16_t relative_target_port,
                                                        std::vector<std::uint64_t> all_luns, bool power_on) = 0;

    [[nodiscard]] virtual Step execute(Nexus& nexus, const Command& command) = 0;
    [[nodiscard]] virtual Step execute_with_data(Nexus& nexus, const Command& command, Bytes data_out) = 0;
    [[nodiscard]] virtual Response complete(Nexus& nexus, const Command& command, const BlockIo& io, const IoResult& result) = 0;

    /// Performs any BlockIo but `read` and streamed `write` against the device; blocks. COMPARE AND WRITE and ORWRITE are atomic against
    /// everything that writes. What would write does not, once the task was aborted by another nexus.
    [[nodiscard]] virtual IoResult perform(const BlockIo& io, TaskClaim claim = {}) = 0;

    /// Waits until all that is being written now has been written; blocks. After it, nothing of a task that was aborted before reaches the
    /// medium: who aborts others' tasks is answered then, and not before (SAM-5 7.1).
    virtual void await_writes() = 0;

    // Aborting others' tasks. Does not wait: await_writes().
    /// LOGICAL UNIT RESET / TARGET RESET: ends all tasks, and is told to every nexus, the one that asked for it too (SAM-5 6.3.3).
    virtual void reset() = 0;
    /// CLEAR TASK SET: ends all tasks, and the other nexuses are told COMMANDS CLEARED BY ANOTHER INITIATOR (SAM-5 7.4).
    virtual void clear_task_set(const Nexus& by) = 0;
    /// The device has another size now: CAPACITY DATA HAS CHANGED for everybody.
    virtual void capacity_changed() = 0;
    /// Somebody is registered for persistent reservations, which nobody but this unit may know of: it should not be thrown away.
    [[nodiscard]] virtual bool has_registrations() const { return false; }
};

/// The one implementation. Persistent reservations end with the process.
[[nodiscard]] std::shared_ptr<LogicalUnit> make_disk_unit(std::shared_ptr<block::BlockDevice> device, Identity identity);

/// The same, with reservations that survive power loss when the initiator asks for it (APTPL): changes go to `store` under the unit's
/// serial number, and the unit begins with `kept`, which the caller has loaded from there.
class ReservationStore;
struct ReservationState;
[[nodiscard]] std::shared_ptr<LogicalUnit> make_disk_unit(std::shared_ptr<block::BlockDevice> device, Identity identity,
                                                          std::shared_ptr<ReservationStore> store, ReservationState kept);

/// A disk whose medium can be ejected, loaded and held, as a card in its reader. Persistent reservations end with the process.
[[nodiscard]] std::shared_ptr<LogicalUnit> make_removable_disk_unit(std::shared_ptr<block::BlockDevice> device, Identity identity);

/// A CD or DVD drive with an ISO image in it: MMC, blocks of 2048 bytes, nothing can be written. `device`: its logical blocks are 512, 1024 or
/// 2048 bytes; what is left behind the last whole 2048 bytes cannot be read. An ejected image comes back when the session that ejected it ends.
[[nodiscard]] std::shared_ptr<LogicalUnit> make_cdrom_unit(std::shared_ptr<block::BlockDevice> device, Identity identity);

/// What a command to a LUN that does not exist gets: INQUIRY with qualifier 3, REPORT LUNS, else LOGICAL UNIT NOT SUPPORTED (SPC-4 6.6).
[[nodiscard]] Response no_such_unit(const Command& command, const std::vector<std::uint64_t>& all_luns);

} // namespace rootstock::scsi
