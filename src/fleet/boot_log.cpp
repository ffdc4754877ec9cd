#include "fleet/boot_log.hpp"

#include "fleet/limits.hpp"

#include <algorithm>
#include <utility>

namespace rootstock::fleet {

namespace {

bool has_reached(const Boot& boot, Stage stage) {
    const auto furthest = furthest_stage(boot);
    return furthest && *furthest >= stage;
}

bool is_over(BootOutcome outcome) {
    switch (outcome) {
    case BootOutcome::in_progress:
    case BootOutcome::running:
    case BootOutcome::refused: // by the script or the login: the PC stands there and shows why
        return false;
    case BootOutcome::ended:
    case BootOutcome::failed:
        return true;
    }
    return false;
}

WallTime last_sign(const Boot& boot) { return boot.stages.empty() ? boot.started : boot.stages.back().when; }

} // namespace

std::optional<Stage> furthest_stage(const Boot& boot) {
    return boot.stages.empty() ? std::nullopt : std::optional(boot.stages.back().stage);
}

bool begins_new_boot(const Boot& boot, Stage stage, Duration silence) {
    switch (stage) {
    case Stage::discover:
        return has_reached(boot, Stage::script) || is_over(boot.outcome) || silence > boot_silence_max;
    case Stage::loader:
    case Stage::script:
        return has_reached(boot, Stage::login) || is_over(boot.outcome) || silence > boot_silence_max;
    case Stage::offer:
    case Stage::login:
    case Stage::first_read:
    case Stage::os_login:
    case Stage::running:
        return false;
    }
    return false;
}

bool advance(Boot& boot, Stage stage, WallTime when, std::string_view detail) {
    if (has_reached(boot, stage)) {
        return false;
    }
    boot.stages.push_back({stage, when, plain_text(detail)});
    if (stage == Stage::running && boot.outcome == BootOutcome::in_progress) {
        boot.outcome = BootOutcome::running;
    }
    return true;
}

void BootLog::restore(std::vector<Boot> boots, Moment moment) {
    for (Boot& boot : boots) {
        last_id_ = std::max(last_id_, boot.id);
        // The clock may have been set back since: then the silence counts from now.
        const auto silence = std::max(moment.wall - last_sign(boot), WallTime::duration::zero());
        present_.try_emplace(boot.mac, Present{boot.id, moment.now - silence}); // newest first: the first one is the present one
        const auto owner = boot.machine;
        by_owner_[owner].insert(boot.id);
        boots_.emplace(boot.id, std::move(boot));
        evict(owner);
    }
}

BootLog::Sighting BootLog::see(Mac mac, Stage stage, std::string_view detail, BootOwner owner, Moment moment) {
    const auto present = present_.find(mac);
    Boot* boot = nullptr;
    if (present != present_.end()) {
        boot = &boots_.at(present->second.id);
        if (begins_new_boot(*boot, stage, moment.now - present->second.last_seen)) {
            boot = nullptr;
        } else {
            present->second.last_seen = moment.now;
        }
    }
    bool changed = false;
    if (boot == nullptr) {
        if (stage != Stage::discover && stage != Stage::loader && stage != Stage::script) {
            return {};
        }
        boot = &begin(mac, owner, moment);
        changed = true;
    }
    if (advance(*boot, stage, moment.wall, detail)) {
        changed_.insert(boot->id);
        changed = true;
    }
    return {boot->id, changed};
}

Boot& BootLog::disk_boot(Mac mac, BootOwner owner, Moment moment) {
    const Sighting sighting = see(mac, Stage::script, {}, owner, moment);
    Boot& boot = boots_.at(sighting.id);
    if (BootOwner{boot.machine, boot.generation} != owner) {
        book(boot, owner); // it was unknown, or somebody else, when it began
        evict(owner.machine, boot.id);
    }
    if (boot.outcome == BootOutcome::refused) {
        boot.outcome = BootOutcome::in_progress;
        boot.reason.clear();
    }
    changed_.insert(boot.id);
    return boot;
}

bool BootLog::stage(BootId id, Stage stage, std::string_view detail, Moment moment) {
    Boot* boot = find_mutable(id);
    if (boot == nullptr || boot->outcome == BootOutcome::refused) {
        return false;
    }
    if (const auto present = present_.find(boot->mac); present != present_.end() && present->second.id == id) {
        present->second.last_seen = moment.now;
    }
    bool changed = advance(*boot, stage, moment.wall, detail);
    if (is_over(boot->outcome)) {
        boot->outcome = has_reached(*boot, Stage::running) ? BootOutcome::running : BootOutcome::in_progress;
        boot->reason.clear();
        changed = true;
    }
    if (changed) {
        changed_.insert(id);
    }
    return changed;
}

bool BootLog::set_disk(BootId id, const std::string& image, std::uint32_t version) {
    Boot* boot = find_mutable(id);
    if (boot == nullptr || (boot->image == image && boot->version == version)) {
        return false;
    }
    boot->image = image;
    boot->version = version;
    changed_.insert(id);
    return true;
}

bool BootLog::end(BootId id, BootOutcome outcome, std::string_view reason_text) {
    Boot* boot = find_mutable(id);
    std::string reason = plain_text(reason_text);
    if (boot == nullptr || (boot->outcome == outcome && boot->reason == reason)) {
        return false;
    }
    boot->outcome = outcome;
    boot->reason = std::move(reason);
    changed_.insert(id);
    return true;
}

const Boot* BootLog::find(BootId id) const {
    const auto at = boots_.find(id);
    return at == boots_.end() ? nullptr : &at->second;
}

Boot* BootLog::find_mutable(BootId id) {
    const auto at = boots_.find(id);
    return at == boots_.end() ? nullptr : &at->second;
}

std::vector<Boot> BootLog::newest(std::optional<MachineId> machine, std::size_t most) const {
    std::vector<Boot> found;
    const auto add = [&](const Boot& boot) {
        found.push_back(boot);
        found.back().chap_secret.clear();
        return found.size() < most;
    };
    if (most == 0) {
        return found;
    }
    if (machine) {
        if (const auto owned = by_owner_.find(machine); owned != by_owner_.end()) {
            for (auto id = owned->second.rbegin(); id != owned->second.rend() && add(boots_.at(*id)); ++id) {
            }
        }
    } else {
        for (auto boot = boots_.rbegin(); boot != boots_.rend() && add(boot->second); ++boot) {
        }
    }
    return found;
}

void BootLog::forget_machine(MachineId machine) {
    const auto owned = by_owner_.find(machine);
    if (owned == by_owner_.end()) {
        return;
    }
    for (const BootId id : std::set<BootId>(owned->second)) {
        book(boots_.at(id), {});
    }
    evict(std::nullopt);
}

std::vector<Boot> BootLog::take_changed() {
    std::vector<Boot> boots;
    for (const BootId id : std::exchange(changed_, {})) {
        boots.push_back(boots_.at(id));
    }
    return boots;
}

void BootLog::mark_changed(const std::vector<Boot>& boots) {
    for (const Boot& boot : boots) {
        if (boots_.contains(boot.id)) {
            changed_.insert(boot.id);
        }
    }
}

Boot& BootLog::begin(Mac mac, BootOwner owner, Moment moment) {
    Boot boot;
    boot.id = ++last_id_;
    boot.mac = mac;
    boot.machine = owner.machine;
    boot.generation = owner.generation;
    boot.started = moment.wall;
    Boot& kept = boots_.emplace(boot.id, std::move(boot)).first->second;
    by_owner_[owner.machine].insert(kept.id);
    present_[mac] = {kept.id, moment.now};
    changed_.insert(kept.id);
    evict(owner.machine, kept.id);
    return kept;
}

/// Books the boot to `owner` from its very beginning, as if it had been his all along.
void BootLog::book(Boot& boot, BootOwner owner) {
    const auto before = by_owner_.find(boot.machine);
    before->second.erase(boot.id);
    if (before->second.empty()) {
        by_owner_.erase(before);
    }
    boot.machine = owner.machine;
    boot.generation = owner.generation;
    boot.chap_secret.clear();
    by_owner_[owner.machine].insert(boot.id);
    changed_.insert(boot.id);
}

/// Drops the oldest boots of `owner` that are too many, but for `kept`.
void BootLog::evict(std::optional<MachineId> owner, BootId kept) {
    std::set<BootId>& owned = by_owner_[owner];
    const std::size_t most = owner ? boots_per_machine_max : boots_without_machine_max;
    while (owned.size() > most) {
        const auto first = *owned.begin() == kept ? std::next(owned.begin()) : owned.begin();
        const BootId oldest = *first;
        owned.erase(first);
        changed_.erase(oldest);
        const auto boot = boots_.find(oldest);
        if (const auto present = present_.find(boot->second.mac); present != present_.end() && present->second.id == oldest) {
            present_.erase(present);
        }
        boots_.erase(boot);
    }
}

} // namespace rootstock::fleet
