// Versions, second part: who gets which version, taking it back, removing versions, and changing
// what a disk stands on.
#include "boot/limits.hpp"
#include "boot/versions.hpp"

#include "core/text.hpp"
#include "fleet/machine_rules.hpp"

#include <algorithm>
#include <limits>

namespace rootstock::boot {

namespace {

std::string in_words(const images::Release& release) {
    const std::string version = "version " + std::to_string(release.version);
    switch (release.audience) {
    case images::Audience::all:
        return version + " to all";
    case images::Audience::machines:
        return version + " to " + join(release.machines, ", ");
    case images::Audience::percent:
        return version + " to " + std::to_string(release.percent) + " %";
    }
    return version;
}

bool is_due(const images::Release& release, std::span<const images::ImageVersion> versions) {
    return std::any_of(versions.begin(), versions.end(), [&](const images::ImageVersion& version) {
        return version.image == release.image && version.number == release.version && !version.current;
    });
}

} // namespace

Result<images::Release> Versions::release(const std::string& image,
                                          std::optional<std::uint32_t> version,
                                          const ReleaseWish& wish,
                                          std::string_view by) {
    std::lock_guard lock(mutex_);
    if (!version) {
        const auto versions = store_.versions();
        if (!versions) {
            return versions.error();
        }
        version = newest_version(*versions, image);
    }
    const auto found = find_version(image, version.value_or(1));
    if (!found) {
        return found.error();
    }
    const auto wanted = make_release(image, found->number, wish);
    if (!wanted) {
        return wanted.error();
    }
    auto release = releases_.add_release(*wanted);
    if (!release) {
        return release;
    }
    log_.info("boot.version.released",
              {{"image", image}, {"release", in_words(*release)}, {"starts", unix_ms(release->starts)}, {"by", by}});
    changed("image.release", image, in_words(*release), by);
    const auto begun = begin_due();
    return begun ? release : Result<images::Release>(begun.error());
}

Result<void>
Versions::roll_back(const std::string& image, std::uint32_t version, std::string_view by) {
    std::lock_guard lock(mutex_);
    const auto found = find_version(image, version);
    if (!found) {
        return found.error();
    }
    const std::string detail = "rolled back to version " + std::to_string(version) + " by " + std::string(by);
    if (auto rolled = releases_.roll_back_to(image, version, detail); !rolled) {
        return rolled;
    }
    log_.info("boot.version.rolled_back", {{"image", image}, {"version", version}, {"by", by}});
    changed("image.rollback", image, "version " + std::to_string(version), by);
    return {};
}

/// A release for all that has begun makes its version the current one. `mutex_` is held.
Result<void> Versions::begin_due() {
    const auto releases = releases_.releases();
    if (!releases) {
        return releases.error();
    }
    const WallTime now = clock_.wall();
    for (const images::Release& release : *releases) {
        if (release.audience != images::Audience::all || !holds(release, *releases, now)) {
            continue;
        }
        const auto versions = store_.versions(); // the one before may have changed them
        if (!versions) {
            return versions.error();
        }
        if (!is_due(release, *versions)) {
            continue;
        }
        if (auto made = releases_.make_current(release); !made) {
            return made;
        }
        log_.info("boot.version.current", {{"image", release.image}, {"version", release.version}});
        changed("image.current", release.image, in_words(release), "schedule");
    }
    return {};
}

std::vector<fleet::Boot> Versions::all_boots() const {
    return registry_.boots(std::nullopt, std::numeric_limits<std::size_t>::max());
}

BootCount Versions::boots_of(const images::Release& release) const {
    return count_boots(all_boots(), release.image, release.version, release.starts, clock_.wall());
}

void Versions::tick() {
    const TimePoint now = clock_.now();
    const bool anything_new = releases_changed_.exchange(false) || boots_changed_.exchange(false);
    if (!anything_new && now - last_look_ < release_look) {
        return;
    }
    last_look_ = now;
    std::lock_guard lock(mutex_);
    Result<void> done = begin_due();
    const auto releases = done ? releases_.releases() : Result<std::vector<images::Release>>(done.error());
    if (!releases) {
        log_.error("boot.release.not_looked_at", {{"reason", releases.error().what}});
        return;
    }
    std::optional<std::vector<fleet::Boot>> boots; // copied when there is something to count
    for (const images::Release& release : *releases) {
        if (!holds(release, *releases, clock_.wall()) || !release.watch.enabled) {
            continue;
        }
        boots = boots ? std::move(boots) : all_boots();
        if (const auto watched = watch(release, *boots); !watched) {
            log_.error("boot.release.not_looked_at", {{"reason", watched.error().what}});
        }
    }
}

/// Takes the release back when its boots fail; a release for all that did well long enough is over.
Result<void> Versions::watch(const images::Release& release, std::span<const fleet::Boot> boots) {
    const WallTime now = clock_.wall();
    if (now - release.starts > watch_time) {
        return release.audience == images::Audience::all
                   ? releases_.end_release(release.id, images::ReleaseState::ended, "it was watched for seven days")
                   : Result<void>();
    }
    const BootCount count = count_boots(boots, release.image, release.version, release.starts, now);
    const BootCount before = count_boots(boots, release.image, release.previous, WallTime::min(), now);
    if (judge(release.watch, count, before) != Verdict::roll_back) {
        return {};
    }
    const std::string reason = reason_for(release, count, before);
    if (auto ended = releases_.end_release(release.id, images::ReleaseState::rolled_back, reason); !ended) {
        return ended;
    }
    log_.warning("boot.release.rolled_back",
                 {{"image", release.image},
                  {"version", release.version},
                  {"previous", release.previous},
                  {"reason", reason}});
    changed("image.rollback", release.image, reason, "the watch over boots");
    return {};
}

// --- versions that go, disks that stand on others

Result<Pruned>
Versions::prune(const std::string& image, std::uint32_t keep, bool dry_run, std::string_view by) {
    std::lock_guard lock(mutex_);
    const auto uses = store_.version_uses(image);
    if (!uses) {
        return uses.error();
    }
    const auto releases = releases_.releases();
    if (!releases) {
        return releases.error();
    }
    Pruned pruned;
    std::vector<std::uint32_t> going;
    for (std::size_t i = 0; i < uses->size(); ++i) {
        const images::VersionUse& use = uses->at(i);
        pruned.versions.push_back({use.version.number, use.stored_bytes, reason_to_keep(*uses, i, *releases, keep)});
        if (pruned.versions.back().kept_because.empty()) {
            going.push_back(use.version.number);
        }
    }
    const auto gain = store_.removal_gain(image, going);
    if (!gain) {
        return gain.error();
    }
    pruned.gain = *gain;
    if (dry_run || going.empty()) {
        return pruned;
    }
    std::vector<std::string> removed;
    for (const std::uint32_t number : going) {
        if (auto gone = store_.remove_version(image, number); !gone) {
            return gone.error();
        }
        removed.push_back(std::to_string(number));
    }
    log_.info("boot.version.pruned", {{"image", image}, {"versions", join(removed, ", ")}, {"by", by}});
    changed("image.prune", image, "versions " + join(removed, ", "), by);
    return pruned;
}

namespace {

/// "2.0 MiB in partition 1 (EFI system), 4.0 KiB outside of partitions".
std::string places_of(const images::DiskChanges& changes) {
    std::vector<std::string> places;
    for (const images::PartitionChange& change : changes.partitions) {
        if (change.changed_bytes != 0) {
            places.push_back(format_size(change.changed_bytes) + " in partition " + std::to_string(change.partition.number) + " (" +
                             change.partition.type + ")");
        }
    }
    if (changes.outside_bytes != 0) {
        places.push_back(format_size(changes.outside_bytes) + " outside of partitions");
    }
    return join(places, ", ");
}

Error cannot_rebase(const std::string& machine, std::uint32_t from, std::uint32_t to, const images::DiskChanges& changes) {
    return make_error(std::errc::operation_not_permitted,
                      "the disk of machine " + machine + " holds " + format_size(changes.changed_bytes) + " that version " +
                          std::to_string(to) + " does not: " + places_of(changes) +
                          "; over another version its file systems would be damaged, so keep it on version " +
                          std::to_string(from) + ", make a version of it: rootstock image promote --machine " + machine +
                          " --name IMAGE, or throw it away: rootstock machine reset " + machine);
}

} // namespace

Result<std::uint32_t> Versions::rebase(const std::string& name,
                                       std::optional<std::uint32_t> version,
                                       std::string_view by) {
    const auto view = registry_.view();
    const fleet::Machine* machine = view->find(name);
    if (machine == nullptr) {
        return fleet::no_such_machine(name, *view);
    }
    if (machine->mode == fleet::Mode::maintenance) {
        return fleet::in_maintenance(*machine);
    }
    if (!version) {
        const auto chosen = choose(*machine);
        if (!chosen) {
            return chosen.error();
        }
        version = *chosen;
    }
    const auto target = find_version(machine->image, version.value_or(1));
    if (!target) {
        return target.error();
    }
    std::uint32_t from = 0;
    const auto done = disks_.while_released(name, [&]() -> Result<void> {
        auto source = hold(name);
        if (!source) {
            return source.error();
        }
        from = source->base.number;
        if (source->base.image == target->image && from == target->number) {
            return make_error(std::errc::file_exists,
                              "the disk of machine " + name + " stands on version " + std::to_string(from) + " already");
        }
        const auto held = [&](const images::ImageVersion& base) {
            return images::compare_disks(
                files_, *source->file, source->base.identity.data_write_guid, store_.file_path(base.file), {});
        };
        const auto changes = held(*target);
        if (!changes) {
            return changes.error();
        }
        if (changes->changed_bytes != 0) {
            const auto own = held(source->base); // what was written may be what was there before
            if (!own) {
                return own.error();
            }
            if (own->changed_bytes != 0) {
                return cannot_rebase(name, from, target->number, *changes);
            }
        }
        source->file.reset();
        if (auto removed = store_.remove_machine_disk(name); !removed) {
            return removed;
        }
        const auto made = store_.open_machine_disk(
            name, machine->image, images::OverlayKind::persistent, target->number);
        return made ? Result<void>() : Result<void>(made.error());
    });
    if (!done) {
        return done.error();
    }
    log_.info("boot.machine.rebased", {{"machine", name}, {"from", from}, {"version", target->number}, {"by", by}});
    changed("machine.rebase", name, std::to_string(from) + " -> " + std::to_string(target->number), by);
    return target->number;
}

} // namespace rootstock::boot
