#include "support/store_history.hpp"

#include "core/checked.hpp"
#include "support/read_pieces.hpp"
#include "support/vhdx_validator.hpp"

#include <algorithm>
#include <sstream>

namespace rootstock::test {

using images::DiskKind;
using images::DiskName;
using images::OverlayKind;

namespace {

const std::string first_image = "win11";

std::string file_of(const MemoryCatalogue::Rows& rows, const DiskName& disk) {
    if (disk.kind == DiskKind::volume) {
        const auto row = std::ranges::find(rows.volumes, disk.name, &images::VolumeRow::name);
        return row == rows.volumes.end() ? std::string() : row->file;
    }
    const auto row = std::ranges::find(rows.overlays, disk.name, &images::OverlayRow::machine);
    return row == rows.overlays.end() ? std::string() : row->file;
}

void must_be_right(const std::optional<std::string>& wrong) {
    if (wrong) {
        FAIL(*wrong);
    }
}

std::string text_of(const DiskName& disk) { return (disk.kind == DiskKind::volume ? "volume " : "machine ") + disk.name; }

} // namespace

/// An image of an odd size, and a volume of another.
StoreHistory::StoreHistory(std::uint64_t seed) : random_(seed) {
    const std::uint64_t sectors = block_sectors * (1 + random_.below(2)) + random_.below(block_sectors);
    const auto raw = host_->files->open("/srv/lab.raw", images::OpenMode::create_new);
    REQUIRE(raw);
    DiskModel model(sectors, zeros_tag);
    REQUIRE((*raw)->resize(sectors * model_sector));
    for (unsigned piece = 0; piece < 4; ++piece) {
        const std::uint64_t first = random_.below(sectors);
        const std::uint64_t count = 1 + random_.below(sectors - first);
        model.begin_write(first, count, next_tag());
        model.acknowledged();
        REQUIRE((*raw)->write_at(first * model_sector, pattern(tag_, first, count)));
    }
    model.flushed();
    REQUIRE((*raw)->sync_data());
    const auto version = store_->import({"/srv/lab.raw"}, first_image, no_progress);
    must(version);
    state_.versions.emplace(Version{first_image, version->number}, std::move(model));
    add_disk();
}

std::uint64_t StoreHistory::go_on() {
    if (!one_in(4)) {
        return use();
    }
    operate();
    return 1;
}

std::string StoreHistory::summary() const {
    std::ostringstream text;
    for (const auto& [what, count] : done_) {
        text << (text.tellp() == 0 ? "" : ", ") << count << ' ' << what;
    }
    return text.str();
}

const DiskModel& StoreHistory::current(const std::string& image) const {
    return std::prev(state_.versions.upper_bound({image, ~0U}))->second;
}

std::shared_ptr<images::Overlay> StoreHistory::open(const DiskName& name) {
    if (const auto held = held_.find(name); held != held_.end()) {
        return held->second;
    }
    const Disk& disk = state_.disks.at(name);
    auto opened = name.kind == DiskKind::volume ? store_->open_volume_disk(name.name) : store_->open_machine_disk(name.name, disk.image, disk.kind);
    INFO(text_of(name));
    must(opened);
    return *opened;
}

// --- guests

std::uint64_t StoreHistory::use() {
    if (state_.disks.empty()) {
        return 0;
    }
    const auto disk = some(state_.disks);
    const auto opened = open(disk->first);
    const std::uint64_t steps = 1 + random_.below(64);
    INFO(text_of(disk->first));
    for (std::uint64_t step = 0; step < steps; ++step) {
        guest_step(disk->first, disk->second, *opened);
    }
    return steps;
}

/// Most are small and in one place, so that they meet one another; some are whole blocks, or more.
std::pair<std::uint64_t, std::uint64_t> StoreHistory::some_range(const Disk& disk) {
    const std::uint64_t blocks = disk.model.sector_count() / disk.block;
    const std::uint64_t how = random_.below(256);
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    if (how == 0) { // whole blocks of the file
        first = random_.below(div_up(blocks * disk.block, block_sectors)) * block_sectors / disk.block;
        count = (1 + random_.below(2)) * block_sectors / disk.block;
    } else if (how == 1) {
        first = random_.below(blocks);
        count = 1 + random_.below(blocks);
    } else if (how < 96) { // around the border of two blocks
        first = block_sectors / disk.block - std::min<std::uint64_t>(32, block_sectors / disk.block) + random_.below(64);
        first = std::min(first, blocks - 1);
        count = 1 + random_.below(16);
    } else {
        first = random_.below(blocks);
        count = 1 + random_.below(how < 200 ? 8 : 40);
        first = how % 2 == 0 ? first / 8 * 8 : first; // pages
    }
    count = std::min(count, blocks - first);
    return {first * disk.block, count * disk.block};
}

void StoreHistory::guest_step(const DiskName& name, Disk& disk, images::Overlay& overlay) {
    const auto [first, count] = some_range(disk);
    switch (random_.below(16)) {
    case 0:
    case 1:
    case 2: return discard(disk, overlay, first, count);
    case 3:
        ++done_["flushes"];
        REQUIRE(overlay.flush());
        if (disk.kind == OverlayKind::persistent || name.kind == DiskKind::volume) {
            disk.model.flushed();
        }
        return;
    case 4:
    case 5:
    case 6:
    case 7: ++done_["reads"]; return look(disk, overlay, first, count);
    default: return write(disk, overlay, first, count);
    }
}

void StoreHistory::write(Disk& disk, images::Overlay& overlay, std::uint64_t first, std::uint64_t count) {
    const Tag tag = next_tag();
    const ByteVector bytes = pattern(tag, first, count);
    disk.model.begin_write(first, count, tag);
    if (one_in(8)) {
        ++done_["FUA writes"];
        REQUIRE(overlay.write(first * model_sector, bytes, true));
        disk.model.acknowledged();
        if (!disk.fresh) {
            disk.model.flushed_range(first, count);
        }
    } else {
        ++done_["writes"];
        if (!one_in(2) || overlay.try_write(first * model_sector, bytes).status != block::TryStatus::done) {
            REQUIRE(overlay.write(first * model_sector, bytes, false));
        }
        disk.model.acknowledged();
    }
    look(disk, overlay, first, count);
}

void StoreHistory::discard(Disk& disk, images::Overlay& overlay, std::uint64_t first, std::uint64_t count) {
    ++done_["discards"];
    disk.model.begin_zero(first, count);
    REQUIRE(overlay.discard(first * model_sector, count * model_sector));
    disk.model.acknowledged();
    look(disk, overlay, first, count);
}

/// The range and what lies around it, as a shard reads, or as a thread that may wait.
void StoreHistory::look(const Disk& disk, images::Overlay& overlay, std::uint64_t first, std::uint64_t count) {
    const std::uint64_t begin = first - std::min(first, random_.below(3) * 8);
    const std::uint64_t end = std::min(disk.model.sector_count(), first + count + random_.below(3) * 8);
    ByteVector bytes;
    if (const std::uint64_t way = random_.below(4); way < 2) {
        bytes = read_with_loads(overlay, begin * model_sector, (end - begin) * model_sector, way == 0, images::limits::chain_depth);
        REQUIRE(bytes.size() == (end - begin) * model_sector);
    } else {
        bytes.resize((end - begin) * model_sector);
        REQUIRE(overlay.read(begin * model_sector, bytes));
    }
    must_be_right(disk.model.check_read(begin, bytes));
}

/// What another shard does in the middle of something: it never waits.
void StoreHistory::write_meanwhile() {
    if (held_.empty() || writing_meanwhile_) {
        return;
    }
    writing_meanwhile_ = true;
    const auto held = some(held_);
    Disk& disk = state_.disks.at(held->first);
    const auto [first, most] = some_range(disk);
    const std::uint64_t count = std::min(most, 8 * disk.block);
    const Tag tag = next_tag();
    DiskModel after = disk.model;
    after.begin_write(first, count, tag);
    if (held->second->try_write(first * model_sector, pattern(tag, first, count)).status == block::TryStatus::done) {
        ++done_["writes meanwhile"];
        after.acknowledged();
        disk.model = std::move(after);
    }
    writing_meanwhile_ = false;
}

// --- deaths

/// From now on others write at changes of files, and at change `at_change` (0: none) everything dies.
void StoreHistory::watch(std::uint64_t at_change) {
    changes_left_ = at_change;
    files_before_.clear();
    const MemoryCatalogue::Rows rows = host_->catalogue.rows();
    for (const auto& [name, disk] : state_.disks) {
        files_before_[name] = file_of(rows, name);
    }
    const auto at = [this](bool meanwhile) {
        if (writing_meanwhile_ || death_) {
            return;
        }
        if (meanwhile && one_in(8)) {
            write_meanwhile();
        }
        if (changes_left_ != 0 && --changes_left_ == 0) {
            capture(one_in(4) ? Cut::process : Cut::power);
        }
    };
    host_->files->before_change([at](const SimOperation&) { at(true); });
    host_->catalogue.before_change([at] { at(false); });
}

void StoreHistory::capture(Cut cut) {
    const std::uint64_t seed = random_.u64();
    Death death{cut, {seed, static_cast<unsigned>(random_.below(3)) * 50, one_in(2) ? 512U : 4096U}, nullptr, host_->catalogue.rows(), state_};
    death.files = cut == Cut::process ? host_->files->after_process_death() : host_->files->after_power_loss(death.how);
    death_ = std::move(death);
}

StoreHistory::State StoreHistory::left_by(const Death& death) const {
    State left;
    const auto take = [](auto& into, const auto& key, const auto& before, const auto& now, bool from_now) {
        const auto& from = from_now || !before.contains(key) ? now : before;
        REQUIRE(from.contains(key));
        into.insert({key, from.at(key)});
    };
    const MemoryCatalogue::Rows now = host_->catalogue.rows();
    std::set<DiskName> names;
    for (const auto& row : death.rows.overlays) {
        names.insert({DiskKind::machine, row.machine});
    }
    for (const auto& row : death.rows.volumes) {
        names.insert({DiskKind::volume, row.name});
    }
    for (const DiskName& name : names) {
        INFO(text_of(name));
        // One whose file became another while it was under way is what it was made to be.
        take(left.disks, name, death.before.disks, state_.disks, files_before_.contains(name) && file_of(death.rows, name) != files_before_.at(name));
    }
    for (const auto& row : death.rows.snapshots) {
        INFO("snapshot " << row.name);
        take(left.snapshots, SnapshotName{row.disk, row.name}, death.before.snapshots, state_.snapshots, false);
    }
    for (const auto& row : death.rows.versions) {
        INFO("version " << row.number);
        take(left.versions, Version{row.image, row.number}, death.before.versions, state_.versions, false);
    }
    for (const auto& row : death.rows.overlays) {
        left.disks.at({DiskKind::machine, row.machine}).restore = row.restore;
    }
    // What was there before, and is there after, is there in between.
    const auto all_stay = [](const auto& before, const auto& after, const auto& in_between) {
        return std::ranges::all_of(before, [&](const auto& entry) { return !after.contains(entry.first) || in_between.contains(entry.first); });
    };
    REQUIRE(all_stay(death.before.disks, state_.disks, left.disks));
    REQUIRE(all_stay(death.before.snapshots, state_.snapshots, left.snapshots));
    REQUIRE(all_stay(death.before.versions, state_.versions, left.versions));
    return left;
}

void StoreHistory::die() {
    Death death = std::move(*std::exchange(death_, std::nullopt));
    ++done_[death.cut == Cut::process ? "deaths of the process" : "power losses"];
    INFO((death.cut == Cut::process ? "after the death of the process" : "after a power loss that kept ") << death.how.kept_percent << "%");
    const State after = state_;
    state_ = left_by(death);
    auto next = std::make_unique<Host>(std::move(death.files), std::move(death.rows));
    held_.clear();
    store_.reset();
    host_ = std::move(next);
    store_ = host_->open();
    check_after(death, after);
}

void StoreHistory::check_after(const Death& death, const State& after) {
    for (auto& [name, disk] : state_.disks) {
        INFO(text_of(name));
        const auto opened = open(name);
        if (const std::uint64_t sectors = opened->geometry().size_bytes / model_sector; sectors != disk.model.sector_count()) {
            REQUIRE(after.disks.contains(name)); // died while it grew
            disk.model.grow(after.disks.at(name).model.sector_count());
            REQUIRE(disk.model.sector_count() == sectors);
        }
        if (death.cut == Cut::process) {
            must_be_right(disk.model.check_after_process_death(*opened));
            if (!disk.fresh) {
                disk.model.flushed(); // what an opening takes over is durable
            }
        } else if (disk.fresh) {
            disk.model = *disk.fresh;
            must_be_right(disk.model.check_after_process_death(*opened));
        } else {
            must_be_right(disk.model.check_after_power_loss(*opened));
            disk.model.settle(*opened);
        }
    }
    check();
}

// --- looking

void StoreHistory::check() {
    for (const auto& [name, disk] : state_.disks) {
        check_disk(name);
    }
    if (!state_.snapshots.empty() && one_in(2)) {
        return check_snapshot(some(state_.snapshots)->first);
    }
    check_version(some(state_.versions)->first);
}

void StoreHistory::check_disk(const DiskName& name) {
    INFO(text_of(name));
    must_be_right(state_.disks.at(name).model.check_after_process_death(*open(name)));
}

void StoreHistory::check_snapshot(const SnapshotName& name) {
    INFO("snapshot " << name.second << " of " << text_of(name.first));
    must(store_->clone_to_volume(name.first, name.second, "looks", {}));
    must_be_right(state_.snapshots.at(name).model.check_after_process_death(**store_->open_volume_disk("looks")));
    must(store_->remove_volume("looks"));
}

void StoreHistory::check_version(const Version& version) {
    INFO("version " << version.second << " of " << version.first);
    {
        const auto opened = store_->open_machine_disk("looks", version.first, OverlayKind::persistent, version.second);
        must(opened);
        must_be_right(state_.versions.at(version).check_after_process_death(**opened));
    }
    must(store_->remove_machine_disk("looks"));
}

void StoreHistory::check_store() {
    for (const auto& [name, snapshot] : state_.snapshots) {
        check_snapshot(name);
    }
    for (const auto& [version, model] : state_.versions) {
        check_version(version);
    }
    const auto report = store_->check({.deep = true}, {});
    must(report);
    for (const images::StoreFinding& finding : report->findings) {
        FAIL(finding.kind << " " << finding.where << ": " << finding.what);
    }
    for (const images::LayerRow& row : host_->catalogue.rows().layers) {
        INFO(row.file);
        const auto file = host_->files->open("/data/" + row.file, images::OpenMode::read_only);
        REQUIRE(file);
        const auto read = [&](std::uint64_t offset, std::span<std::uint8_t> out) { REQUIRE((*file)->read_at(offset, out)); };
        REQUIRE(VhdxInspector(read, *(*file)->size()).report().text() == "");
    }
}

} // namespace rootstock::test
