#include "support/store_scene.hpp"

#include "support/vhdx_validator.hpp"

#include <algorithm>
#include <utility>

namespace rootstock::test {

using images::DiskKind;

namespace {

constexpr std::uint64_t sectors = image_bytes / model_sector;

std::string file_of(const MemoryCatalogue::Rows& rows, const images::DiskName& disk) {
    if (disk.kind == DiskKind::volume) {
        const auto row = std::ranges::find(rows.volumes, disk.name, &images::VolumeRow::name);
        return row == rows.volumes.end() ? std::string() : row->file;
    }
    const auto row = std::ranges::find(rows.overlays, disk.name, &images::OverlayRow::machine);
    return row == rows.overlays.end() ? std::string() : row->file;
}

/// Every disk's file as an independent reader of [MS-VHDX] sees it.
void check_structures(SimFileSystem& files, const MemoryCatalogue::Rows& rows) {
    std::vector<std::string> names;
    for (const auto& row : rows.layers) {
        names.push_back(row.file);
    }
    for (const auto& row : rows.overlays) {
        names.push_back(row.file);
    }
    for (const auto& row : rows.volumes) {
        names.push_back(row.file);
    }
    for (const std::string& name : names) {
        INFO(name);
        const auto file = files.open("/data/" + name, images::OpenMode::read_only);
        REQUIRE(file);
        const auto read = [&](std::uint64_t offset, std::span<std::uint8_t> out) { REQUIRE((*file)->read_at(offset, out)); };
        REQUIRE(VhdxInspector(read, *(*file)->size()).report().text() == "");
    }
}

void check_store(images::Store& store) {
    const auto report = store.check({}, {});
    REQUIRE(report);
    for (const images::StoreFinding& finding : report->findings) {
        FAIL(finding.kind << " " << finding.where << ": " << finding.what);
    }
}

} // namespace

const StoreScene::Disk StoreScene::machine{DiskKind::machine, "lab1-07"};
const StoreScene::Disk StoreScene::volume{DiskKind::volume, "data"};

StoreScene::StoreScene(std::uint64_t seed) : random_(seed), store_(host_->open()) {
    host_->write_raw("/srv/base.raw", parent_tag);
    REQUIRE(store_->import({"/srv/base.raw"}, "win11", no_progress));
    REQUIRE(store_->create_volume(volume.name, image_bytes, {"*"}));
    disks_.emplace(machine, DiskModel(sectors, parent_tag));
    disks_.emplace(volume, DiskModel(sectors, zeros_tag));
    REQUIRE(open(*store_, machine));
    note_files();
}

void StoreScene::note_files() {
    const auto rows = host_->catalogue.rows();
    for (const auto& [disk, model] : disks_) {
        files_[disk] = file_of(rows, disk);
    }
}

void StoreScene::watch() {
    host_->files->before_change([this](const SimOperation&) {
        if (every_ != 0 && ++changes_ % every_ == 0) {
            look();
        }
    });
    host_->catalogue.before_change([this] {
        if (every_ != 0) {
            look();
        }
    });
    host_->files->fail_when([this](const SimOperation& operation) -> std::optional<Error> {
        if (fail_in_ == 0 || --fail_in_ != 0) {
            return std::nullopt;
        }
        failed_ = true;
        return make_error(operation.offset % 8192 == 0 ? std::errc::no_space_on_device : std::errc::io_error, operation.path + ": made to fail");
    });
}

void StoreScene::cut_off_every(std::uint64_t every) {
    every_ = every;
    changes_ = random_.u64() % every;
    watch();
}

void StoreScene::fail_at(std::uint64_t number) {
    fail_in_ = number;
    watch();
}

bool StoreScene::take_failure() {
    fail_in_ = 0;
    return std::exchange(failed_, false);
}

std::shared_ptr<images::Overlay> StoreScene::open(images::Store& store, const Disk& disk) {
    auto opened = disk.kind == DiskKind::volume ? store.open_volume_disk(disk.name)
                                                : store.open_machine_disk(disk.name, "win11", images::OverlayKind::persistent);
    INFO(disk.name << ": " << error_of(opened));
    REQUIRE(opened);
    return *opened;
}

void StoreScene::use(const Disk& disk, std::size_t steps) {
    const std::uint64_t every = std::exchange(every_, 0); // what a disk does to its file is cut off elsewhere
    const auto opened = open(*store_, disk);
    for (const TraceStep& step : random_trace(random_.u64(), steps, sectors)) {
        REQUIRE(perform(step, *opened, disks_.at(disk)));
    }
    every_ = every;
}

void StoreScene::hold(const Disk& disk) { held_[disk] = open(*store_, disk); }
void StoreScene::let_go(const Disk& disk) { held_.erase(disk); }

/// What another shard does at the same time: it never waits.
void StoreScene::write_meanwhile() {
    constexpr std::uint64_t page = 8; // sectors
    for (const auto& [name, disk] : held_) {
        DiskModel& model = disks_.at(name);
        const std::uint64_t first = random_.u64() % (sectors / page) * page;
        const Tag tag = model.begin_write(first, page);
        if (disk->try_write(first * model_sector, pattern(tag, first, page)).status == block::TryStatus::done) {
            model.acknowledged();
        } else {
            model.failed();
        }
    }
}

void StoreScene::look() {
    if (std::exchange(looking_, true)) {
        return; // a change by write_meanwhile()
    }
    write_meanwhile();
    ++looks_;
    const std::uint64_t seed = random_.u64();
    const Cut cut = seed % 4 == 0 ? Cut::process : Cut::power;
    look_after(cut, {seed, static_cast<unsigned>(seed / 4 % 3) * 50, seed / 16 % 2 == 0 ? 512U : 4096U});
    looking_ = false;
}

void StoreScene::look_after(Cut cut, const PowerCut& how) {
    INFO("look " << looks_ << " at change " << changes_ << ", " << (cut == Cut::process ? "process dies" : "power fails") << ", kept " << how.kept_percent
                 << "%");
    Host later(cut == Cut::process ? host_->files->after_process_death() : host_->files->after_power_loss(how), host_->catalogue.rows());
    const auto store = later.open();
    if (how.seed % 8 == 0) {
        check_structures(*later.files, later.catalogue.rows());
        check_store(*store);
    }
    check_disks(*store, later.catalogue.rows(), cut);
    check_snapshots(*store, later.catalogue.rows());
}

void StoreScene::check_disks(images::Store& store, const MemoryCatalogue::Rows& rows, Cut cut) const {
    for (const auto& [name, model] : disks_) {
        INFO("the disk of " << name.name);
        const bool is_as_before = file_of(rows, name) == files_.at(name);
        REQUIRE((is_as_before || becomes_.contains(name)));
        const DiskModel& expected = is_as_before ? model : *becomes_.at(name);
        const auto disk = open(store, name);
        const auto wrong = is_as_before && cut == Cut::power ? expected.check_after_power_loss(*disk) : expected.check_after_process_death(*disk);
        REQUIRE(wrong.value_or("") == "");
    }
    for (const auto& [name, model] : becomes_) {
        if (!disks_.contains(name) && !file_of(rows, name).empty()) { // a clone
            INFO("the clone " << name.name);
            REQUIRE(model->check_after_process_death(*open(store, name)).value_or("") == "");
        }
    }
}

void StoreScene::check_snapshots(images::Store& store, const MemoryCatalogue::Rows& rows) const {
    unsigned number = 0;
    std::size_t known = 0;
    for (const images::SnapshotRow& row : rows.snapshots) {
        INFO("snapshot " << row.name << " of " << row.disk.name);
        const Snapshot key{row.disk, row.name};
        const bool is_known = snapshots_.contains(key);
        REQUIRE((is_known || key == taking_));
        known += is_known ? 1 : 0;
        const DiskModel& model = is_known ? snapshots_.at(key) : disks_.at(row.disk);
        const std::string copy = "copy-" + std::to_string(++number);
        const auto cloned = store.clone_to_volume(row.disk, row.name, copy, {});
        INFO(error_of(cloned));
        REQUIRE(cloned);
        REQUIRE(model.check_after_process_death(**store.open_volume_disk(copy)).value_or("") == "");
        REQUIRE(store.remove_volume(copy));
    }
    REQUIRE(known + (removing_ ? 1 : 0) >= snapshots_.size());
}

void StoreScene::check() {
    const std::uint64_t every = std::exchange(every_, 0);
    held_.clear();
    for (const auto& [disk, model] : disks_) {
        // One that could not be flushed says so, and is as after the death of the process.
        const auto closed = disk.kind == DiskKind::volume ? store_->close_volume_disk(disk.name) : store_->close_machine_disk(disk.name);
    }
    check_disks(*store_, host_->catalogue.rows(), Cut::none);
    check_snapshots(*store_, host_->catalogue.rows());
    every_ = every;
}

void StoreScene::restart() {
    held_.clear();
    auto next = std::make_unique<Host>(host_->files->after_process_death(), host_->catalogue.rows());
    store_.reset();
    host_ = std::move(next);
    store_ = host_->open();
    watch();
}

/// What was under way is done, or has failed and not happened: as the catalogue says.
bool StoreScene::finish(const std::string& error) {
    INFO(error);
    REQUIRE((error.empty() || failed_));
    const auto rows = host_->catalogue.rows();
    for (const auto& [disk, model] : std::exchange(becomes_, {})) {
        const bool is_new = !disks_.contains(disk);
        const std::string file = file_of(rows, disk);
        if (file.empty() || (!is_new && file == files_.at(disk))) {
            continue;
        }
        const DiskModel contents = *model;
        disks_.try_emplace(disk, contents).first->second.become(contents);
    }
    if (taking_ && std::ranges::any_of(rows.snapshots, [&](const auto& row) { return Snapshot(row.disk, row.name) == *taking_; })) {
        snapshots_.emplace(*taking_, disks_.at(taking_->first));
    }
    if (removing_ && std::ranges::none_of(rows.snapshots, [&](const auto& row) { return Snapshot(row.disk, row.name) == *removing_; })) {
        snapshots_.erase(*removing_);
    }
    taking_.reset();
    removing_.reset();
    note_files();
    if (every_ != 0) {
        look_after(Cut::power, {random_.u64(), 0, 512});
    }
    return error.empty();
}

bool StoreScene::snapshot(const Disk& disk, const std::string& name) {
    taking_ = Snapshot(disk, name);
    becomes_[disk] = &disks_.at(disk);
    return finish(error_of(store_->create_snapshot(disk, name)));
}

bool StoreScene::restore(const Disk& disk, const std::string& name) {
    becomes_[disk] = &snapshots_.at({disk, name});
    return finish(error_of(store_->restore_snapshot(disk, name)));
}

bool StoreScene::restore_at_boot(const std::string& name) {
    hold(machine);
    const auto put_off = store_->restore_snapshot(machine, name);
    REQUIRE(put_off);
    REQUIRE(*put_off == images::RestoreTime::next_boot);
    let_go(machine);
    becomes_[machine] = &snapshots_.at({machine, name});
    return finish(error_of(store_->begin_boot(machine.name)));
}

bool StoreScene::clone(const Snapshot& of, const Disk& disk) {
    becomes_[disk] = &snapshots_.at(of);
    return finish(disk.kind == DiskKind::machine ? error_of(store_->clone_to_machine(of.first, of.second, disk.name))
                                                 : error_of(store_->clone_to_volume(of.first, of.second, disk.name, {})));
}

bool StoreScene::remove_snapshot(const Disk& disk, const std::string& name) {
    removing_ = Snapshot(disk, name);
    return finish(error_of(store_->remove_snapshot(disk, name)));
}

bool StoreScene::flatten(std::size_t most_layers) {
    const bool done = finish(error_of(store_->flatten(most_layers, no_progress)));
    store_->refresh_masters(); // who has a disk open goes over to the new files
    return done;
}

} // namespace rootstock::test
