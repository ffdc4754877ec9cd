// Disks, third part: the sessions' end: over, ended by hand, fenced, no longer allowed.
#include "boot/disks.hpp"
#include "boot/limits.hpp"

#include <algorithm>

namespace rootstock::boot {

namespace {

using iscsi::EndReason;
using Kind = Names::TargetName::Kind;

/// What is settled when a unit is opened has changed.
bool is_other_unit(const images::VolumeRow& before, const images::VolumeRow& now) {
    const bool other_iso = now.options.kind == images::VolumeKind::cdrom &&
                           (before.options.iso != now.options.iso || before.size_bytes != now.size_bytes ||
                            before.iso_modified_ns != now.iso_modified_ns);
    return before.options.read_only != now.options.read_only || other_iso ||
           before.options.moved_to != now.options.moved_to;
}

} // namespace

void Disks::session_over(SessionId id) {
    const auto session = sessions_.remove(id);
    if (!session) {
        return;
    }
    open_disks_.touch(disk_identity(session->disk));
    tell(*session);
}

void Disks::on_session_change(std::function<void(const Session&)> listener) {
    std::lock_guard lock(listener_mutex_);
    session_changed_ = std::move(listener);
}

void Disks::tell(const Session& session) {
    std::lock_guard lock(listener_mutex_);
    if (session_changed_) {
        session_changed_(session);
    }
}

bool Disks::end_session(SessionId id) {
    return !sessions_
                .end([id](const Session& session) { return session.id == id; },
                     EndReason::target_removed)
                .empty() ||
           sessions_.find(id).has_value();
}

/// Ends the sessions of PCs that are no longer a machine's present one.
void Disks::end_fenced() {
    const auto view = registry_.view();
    const auto is_fenced = [&](const Session& session) {
        if (!session.machine) {
            return false;
        }
        const fleet::Machine* machine = view->find(*session.machine);
        return machine == nullptr || machine->generation != session.generation;
    };
    {
        std::lock_guard lock(mutex_);
        std::erase_if(last_login_,
                      [&](const auto& entry) { return view->find(entry.first) == nullptr; });
    }
    for (const Session& session : sessions_.end(is_fenced, EndReason::fenced)) {
        log_.info("boot.session.fenced",
                  {{"target", session.target},
                   {"initiator", session.initiator},
                   {"address", session.address}});
        if (session.boot != 0) {
            registry_.boot_ended(session.boot,
                                 fleet::BootOutcome::ended,
                                 "its PC was replaced or its machine removed");
        }
    }
}

Result<void> Disks::refresh_volumes() {
    auto rows = store_.volumes();
    if (!rows) {
        return rows.error();
    }
    const auto before = volumes_.get();
    volumes_.publish(*rows);
    const auto no_longer_allowed = [&](const Session& session) {
        if (session.disk.kind != Kind::volume) {
            return false;
        }
        const auto row = std::find_if(rows->begin(), rows->end(), [&](const auto& volume) {
            return volume.name == session.disk.name;
        });
        return row == rows->end() || !may_use(*row, session.initiator, session.address);
    };
    for (const Session& session : sessions_.end(no_longer_allowed, EndReason::target_removed)) {
        log_.info("boot.session.not_allowed",
                  {{"target", session.target}, {"initiator", session.initiator}});
    }
    Result<void> done;
    for (const images::VolumeRow& row : *rows) {
        const auto old = std::find_if(before->begin(), before->end(), [&](const auto& volume) {
            return volume.name == row.name;
        });
        if (old != before->end() && is_other_unit(*old, row)) {
            done = done ? reopen_volume(row.name) : done;
        } else if (old != before->end() && old->size_bytes != row.size_bytes) {
            tell_growth(row.name);
        }
    }
    return done;
}

/// Ends its sessions and closes it, so that the next login gets it as it is now.
Result<void> Disks::reopen_volume(const std::string& name) {
    const Names::TargetName target{Kind::volume, name};
    const auto disk = open_disks_.get(disk_identity(target));
    std::lock_guard changing(disk->changing);
    const auto on_this = SessionTable::on_disk(target);
    sessions_.end(on_this, EndReason::target_removed);
    if (!sessions_.wait_until_gone(on_this, session_end_max)) {
        return make_error(std::errc::device_or_resource_busy,
                          "the sessions of volume " + name + " do not end; try again in a moment");
    }
    return close(target, *disk);
}

void Disks::tell_growth(const std::string& name) {
    const auto disk = open_disks_.get(disk_identity({Kind::volume, name}));
    std::lock_guard changing(disk->changing);
    if (disk->unit) {
        disk->unit->capacity_changed();
    }
}

} // namespace rootstock::boot
