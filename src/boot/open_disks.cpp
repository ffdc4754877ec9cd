#include "boot/open_disks.hpp"

#include "boot/limits.hpp"

#include <thread>

namespace rootstock::boot {

namespace {

using Kind = Names::TargetName::Kind;

constexpr std::string_view machine_word = "machine/";
constexpr std::string_view volume_word = "volume/";

} // namespace

std::string disk_identity(const Names::TargetName& disk) {
    return std::string(disk.kind == Kind::machine ? machine_word : volume_word) + disk.name;
}

Names::TargetName disk_of_identity(const std::string& identity) {
    const Kind kind = identity.starts_with(machine_word) ? Kind::machine : Kind::volume;
    return {kind, identity.substr((kind == Kind::machine ? machine_word : volume_word).size())};
}

std::shared_ptr<OpenDisk> OpenDisks::get(const std::string& identity) {
    std::lock_guard lock(mutex_);
    auto& disk = disks_[identity];
    if (!disk) {
        disk = std::make_shared<OpenDisk>();
    }
    return disk;
}

Result<void> OpenDisks::opened(OpenDisk& disk,
                               const std::string& identity,
                               std::shared_ptr<block::BlockDevice> device) {
    scsi::Identity named = scsi::identity_from_name(identity);
    auto kept = reservations_.load(named.serial);
    if (!kept) {
        return kept.error();
    }
    // The store outlives every unit and belongs to none of them: an empty owner.
    const std::shared_ptr<scsi::ReservationStore> store(std::shared_ptr<void>(), &reservations_);
    disk.unit = scsi::make_disk_unit(std::move(device), std::move(named), store, std::move(*kept));
    return {};
}

void OpenDisks::opened_cdrom(OpenDisk& disk,
                             const std::string& identity,
                             std::shared_ptr<block::BlockDevice> medium) {
    disk.unit = scsi::make_cdrom_unit(std::move(medium), scsi::identity_from_name(identity));
}

Result<void> OpenDisks::forget_reservations(const std::string& identity) {
    return reservations_.save(scsi::identity_from_name(identity).serial, {});
}

Result<void> OpenDisks::let_go(OpenDisk& disk) {
    if (!disk.unit) {
        return {};
    }
    // A command that was under way when its session ended still holds the unit, on another thread.
    const std::weak_ptr<scsi::LogicalUnit> unit = disk.unit;
    disk.unit.reset();
    constexpr std::chrono::milliseconds step(2);
    for (std::chrono::milliseconds waited(0); waited < session_end_max && !unit.expired();
         waited += step) {
        std::this_thread::sleep_for(step);
    }
    disk.unit = unit.lock();
    if (disk.unit) {
        return make_error(std::errc::device_or_resource_busy,
                          "commands are still running on the disk; try again");
    }
    return {};
}

void OpenDisks::touch(const std::string& identity) {
    std::lock_guard lock(mutex_);
    touched_[identity] = clock_.now();
}

std::vector<std::string> OpenDisks::take_idle(Duration idle) {
    std::lock_guard lock(mutex_);
    const TimePoint now = clock_.now();
    std::vector<std::string> found;
    std::erase_if(touched_, [&](const auto& entry) {
        const bool is_idle = now - entry.second >= idle;
        if (is_idle) {
            found.push_back(entry.first);
        }
        return is_idle;
    });
    return found;
}

std::vector<std::string> OpenDisks::identities() const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [identity, disk] : disks_) {
        all.push_back(identity);
    }
    return all;
}

} // namespace rootstock::boot
