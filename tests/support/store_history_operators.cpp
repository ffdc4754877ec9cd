// What operators do in a StoreHistory.
#include "support/store_history.hpp"

#include <array>

namespace rootstock::test {

using images::AfterPublish;
using images::DiskKind;
using images::DiskName;
using images::OverlayKind;

namespace {

constexpr std::size_t most_disks = 6;
constexpr std::size_t most_snapshots = 12;
constexpr std::size_t most_versions = 6;
constexpr std::uint64_t mib_sectors = block_sectors / 2; // volumes have whole MiB

} // namespace

void StoreHistory::operate() {
    struct Operation {
        const char* name;
        bool (StoreHistory::*run)();
    };
    static constexpr std::array<Operation, 18> operations{{{"snapshots", &StoreHistory::snapshot},
                                                           {"snapshots", &StoreHistory::snapshot},
                                                           {"restores", &StoreHistory::restore},
                                                           {"boots", &StoreHistory::boot},
                                                           {"clones", &StoreHistory::clone},
                                                           {"removed snapshots", &StoreHistory::remove_snapshot},
                                                           {"flattenings", &StoreHistory::flatten},
                                                           {"removed disks", &StoreHistory::remove_disk},
                                                           {"closings", &StoreHistory::close},
                                                           {"sessions", &StoreHistory::hold},
                                                           {"sessions", &StoreHistory::hold},
                                                           {"sessions that ended", &StoreHistory::let_go},
                                                           {"new disks", &StoreHistory::add_disk},
                                                           {"new disks", &StoreHistory::add_disk},
                                                           {"publications", &StoreHistory::publish},
                                                           {"removed versions", &StoreHistory::remove_version},
                                                           {"growths", &StoreHistory::grow},
                                                           {"verifications", &StoreHistory::verify}}};
    const Operation& operation = operations.at(random_.below(operations.size()));
    INFO(operation.name);
    watch(one_in(4) ? 1 + random_.below(60) : 0);
    done_[operation.name] += (this->*operation.run)() ? 1U : 0U;
    if (!death_ && one_in(16)) {
        capture(one_in(2) ? Cut::process : Cut::power);
    }
    host_->files->before_change({});
    host_->catalogue.before_change({});
    if (death_) {
        die();
    }
}

bool StoreHistory::snapshot() {
    if (state_.disks.empty() || state_.snapshots.size() == most_snapshots) {
        return false;
    }
    const auto disk = some(state_.disks);
    if (disk->second.fresh) {
        return false;
    }
    if (one_in(2)) {
        open(disk->first);
    }
    const auto taken = store_->create_snapshot(disk->first, new_name('s'));
    must(taken);
    disk->second.model.flushed();
    state_.snapshots.insert({{disk->first, taken->name}, {disk->second.model, disk->second.image, disk->second.block}});
    return true;
}

bool StoreHistory::restore() {
    if (state_.snapshots.empty()) {
        return false;
    }
    const auto& [name, snapshot] = *some(state_.snapshots);
    const auto disk = state_.disks.find(name.first);
    if (name.first.kind == DiskKind::volume && (disk == state_.disks.end() || in_use(name.first))) {
        return false;
    }
    const auto restored = store_->restore_snapshot(name.first, name.second);
    must(restored);
    REQUIRE((*restored == images::RestoreTime::next_boot) == in_use(name.first));
    if (in_use(name.first)) {
        disk->second.restore = name.second;
        return true;
    }
    state_.disks.insert_or_assign(name.first, Disk{snapshot.model, OverlayKind::persistent, snapshot.image, snapshot.block}); // a machine gets a disk again
    return true;
}

/// Of a machine; also does what was put off until then.
bool StoreHistory::boot() {
    if (state_.disks.empty()) {
        return false;
    }
    const auto disk = some(state_.disks);
    if (disk->first.kind == DiskKind::volume) {
        return false;
    }
    held_.erase(disk->first);
    must(store_->begin_boot(disk->first.name));
    if (!disk->second.restore.empty()) {
        const Snapshot& snapshot = state_.snapshots.at({disk->first, disk->second.restore});
        disk->second = {snapshot.model, OverlayKind::persistent, snapshot.image, snapshot.block};
    }
    return true;
}

bool StoreHistory::clone() {
    if (state_.snapshots.empty() || state_.disks.size() >= most_disks) {
        return false;
    }
    const auto& [of, snapshot] = *some(state_.snapshots);
    const DiskKind kind = of.first.kind == DiskKind::machine && one_in(2) ? DiskKind::machine : DiskKind::volume;
    const DiskName name{kind, new_name(kind == DiskKind::machine ? 'm' : 'v')};
    if (kind == DiskKind::machine) {
        must(store_->clone_to_machine(of.first, of.second, name.name));
    } else {
        must(store_->clone_to_volume(of.first, of.second, name.name, {}));
    }
    state_.disks.insert({name, Disk{snapshot.model, OverlayKind::persistent, kind == DiskKind::machine ? snapshot.image : "", snapshot.block}});
    return true;
}

bool StoreHistory::remove_snapshot() {
    if (state_.snapshots.empty()) {
        return false;
    }
    const auto snapshot = some(state_.snapshots);
    const auto disk = state_.disks.find(snapshot->first.first);
    const bool awaited = disk != state_.disks.end() && disk->second.restore == snapshot->first.second;
    const auto removed = store_->remove_snapshot(snapshot->first.first, snapshot->first.second);
    REQUIRE(static_cast<bool>(removed) == !awaited);
    if (!awaited) {
        state_.snapshots.erase(snapshot);
    }
    return !awaited;
}

bool StoreHistory::flatten() {
    if (one_in(3)) {
        const auto done = store_->flatten_due({});
        must(done);
        return *done;
    }
    const auto done = store_->flatten(1 + random_.below(6), no_progress);
    must(done);
    return *done != 0;
}

bool StoreHistory::remove_disk() {
    if (state_.disks.size() < 2) {
        return false;
    }
    const auto disk = some(state_.disks);
    const DiskName name = disk->first;
    const auto removed = name.kind == DiskKind::volume ? store_->remove_volume(name.name) : store_->remove_machine_disk(name.name);
    REQUIRE(static_cast<bool>(removed) == !in_use(name));
    if (removed) {
        state_.disks.erase(disk);
    }
    return static_cast<bool>(removed);
}

bool StoreHistory::close() {
    if (state_.disks.empty()) {
        return false;
    }
    const auto disk = some(state_.disks);
    const DiskName& name = disk->first;
    const auto closed = name.kind == DiskKind::volume ? store_->close_volume_disk(name.name) : store_->close_machine_disk(name.name);
    REQUIRE(static_cast<bool>(closed) == !in_use(name));
    if (closed && !disk->second.fresh) {
        disk->second.model.flushed();
    }
    return static_cast<bool>(closed);
}

bool StoreHistory::hold() {
    if (state_.disks.empty()) {
        return false;
    }
    const DiskName name = some(state_.disks)->first;
    return held_.emplace(name, open(name)).second;
}

bool StoreHistory::let_go() {
    if (held_.empty()) {
        return false;
    }
    held_.erase(some(held_));
    return true;
}

bool StoreHistory::add_disk() {
    if (state_.disks.size() >= most_disks) {
        return false;
    }
    if (one_in(2)) {
        const DiskName name{DiskKind::volume, new_name('v')};
        const std::uint64_t block = one_in(3) ? 8 : 1;
        const std::uint64_t sectors = (1 + random_.below(5)) * mib_sectors;
        images::VolumeOptions options;
        options.block_size = static_cast<std::uint32_t>(block * model_sector);
        must(store_->create_volume(name.name, sectors * model_sector, {"*"}, options));
        state_.disks.insert({name, Disk{DiskModel(sectors, zeros_tag), OverlayKind::persistent, "", block}});
        return true;
    }
    const DiskName name{DiskKind::machine, new_name('m')};
    const std::string image = some(state_.versions)->first.first;
    const DiskModel& model = current(image);
    Disk disk{model, OverlayKind::persistent, image};
    if (one_in(3)) {
        disk.kind = OverlayKind::reset;
        disk.fresh = std::make_shared<DiskModel>(model);
    }
    must(store_->open_machine_disk(name.name, image, disk.kind));
    state_.disks.insert({name, std::move(disk)});
    return true;
}

bool StoreHistory::publish() {
    if (state_.disks.empty() || state_.versions.size() == most_versions) {
        return false;
    }
    const auto disk = some(state_.disks);
    const DiskName& name = disk->first;
    if (name.kind == DiskKind::volume || disk->second.fresh || in_use(name) || !disk->second.restore.empty()) {
        return false;
    }
    const bool goes_on = state_.disks.size() == 1 || one_in(2);
    const std::string image = one_in(3) ? "cad" : disk->second.image;
    const auto version = store_->publish(name.name, image, goes_on ? AfterPublish::machine_goes_on : AfterPublish::overlay_goes);
    must(version);
    disk->second.model.flushed();
    state_.versions.insert({{image, version->number}, disk->second.model});
    if (!goes_on) {
        state_.disks.erase(disk);
    }
    return true;
}

/// Refused while something needs it.
bool StoreHistory::remove_version() {
    const auto version = some(state_.versions);
    if (!store_->remove_version(version->first.first, version->first.second)) {
        return false;
    }
    REQUIRE(&version->second != &current(version->first.first));
    state_.versions.erase(version);
    return true;
}

bool StoreHistory::grow() {
    if (state_.disks.empty()) {
        return false;
    }
    const auto disk = some(state_.disks);
    if (disk->first.kind == DiskKind::machine || disk->second.model.sector_count() > 4 * block_sectors) {
        return false;
    }
    const std::uint64_t sectors = disk->second.model.sector_count() / mib_sectors * mib_sectors + (1 + random_.below(3)) * mib_sectors;
    const auto grown = store_->grow_volume(disk->first.name, sectors * model_sector);
    if (!grown) {
        REQUIRE(grown.error().code == std::errc::not_supported); // stands on a snapshot
        return false;
    }
    disk->second.model.grow(sectors);
    return true;
}

bool StoreHistory::verify() {
    if (!one_in(4)) { // it reads whole files
        return false;
    }
    const auto version = some(state_.versions);
    const auto found = store_->verify_version(version->first.first, version->first.second, {});
    must(found);
    for (const images::ContentState& state : *found) {
        INFO(state.file);
        REQUIRE(state.damage.empty());
    }
    return true;
}

} // namespace rootstock::test
