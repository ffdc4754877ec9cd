// DeviceServer: what logical_unit.hpp promises; inside the scsi folder the handlers see it whole.
// Threads: everything is thread-safe. The fast path reads four relaxed atomics (attentions of the nexus, `guarded_`, `loaded_`, mode
// flags) and takes no lock; reservations, the tray and the list of nexuses are under one mutex.
#pragma once

#include "scsi/logical_unit.hpp"
#include "scsi/command_table.hpp"
#include "scsi/copy_job.hpp"
#include "scsi/inquiry.hpp"
#include "scsi/mode_pages.hpp"
#include "scsi/reservations.hpp"
#include "scsi/unit_attention.hpp"
#include "scsi/write_gate.hpp"

#include <functional>
#include <mutex>

namespace rootstock::scsi {

/// What makes a disk a disk and a CD drive a CD drive.
struct UnitKind {
    Peripheral peripheral = Peripheral::disk;
    bool removable = false; // the medium can be ejected and loaded
    const CommandTable* commands = nullptr;
    ModePageSet mode_pages = ModePageSet::disk;
    std::uint32_t block_size = 0; // 0: as the device says

    [[nodiscard]] static UnitKind disk() { return {Peripheral::disk, false, &disk_commands(), ModePageSet::disk, 0}; }
    [[nodiscard]] static UnitKind removable_disk() { return {Peripheral::disk, true, &disk_commands(), ModePageSet::disk, 0}; }
    [[nodiscard]] static UnitKind cdrom() { return {Peripheral::cdrom, true, &cdrom_commands(), ModePageSet::cdrom, 2048}; }
};

/// Media events of MMC-6 table 303 that a nexus has not asked for yet.
enum class MediaEvent : std::uint8_t { none = 0, new_medium = 2, removal = 3 };

class UnitNexus final : public Nexus {
  public:
    UnitNexus(std::shared_ptr<DeviceServer> unit, NexusName name, std::vector<std::uint64_t> all_luns)
        : name_(std::move(name)), all_luns_(std::move(all_luns)), unit_(std::move(unit)) {}
    ~UnitNexus() override;

    [[nodiscard]] const NexusName& name() const { return name_; }
    [[nodiscard]] const std::vector<std::uint64_t>& all_luns() const { return all_luns_; }
    [[nodiscard]] UnitAttentions& attentions() { return attentions_; }
    [[nodiscard]] CopyLog& copies() { return copies_; }
    [[nodiscard]] std::atomic<MediaEvent>& media_event() { return media_event_; }
    void abort_tasks() {
        abort_epoch_.fetch_add(1, std::memory_order_release);
        copies_.cancel_all();
    }

  private:
    const NexusName name_;
    const std::vector<std::uint64_t> all_luns_;
    UnitAttentions attentions_;
    CopyLog copies_;
    std::atomic<MediaEvent> media_event_{MediaEvent::none};
    std::shared_ptr<DeviceServer> unit_;
};

/// Sizes as CDBs count them.
struct Shape {
    std::uint64_t block_count = 0;
    std::uint32_t block_size = 512;
    std::uint32_t physical_block_size = 4096;
    std::uint32_t discard_granularity = 0;

    [[nodiscard]] std::uint32_t blocks(std::uint64_t bytes) const { return static_cast<std::uint32_t>(bytes / block_size); }
    [[nodiscard]] bool thin() const { return discard_granularity != 0; }
};

class DeviceServer final : public LogicalUnit, public std::enable_shared_from_this<DeviceServer> {
  public:
    DeviceServer(UnitKind kind, std::shared_ptr<block::BlockDevice> device, Identity identity, std::shared_ptr<ReservationStore> store,
                 ReservationState reservations);

    // LogicalUnit
    [[nodiscard]] block::BlockDevice& device() override { return gated_; }
    [[nodiscard]] std::shared_ptr<Nexus> attach(std::string_view initiator_port, std::uint16_t relative_target_port,
                                                std::vector<std::uint64_t> all_luns, bool power_on) override;
    [[nodiscard]] Step execute(Nexus& nexus, const Command& command) override;
    [[nodiscard]] Step execute_with_data(Nexus& nexus, const Command& command, Bytes data_out) override;
    [[nodiscard]] Response complete(Nexus& nexus, const Command& command, const BlockIo& io, const IoResult& result) override;
    [[nodiscard]] block::TryWrite try_write(TaskClaim claim, std::uint64_t offset, Bytes data) override {
        return GatedDevice(*device_, gate_, claim).try_write(offset, data);
    }
    [[nodiscard]] Result<void, block::IoError> write(TaskClaim claim, std::uint64_t offset, Bytes data, bool fua) override {
        return GatedDevice(*device_, gate_, claim).write(offset, data, fua);
    }
    [[nodiscard]] IoResult perform(const BlockIo& io, TaskClaim claim) override;
    void await_writes() override;
    void reset() override;
    void clear_task_set(const Nexus& by) override;
    void capacity_changed() override;
    [[nodiscard]] bool has_registrations() const override;

    // For the handlers.
    [[nodiscard]] const UnitKind& kind() const { return kind_; }
    [[nodiscard]] const Identity& identity() const { return identity_; }
    [[nodiscard]] Shape shape() const {
        Shape shape = shape_;
        shape.block_count = block_count_.load(std::memory_order_relaxed);
        return shape;
    }
    [[nodiscard]] std::uint32_t block_size() const { return shape_.block_size; }
    [[nodiscard]] std::uint64_t block_count() const { return block_count_.load(std::memory_order_relaxed); }
    [[nodiscard]] ModeState& modes() { return modes_; }
    [[nodiscard]] bool write_protected() const { return read_only_ || modes_.software_write_protect(); }
    [[nodiscard]] Response check_condition(const Sense& sense) const;

    /// Whether a reservation of another nexus forbids such an access; RESERVE(6) forbids all of them.
    [[nodiscard]] bool conflicts(const UnitNexus& nexus, Access access) const;
    [[nodiscard]] bool keeps_reservations() const { return store_ != nullptr; }
    [[nodiscard]] bool has_target_port(std::uint16_t relative_target_port) const;
    /// Looks at the reservations under the lock.
    void with_reservations(const std::function<void(const Reservations&)>& look) const;
    [[nodiscard]] Step reserve_out(const UnitNexus& from, const ReserveOut& request);
    /// RESERVE(6) and RELEASE(6).
    [[nodiscard]] Status reserve_unit(const UnitNexus& from);
    [[nodiscard]] Status release_unit(const UnitNexus& from);

    /// Whether there is a medium in the drive: always, unless the unit is removable.
    [[nodiscard]] bool loaded() const { return loaded_.load(std::memory_order_relaxed); }
    /// PREVENT ALLOW MEDIUM REMOVAL: each nexus holds the tray for itself (SPC-4 6.13).
    void prevent_removal(const UnitNexus& by, bool prevent);
    [[nodiscard]] bool removal_prevented() const;
    /// Opens or closes the tray: MEDIUM REMOVAL PREVENTED while anybody holds it, and news for everybody but `by`. An ejected medium comes
    /// back when the nexus that ejected it is gone: others must not lose it for good.
    [[nodiscard]] std::optional<Sense> move_tray(const UnitNexus& by, bool load);

    /// Unit attention for every nexus but `by`.
    void tell_all(Attention attention, const Nexus* by);
    void forget(const UnitNexus& nexus);

  private:
    [[nodiscard]] Step run(UnitNexus& nexus, const Command& command, std::optional<Bytes> data_out);
    [[nodiscard]] bool forbidden(const UnitNexus& nexus, const CommandRow& row) const;
    void tell_all_locked(Attention attention, const Nexus* by);
    void deliver(const ReserveOutcome& outcome);
    void move_tray_locked(const UnitNexus& by, bool load);
    void update_guarded();
    [[nodiscard]] IoResult save_reservations();

    const UnitKind kind_;
    const std::shared_ptr<block::BlockDevice> device_;
    WriteGate gate_;
    GatedDevice gated_; // `device_` for all who must not write in the middle of a COMPARE AND WRITE
    const Identity identity_;
    const std::shared_ptr<ReservationStore> store_;
    Shape shape_; // all but block_count never changes
    std::atomic<std::uint64_t> block_count_;
    const bool read_only_;
    ModeState modes_;
    std::atomic<bool> loaded_{true};
    std::atomic<bool> guarded_{false}; // some reservation is held: look closer

    mutable std::mutex mutex_; // what follows
    Reservations reservations_;
    const UnitNexus* reserve6_holder_ = nullptr;
    std::vector<const UnitNexus*> removal_preventers_;
    const UnitNexus* ejected_by_ = nullptr;
    std::vector<UnitNexus*> nexuses_;

    std::mutex save_mutex_; // one save at a time, so that the newest state is the last one written
};

} // namespace rootstock::scsi
