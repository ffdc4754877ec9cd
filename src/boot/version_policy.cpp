#include "boot/version_policy.hpp"

#include "boot/limits.hpp"
#include "core/text.hpp"

#include <algorithm>

namespace rootstock::boot {

namespace {

bool has_begun(const images::Release& release, WallTime now) {
    return release.state == images::ReleaseState::active && release.starts <= now;
}

bool reached_running(const fleet::Boot& boot) {
    return std::any_of(boot.stages.begin(), boot.stages.end(), [](const fleet::StageTime& stage) {
        return stage.stage == fleet::Stage::running;
    });
}

/// Over without having reached "running".
bool has_failed(const fleet::Boot& boot, WallTime now) {
    switch (boot.outcome) {
    case fleet::BootOutcome::ended:
    case fleet::BootOutcome::failed:
        return true;
    case fleet::BootOutcome::refused: // replaced, reset: somebody wanted that
    case fleet::BootOutcome::running:
        return false;
    case fleet::BootOutcome::in_progress:
        return now - (boot.stages.empty() ? boot.started : boot.stages.back().when) > boot_patience;
    }
    return false;
}

/// What is asked for, given how the version before did.
std::uint32_t asked_share(const images::Watch& watch, const BootCount& before) {
    return before.decided() >= watch.minimum_boots ? std::min(watch.minimum_share, before.share())
                                                   : watch.minimum_share;
}

} // namespace

std::uint32_t percentile(std::string_view machine) {
    std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    for (const char c : machine) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    hash ^= hash >> 32U; // names that differ in their last digit alone differ in few high bits
    hash *= 0x9e3779b97f4a7c15;
    return static_cast<std::uint32_t>((hash >> 32U) % 100);
}

bool is_for(const images::Release& release, std::string_view machine) {
    switch (release.audience) {
    case images::Audience::all:
        return true;
    case images::Audience::machines:
        return std::find(release.machines.begin(), release.machines.end(), machine) !=
               release.machines.end();
    case images::Audience::percent:
        return percentile(machine) < release.percent;
    }
    return false;
}

bool holds(const images::Release& release, std::span<const images::Release> all, WallTime now) {
    return has_begun(release, now) &&
           std::none_of(all.begin(), all.end(), [&](const images::Release& other) {
               return other.image == release.image && other.version == release.version &&
                      other.id > release.id && has_begun(other, now);
           });
}

std::optional<std::uint32_t> choose_version(std::span<const images::ImageVersion> versions,
                                            std::span<const images::Release> releases,
                                            std::string_view image,
                                            std::string_view machine,
                                            WallTime now) {
    std::optional<std::uint32_t> current;
    for (const images::ImageVersion& version : versions) {
        current = version.image == image && version.current ? version.number : current;
    }
    const auto is_there = [&](std::uint32_t number) {
        return std::any_of(versions.begin(), versions.end(), [&](const images::ImageVersion& version) {
            return version.image == image && version.number == number;
        });
    };
    const images::Release* newest = nullptr;
    for (const images::Release& release : releases) {
        const bool counts = release.image == image && is_for(release, machine) &&
                            is_there(release.version) && holds(release, releases, now);
        newest = counts && (newest == nullptr || release.id > newest->id) ? &release : newest;
    }
    return newest != nullptr ? std::optional(newest->version) : current;
}

std::optional<std::uint32_t> newest_version(std::span<const images::ImageVersion> versions,
                                            std::string_view image) {
    std::optional<std::uint32_t> newest;
    for (const images::ImageVersion& version : versions) {
        if (version.image == image) {
            newest = std::max(newest.value_or(0), version.number);
        }
    }
    return newest;
}

std::uint32_t BootCount::share() const {
    return decided() == 0 ? 100 : static_cast<std::uint32_t>(good * 100 / decided());
}

BootCount count_boots(std::span<const fleet::Boot> boots,
                      std::string_view image,
                      std::uint32_t version,
                      WallTime since,
                      WallTime now) {
    BootCount count;
    for (const fleet::Boot& boot : boots) {
        if (boot.version != version || boot.image != image || boot.started < since) {
            continue;
        }
        if (reached_running(boot)) {
            ++count.good;
        } else if (has_failed(boot, now)) {
            ++count.bad;
        }
    }
    return count;
}

Verdict judge(const images::Watch& watch, const BootCount& now, const BootCount& before) {
    if (!watch.enabled || now.decided() < std::max<std::uint32_t>(watch.minimum_boots, 1)) {
        return Verdict::wait;
    }
    return now.share() < asked_share(watch, before) ? Verdict::roll_back : Verdict::keep;
}

std::string
reason_for(const images::Release& release, const BootCount& now, const BootCount& before) {
    return std::to_string(now.bad) + " of " + std::to_string(now.decided()) + " boots on version " +
           std::to_string(release.version) + " did not reach running (" +
           std::to_string(now.share()) + " % did, " +
           std::to_string(asked_share(release.watch, before)) + " % are asked for)";
}

std::string reason_to_keep(std::span<const images::VersionUse> versions,
                           std::size_t index,
                           std::span<const images::Release> releases,
                           std::uint32_t keep) {
    const images::VersionUse& use = versions[index];
    if (use.version.current) {
        return "it is the current one";
    }
    if (!use.needed_by.empty()) {
        return "it is needed by " + join(use.needed_by, ", ");
    }
    const bool released = std::any_of(releases.begin(), releases.end(), [&](const images::Release& release) {
        return release.image == use.version.image && release.state == images::ReleaseState::active &&
               (release.version == use.version.number || release.previous == use.version.number);
    });
    if (released) {
        return "a release is for it, or goes back to it";
    }
    return versions.size() - index <= std::max<std::size_t>(keep, 1)
               ? "it is one of the newest " + std::to_string(std::max<std::uint32_t>(keep, 1))
               : "";
}

} // namespace rootstock::boot
