// Which version of an image a machine's next fresh disk stands on, and whether a release does well
// enough to stay. Pure: rows, boots and the time in, a decision out.
#pragma once

#include "fleet/machine.hpp"
#include "images/release.hpp"
#include "images/store.hpp"

#include <span>

namespace rootstock::boot {

/// 0 to 99, always the same for a name: a release for 20 percent means the machines below 20, so
/// that one for 50 percent means all of these again.
[[nodiscard]] std::uint32_t percentile(std::string_view machine);

/// Whether `release` is for this machine, once it begins.
[[nodiscard]] bool is_for(const images::Release& release, std::string_view machine);

/// The newest active release of its version among those that have begun: it alone counts, so that a
/// later one may also mean fewer machines.
[[nodiscard]] bool holds(const images::Release& release,
                         std::span<const images::Release> all,
                         WallTime now);

/// The version for a new disk of `machine`: that of the newest release that holds and is for it,
/// else the current one. A release whose version is not there (yet) does not count. Nothing: the
/// image has no version.
[[nodiscard]] std::optional<std::uint32_t>
choose_version(std::span<const images::ImageVersion> versions,
               std::span<const images::Release> releases,
               std::string_view image,
               std::string_view machine,
               WallTime now);

/// The highest number, which a machine in maintenance writes on.
[[nodiscard]] std::optional<std::uint32_t>
newest_version(std::span<const images::ImageVersion> versions, std::string_view image);

struct BootCount {
    std::size_t good = 0; // reached "running"
    std::size_t bad = 0;  // ended without it, or was silent for too long
    [[nodiscard]] std::size_t decided() const { return good + bad; }
    [[nodiscard]] std::uint32_t share() const; // percent of the decided ones; 100 when none is
    bool operator==(const BootCount&) const = default;
};

/// The boots on that version that began at `since` or later. A boot that never had its disk is no
/// fault of the version; one that was refused neither; one that still goes on is not decided.
[[nodiscard]] BootCount count_boots(std::span<const fleet::Boot> boots,
                                    std::string_view image,
                                    std::uint32_t version,
                                    WallTime since,
                                    WallTime now);

enum class Verdict : std::uint8_t { wait, keep, roll_back };

/// Enough boots, and fewer of them good than the watch asks for. Where the version before did no
/// better than that itself (`before`, as many boots at least), its share is what is asked for: people
/// who switch PCs off while they start are no fault of the new one.
[[nodiscard]] Verdict
judge(const images::Watch& watch, const BootCount& now, const BootCount& before);

/// "3 of 5 boots on version 4 did not reach running (40 % did, 80 % are asked for)".
[[nodiscard]] std::string
reason_for(const images::Release& release, const BootCount& now, const BootCount& before);

/// Why the version at `index` (ascending numbers) is not to be removed; empty: nobody needs it. The
/// newest `keep` stay, at least one, so that no number is ever used again.
[[nodiscard]] std::string reason_to_keep(std::span<const images::VersionUse> versions,
                                         std::size_t index,
                                         std::span<const images::Release> releases,
                                         std::uint32_t keep);

} // namespace rootstock::boot
