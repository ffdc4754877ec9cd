// Disks, second part: how they are closed, thrown away, and how a machine is found switched off.
#include "boot/disks.hpp"
#include "boot/limits.hpp"

namespace rootstock::boot {

namespace {

using iscsi::EndReason;
using Kind = Names::TargetName::Kind;

} // namespace

Result<void> Disks::close(const Names::TargetName& name, OpenDisk& disk) {
    if (auto gone = OpenDisks::let_go(disk); !gone) {
        return gone;
    }
    return name.kind == Kind::machine ? store_.close_machine_disk(name.name)
                                      : store_.close_volume_disk(name.name);
}

Result<void> Disks::discard_machine_disk(const std::string& machine) {
    const Names::TargetName target{Kind::machine, machine};
    const auto disk = open_disks_.get(disk_identity(target));
    std::lock_guard changing(disk->changing);
    for (const Session& session : sessions_.end(SessionTable::on_disk({Kind::machine, machine}),
                                                EndReason::target_removed)) {
        registry_.boot_ended(session.boot,
                             fleet::BootOutcome::refused,
                             "its disk was thrown away: start the PC again");
    }
    if (!sessions_.wait_until_gone(SessionTable::on_disk({Kind::machine, machine}),
                                   session_end_max)) {
        return make_error(std::errc::device_or_resource_busy,
                          "the sessions of " + machine + " do not end; try again in a moment");
    }
    if (auto released = OpenDisks::let_go(*disk); !released) {
        return released;
    }
    if (auto forgotten = open_disks_.forget_reservations(disk_identity(target)); !forgotten) {
        return forgotten;
    }
    return store_.remove_machine_disk(machine);
}

Result<void> Disks::release_machine_disk(const std::string& machine) {
    return while_released(machine, [] { return Result<void>(); });
}

Result<void> Disks::while_released(const std::string& machine,
                                   const std::function<Result<void>()>& work) {
    const Names::TargetName target{Kind::machine, machine};
    const auto disk = open_disks_.get(disk_identity(target));
    std::lock_guard changing(disk->changing);
    if (sessions_.any(SessionTable::on_disk({Kind::machine, machine}))) {
        return make_error(std::errc::device_or_resource_busy,
                          "machine " + machine +
                              " has its disk in use; switch it off, or end its sessions, first");
    }
    const auto closed = close(target, *disk);
    return closed ? work() : closed;
}

Result<void> Disks::release_volume(const std::string& volume) {
    const std::string identity = disk_identity({Kind::volume, volume});
    const auto disk = open_disks_.get(identity);
    std::lock_guard changing(disk->changing);
    if (sessions_.any(SessionTable::on_disk({Kind::volume, volume}))) {
        return make_error(std::errc::device_or_resource_busy,
                          "volume " + volume + " is in use; end its sessions first");
    }
    if (auto closed = close({Kind::volume, volume}, *disk); !closed) {
        return closed;
    }
    return open_disks_.forget_reservations(identity);
}

void Disks::close_idle() {
    for (const std::string& identity : open_disks_.take_idle(idle_disk_close)) {
        const auto disk = open_disks_.get(identity);
        std::lock_guard changing(disk->changing);
        const auto on_this = [&](const Session& session) {
            return disk_identity(session.disk) == identity;
        };
        if (sessions_.any(on_this)) {
            continue; // touched again when the last one ends
        }
        const Names::TargetName target = disk_of_identity(identity);
        if (target.kind == Kind::volume && disk->unit && disk->unit->has_registrations()) {
            continue; // a reservation outlives its session (SPC-4 5.12.5)
        }
        if (auto closed = close(target, *disk); !closed) {
            log_.error("boot.disk.close_failed",
                       {{"disk", identity}, {"reason", closed.error().what}});
        }
        const auto view = registry_.view();
        const fleet::Machine* machine =
            target.kind == Kind::machine ? view->find(target.name) : nullptr;
        if (const fleet::BootId last = machine == nullptr ? 0 : last_login(*machine); last != 0) {
            if (const auto boot = registry_.boot(last);
                boot && boot->outcome != fleet::BootOutcome::refused) {
                registry_.boot_ended(last, fleet::BootOutcome::ended, {});
            }
        }
    }
}

void Disks::close_all() {
    for (const std::string& identity : open_disks_.identities()) {
        const auto disk = open_disks_.get(identity);
        std::lock_guard changing(disk->changing);
        if (auto closed = close(disk_of_identity(identity), *disk); !closed) {
            log_.error("boot.disk.close_failed",
                       {{"disk", identity}, {"reason", closed.error().what}});
        }
    }
}

} // namespace rootstock::boot
