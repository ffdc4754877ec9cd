// BootLog: the boots in memory and the rules of a boot's life (docs/architecture.md). Decides when a PC has begun another boot; stages never
// go back; bounded per machine (limits.hpp), so that a flood of strangers pushes out no machine's boot.
// No thread, no clock: the Registry owns it, guards it and hands in the time.
#pragma once

#include "fleet/machine.hpp"

#include <map>
#include <set>

namespace rootstock::fleet {

/// Monotonic and calendar time of one moment.
struct Moment {
    TimePoint now;
    WallTime wall;
};

/// To whom a MAC's boot is booked. A replaced PC is booked to the machine that it was, in its old generation.
struct BootOwner {
    std::optional<MachineId> machine;
    std::uint32_t generation = 0;
    bool operator==(const BootOwner&) const = default;
};

/// The latest stage that `boot` has reached; nothing while it has none.
[[nodiscard]] std::optional<Stage> furthest_stage(const Boot& boot);

/// True when a PC that shows `stage` after `silence` is no longer in `boot`, but in the next one:
///   discover  the boot was at its script or beyond (firmware asks again only after a reset or a retry)
///   loader, script  the boot had logged in (another server leases the addresses, so no DISCOVER was seen)
///   offer  never: an operating system renews its lease
/// and each but "offer" also when the boot is over or silent for boot_silence_max. A refused PC that asks for its script again is still in the
/// refused boot.
[[nodiscard]] bool begins_new_boot(const Boot& boot, Stage stage, Duration silence);

/// Notes `stage` in `boot`; false (and no change) when it was reached or passed before.
bool advance(Boot& boot, Stage stage, WallTime when, std::string_view detail);

class BootLog {
  public:
    /// What is known from the store, newest first.
    void restore(std::vector<Boot> boots, Moment moment);

    struct Sighting {
        BootId id = 0; // 0: this stage alone begins no boot
        bool changed = false;
    };
    /// `mac` shows `stage`: of its present boot or of a new one.
    Sighting see(Mac mac, Stage stage, std::string_view detail, BootOwner owner, Moment moment);

    /// The boot whose disk `mac` is about to be given: the present one until it has logged in, else a new one. The caller sets its secret.
    Boot& disk_boot(Mac mac, BootOwner owner, Moment moment);

    /// False: unknown id, or nothing new. A stage of a boot that had ended brings it back: its sessions returned.
    bool stage(BootId id, Stage stage, std::string_view detail, Moment moment);
    /// What its disk stands on. False: unknown id, or nothing new.
    bool set_disk(BootId id, const std::string& image, std::uint32_t version);
    bool end(BootId id, BootOutcome outcome, std::string_view reason);

    [[nodiscard]] const Boot* find(BootId id) const;
    /// Newest first, without secrets.
    [[nodiscard]] std::vector<Boot> newest(std::optional<MachineId> machine, std::size_t most) const;

    /// The machine is gone; its boots stay as those of its PCs.
    void forget_machine(MachineId machine);

    /// Boots that changed since the last call, in order.
    [[nodiscard]] std::vector<Boot> take_changed();
    /// These were not written after all.
    void mark_changed(const std::vector<Boot>& boots);

  private:
    struct Present {
        BootId id = 0;
        TimePoint last_seen;
    };
    Boot& begin(Mac mac, BootOwner owner, Moment moment);
    Boot* find_mutable(BootId id);
    void book(Boot& boot, BootOwner owner);
    void evict(std::optional<MachineId> owner, BootId kept = 0);

    std::map<BootId, Boot> boots_;
    std::map<std::optional<MachineId>, std::set<BootId>> by_owner_;
    std::map<Mac, Present> present_; // only of boots in boots_
    std::set<BootId> changed_;
    BootId last_id_ = 0;
};

} // namespace rootstock::fleet
