#include "boot/versions.hpp"

#include "core/text.hpp"
#include "fleet/machine_rules.hpp"

#include <algorithm>

namespace rootstock::boot {

namespace {

Error no_such_image(const std::string& image) {
    return make_error(std::errc::no_such_file_or_directory,
                      "there is no image " + image + "; import it: rootstock image import FILE --name " + image);
}

Error in_the_past() {
    return make_error(std::errc::invalid_argument,
                      "the release's time lies in the past; give a later one, or none for at once");
}

std::uint32_t current_version(std::span<const images::ImageVersion> versions,
                              std::string_view image) {
    const auto at = std::find_if(versions.begin(), versions.end(), [&](const auto& version) {
        return version.image == image && version.current;
    });
    return at == versions.end() ? 0 : at->number;
}

Result<void> check_wish(const ReleaseWish& wish) {
    const auto invalid = [](const char* what) { return make_error(std::errc::invalid_argument, what); };
    if (wish.audience == images::Audience::percent && (wish.percent == 0 || wish.percent > 100)) {
        return invalid("a release is for 1 to 100 percent of the machines");
    }
    if (wish.audience == images::Audience::machines &&
        (wish.machines.empty() || wish.machines.size() > images::limits::release_machines)) {
        return invalid("a release for some machines names 1 to 1024 of them");
    }
    if (wish.watch.minimum_boots == 0 || wish.watch.minimum_share > 100) {
        return invalid("a release is watched over at least 1 boot, and asks for at most 100 percent");
    }
    return {};
}

} // namespace

Versions::Versions(Disks& disks,
                   fleet::Registry& registry,
                   images::Store& store,
                   images::ReleaseStore& releases,
                   images::FileSystem& files,
                   Log& log,
                   const Clock& clock)
    : disks_(disks), registry_(registry), store_(store), releases_(releases), files_(files),
      log_(log), clock_(clock), listening_(registry.listen([this](const fleet::Change& change) {
          if (change.kind == fleet::Change::Kind::boot_changed) {
              boots_changed_ = true;
          }
      })) {}

Versions::~Versions() {
    listening_.reset();
}

void Versions::on_change(std::function<void()> listener) {
    std::lock_guard lock(listener_mutex_);
    changed_ = std::move(listener);
}

void Versions::changed(std::string_view action,
                       const std::string& object,
                       const std::string& detail,
                       std::string_view by) {
    registry_.audit(action, object, detail, by);
    releases_changed_ = true;
    std::lock_guard lock(listener_mutex_);
    if (changed_) {
        changed_();
    }
}

Result<void> Versions::recover() {
    const auto rows = store_.maintenance();
    if (!rows) {
        return rows.error();
    }
    const auto view = registry_.view();
    std::vector<std::string> writers;
    for (const images::Maintenance& row : *rows) {
        const fleet::Machine* machine = view->find(row.machine);
        if (machine != nullptr && machine->mode == fleet::Mode::maintenance) {
            writers.push_back(row.machine);
            continue;
        }
        log_.info("boot.update.settled", {{"machine", row.machine}, {"image", row.image}});
        if (auto ended = store_.end_maintenance(row.machine); !ended) {
            return ended;
        }
    }
    for (const fleet::Machine& machine : view->machines()) {
        if (machine.mode == fleet::Mode::maintenance &&
            std::find(writers.begin(), writers.end(), machine.name) == writers.end()) {
            log_.info("boot.update.settled", {{"machine", machine.name}, {"image", machine.image}});
            if (auto ended = registry_.end_maintenance(machine.name, "recovery"); !ended) {
                return ended.error();
            }
        }
    }
    return {};
}

Result<std::optional<std::uint32_t>> Versions::choose(const fleet::Machine& machine) {
    const auto versions = store_.versions();
    if (!versions) {
        return versions.error();
    }
    if (machine.mode == fleet::Mode::maintenance) {
        return newest_version(*versions, machine.image);
    }
    const auto releases = releases_.releases();
    if (!releases) {
        return releases.error();
    }
    return choose_version(*versions, *releases, machine.image, machine.name, clock_.wall());
}

// --- the one that writes

Result<images::Maintenance> Versions::maintenance_of(const std::string& image) {
    const auto rows = store_.maintenance();
    if (!rows) {
        return rows.error();
    }
    const auto at = std::find_if(
        rows->begin(), rows->end(), [&](const auto& row) { return row.image == image; });
    if (at == rows->end()) {
        return make_error(std::errc::operation_not_permitted,
                          "no machine writes the next version of image " + image +
                              "; begin: rootstock image update " + image + " --on MACHINE");
    }
    return *at;
}

Result<UpdateBegun> Versions::begin_update(const std::string& image,
                                           const std::string& name,
                                           bool discard,
                                           std::string_view by) {
    const auto view = registry_.view();
    const fleet::Machine* machine = view->find(name);
    if (machine == nullptr) {
        return fleet::no_such_machine(name, *view);
    }
    if (machine->image != image) {
        return make_error(std::errc::operation_not_permitted,
                          "machine " + name + " boots image " + machine->image + ", not " + image +
                              "; take a machine of that image");
    }
    if (machine->mode == fleet::Mode::maintenance) {
        return fleet::in_maintenance(*machine);
    }
    const auto versions = store_.versions();
    if (!versions) {
        return versions.error();
    }
    const auto newest = newest_version(*versions, image);
    if (!newest) {
        return no_such_image(image);
    }
    UpdateBegun begun{*newest, false, false};
    const auto done = disks_.while_released(name, [&]() -> Result<void> {
        const auto disk = store_.machine_disk(name);
        if (!disk) {
            return disk.error();
        }
        const bool persistent = *disk && (*disk)->kind == images::OverlayKind::persistent;
        begun.kept = persistent && !discard;
        begun.discarded = persistent && discard;
        // Somebody else's turn is said before anything is thrown away.
        if (const auto writer = maintenance_of(image); writer) {
            return make_error(std::errc::device_or_resource_busy,
                              "machine " + writer->machine + " writes the next version of image " + image +
                                  " already; publish that or give it up first");
        }
        if (*disk && !begun.kept) {
            if (auto removed = store_.remove_machine_disk(name); !removed) {
                return removed;
            }
        }
        if (auto put = store_.begin_maintenance({image, name, clock_.wall()}); !put) {
            return put;
        }
        const auto mode = registry_.begin_maintenance(name, by);
        if (!mode) {
            static_cast<void>(store_.end_maintenance(name)); // if even that fails, the next start does it
            return mode.error();
        }
        return {};
    });
    if (!done) {
        return done.error();
    }
    log_.info("boot.update.begun",
              {{"image", image}, {"machine", name}, {"version", begun.version}, {"disk_kept", begun.kept}, {"by", by}});
    changed("image.update", image, name + " on version " + std::to_string(begun.version), by);
    return begun;
}

Result<void> Versions::cancel_update(const std::string& image, std::string_view by) {
    const auto row = maintenance_of(image);
    if (!row) {
        return row.error();
    }
    const std::string& machine = row->machine;
    const auto done = disks_.while_released(machine, [&]() -> Result<void> {
        if (auto ended = store_.end_maintenance(machine); !ended) {
            return ended;
        }
        const auto mode = registry_.end_maintenance(machine, by);
        return mode ? Result<void>() : Result<void>(mode.error());
    });
    if (!done) {
        return done;
    }
    log_.info("boot.update.cancelled", {{"image", image}, {"machine", machine}, {"by", by}});
    changed("image.update.cancel", image, machine, by);
    return {};
}

// --- its disk as a version

Result<images::ImageVersion> Versions::find_version(const std::string& image, std::uint32_t number) {
    const auto versions = store_.versions();
    if (!versions) {
        return versions.error();
    }
    const auto at = std::find_if(versions->begin(), versions->end(), [&](const auto& version) {
        return version.image == image && version.number == number;
    });
    if (at == versions->end()) {
        return make_error(std::errc::no_such_file_or_directory,
                          "image " + image + " has no version " + std::to_string(number) +
                              "; see: rootstock image show " + image);
    }
    return *at;
}

Result<Versions::Source> Versions::hold(const std::string& machine) {
    const auto disk = store_.machine_disk(machine);
    if (!disk) {
        return disk.error();
    }
    if (!*disk) {
        return make_error(std::errc::operation_not_permitted,
                          "machine " + machine + " has no disk of its own yet; start it, and shut it down again, first");
    }
    auto base = find_version((*disk)->image, (*disk)->version);
    if (!base) {
        return base.error();
    }
    auto file = store_.hold_machine_disk(machine);
    if (!file) {
        return file.error();
    }
    return Source{std::move(*file), std::move(*base), machine, machine};
}

Result<Versions::Source> Versions::snapshot_source(const std::string& machine,
                                                   const std::string& snapshot) {
    const auto all = store_.snapshots();
    if (!all) {
        return all.error();
    }
    const images::DiskName disk{images::DiskKind::machine, machine};
    const auto at = std::find_if(all->begin(), all->end(), [&](const images::SnapshotInfo& info) {
        return info.row.disk == disk && info.row.name == snapshot;
    });
    if (at == all->end()) {
        return make_error(std::errc::no_such_file_or_directory,
                          "machine " + machine + " has no snapshot " + snapshot + "; list them: rootstock snapshot list");
    }
    auto base = find_version(at->row.image, at->row.version);
    return base ? Result<Source>(Source{std::make_shared<const std::string>(at->path), std::move(*base), machine, {}})
                : Result<Source>(base.error());
}

Result<void> Versions::check_machines(const std::string& image,
                                      const std::vector<std::string>& machines) const {
    const auto view = registry_.view();
    for (const std::string& name : machines) {
        const fleet::Machine* machine = view->find(name);
        if (machine == nullptr) {
            return fleet::no_such_machine(name, *view);
        }
        if (machine->image != image) {
            return make_error(std::errc::invalid_argument,
                              "machine " + name + " boots image " + machine->image + ", not " + image +
                                  "; leave it out");
        }
    }
    return {};
}

Result<images::Release> Versions::make_release(const std::string& image,
                                               std::uint32_t version,
                                               const ReleaseWish& wish) {
    if (auto sound = check_wish(wish); !sound) {
        return sound.error();
    }
    if (auto sound = check_machines(image, wish.machines); !sound) {
        return sound.error();
    }
    const WallTime now = clock_.wall();
    if (wish.at && *wish.at < now) {
        return in_the_past();
    }
    const auto versions = store_.versions();
    if (!versions) {
        return versions.error();
    }
    images::Release release;
    release.image = image;
    release.version = version;
    release.previous = current_version(*versions, image);
    release.audience = wish.audience;
    release.percent = wish.audience == images::Audience::percent ? wish.percent : 100;
    release.machines = wish.audience == images::Audience::machines ? wish.machines : std::vector<std::string>();
    release.starts = wish.at.value_or(now);
    release.watch = wish.watch;
    release.created = now;
    return release;
}

Result<Moves> Versions::moves_of(const images::Release& release, const std::string& writer) {
    const auto uses = store_.version_uses(release.image);
    if (!uses && uses.error().code != std::errc::no_such_file_or_directory) {
        return uses.error();
    }
    const auto has_disk = [&](const std::string& machine) {
        return uses && std::any_of(uses->begin(), uses->end(), [&](const images::VersionUse& use) {
                   return std::find(use.machines.begin(), use.machines.end(), machine) != use.machines.end();
               });
    };
    Moves moves;
    for (const fleet::Machine& machine : registry_.view()->machines()) {
        if (machine.image != release.image || machine.name == writer) {
            continue;
        }
        const bool stays = machine.mode != fleet::Mode::reset && has_disk(machine.name);
        auto& list = !is_for(release, machine.name) ? moves.not_meant : stays ? moves.stay : moves.at_next_boot;
        list.push_back(machine.name);
    }
    return moves;
}

/// What would become of it as the next version of `image`.
Result<Publication> Versions::examine(const Source& source,
                                      const std::string& image,
                                      const ReleaseWish& wish,
                                      const images::ProgressCallback& progress) {
    const auto versions = store_.versions();
    if (!versions) {
        return versions.error();
    }
    const auto release = make_release(image, newest_version(*versions, image).value_or(0) + 1, wish);
    if (!release) {
        return release.error();
    }
    auto changes = images::compare_disks(files_,
                                         *source.file,
                                         source.base.identity.data_write_guid,
                                         store_.file_path(source.base.file),
                                         progress);
    if (!changes) {
        return changes.error();
    }
    auto moves = moves_of(*release, source.writer);
    if (!moves) {
        return moves.error();
    }
    return Publication{source.machine, source.base.number, std::move(*changes), *release, std::move(*moves)};
}

Result<Publication> Versions::preview(const std::string& image, const ReleaseWish& wish) {
    const auto row = maintenance_of(image);
    if (!row) {
        return row.error();
    }
    std::optional<Publication> publication;
    const auto done = disks_.while_released(row->machine, [&]() -> Result<void> {
        const auto source = hold(row->machine);
        auto examined = source ? examine(*source, image, wish, {}) : source.error();
        if (!examined) {
            return examined.error();
        }
        publication = std::move(*examined);
        return {};
    });
    return done ? Result<Publication>(std::move(*publication)) : Result<Publication>(done.error());
}

Result<Publication> Versions::make_version(const std::string& machine,
                                           const std::string& image,
                                           images::AfterPublish after,
                                           const ReleaseWish& wish,
                                           std::string_view by,
                                           const images::ProgressCallback& progress) {
    std::optional<Publication> publication;
    const auto done = disks_.while_released(machine, [&]() -> Result<void> {
        auto source = hold(machine);
        auto examined = source ? examine(*source, image, wish, progress) : source.error();
        if (!examined) {
            return examined.error();
        }
        publication = std::move(*examined);
        source->file.reset(); // lent no longer
        const auto version = store_.publish(machine, image, after, publication->release);
        if (!version) {
            return version.error();
        }
        publication->release.version = version->number;
        if (after == images::AfterPublish::maintenance_ends) {
            const auto mode = registry_.end_maintenance(machine, by);
            return mode ? Result<void>() : Result<void>(mode.error());
        }
        return {};
    });
    if (!done) {
        return done.error();
    }
    return published(std::move(*publication), by);
}

/// It is in the catalogue now.
Result<Publication> Versions::published(Publication publication, std::string_view by) {
    const std::string& image = publication.release.image;
    log_.info("boot.version.published",
              {{"image", image},
               {"version", publication.release.version},
               {"machine", publication.machine},
               {"changed_bytes", publication.changes.changed_bytes},
               {"by", by}});
    changed("image.publish",
            image,
            "version " + std::to_string(publication.release.version) + " from " + publication.machine,
            by);
    std::lock_guard lock(mutex_);
    const auto begun = begin_due();
    return begun ? Result<Publication>(std::move(publication)) : Result<Publication>(begun.error());
}

Result<Publication> Versions::publish(const std::string& image,
                                      const ReleaseWish& wish,
                                      std::string_view by,
                                      const images::ProgressCallback& progress) {
    const auto row = maintenance_of(image);
    return row ? make_version(row->machine, image, images::AfterPublish::maintenance_ends, wish, by, progress)
               : Result<Publication>(row.error());
}

Result<Publication> Versions::promote(const std::string& machine,
                                      const std::string& image,
                                      const ReleaseWish& wish,
                                      std::string_view by,
                                      const images::ProgressCallback& progress) {
    const auto view = registry_.view();
    const fleet::Machine* found = view->find(machine);
    if (found == nullptr) {
        return fleet::no_such_machine(machine, *view);
    }
    if (found->mode == fleet::Mode::maintenance) {
        return fleet::in_maintenance(*found);
    }
    return make_version(machine, image, images::AfterPublish::machine_goes_on, wish, by, progress);
}

Result<Publication> Versions::promote_snapshot(const std::string& machine,
                                               const std::string& snapshot,
                                               const std::string& image,
                                               const ReleaseWish& wish,
                                               std::string_view by,
                                               const images::ProgressCallback& progress) {
    const auto source = snapshot_source(machine, snapshot);
    auto publication = source ? examine(*source, image, wish, progress) : source.error();
    if (!publication) {
        return publication.error();
    }
    const auto version = store_.publish_snapshot(
        {images::DiskKind::machine, machine}, snapshot, image, publication->release);
    if (!version) {
        return version.error();
    }
    publication->release.version = version->number;
    return published(std::move(*publication), by);
}

} // namespace rootstock::boot
