#include "images/flatten_choice.hpp"

#include "images/fill_level.hpp"
#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {

namespace {

constexpr std::chrono::minutes first_pause{1};
constexpr std::chrono::minutes longest_pause{360};

bool is_worth_it(const FlattenWork& work) {
    const std::uint64_t gain = work.gain_bytes();
    return work.files > limits::flatten_depth || (gain > 0 && work.needed_bytes / flatten_cost_max <= gain);
}

/// While both the old files and the new one are there.
bool fits(const FlattenWork& work, std::span<const FlattenRoom> rooms) {
    const unsigned below = work.gain_bytes() > 0 ? fill_alarms[2] : fill_alarms[1];
    return std::ranges::all_of(rooms, [&](const FlattenRoom& room) { return fill_percent(room.used_bytes + work.needed_bytes, room.limit_bytes) < below; });
}

} // namespace

bool FlattenPauses::failed(const std::string& layer, TimePoint now) {
    const auto [at, is_news] = pauses_.try_emplace(layer);
    at->second.length = is_news ? first_pause : std::min(at->second.length * 2, longest_pause);
    at->second.until = now + at->second.length;
    return is_news;
}

bool FlattenPauses::pausing(const std::string& layer, TimePoint now) const {
    const auto at = pauses_.find(layer);
    return at != pauses_.end() && now < at->second.until;
}

FlattenChoice choose_flatten(std::span<const FlattenWork> works, std::span<const FlattenRoom> rooms) {
    FlattenChoice choice;
    for (const FlattenWork& work : works) {
        if (!is_worth_it(work)) {
            continue;
        }
        if (fits(work, rooms)) {
            choice.next = work;
            break;
        }
        if (!choice.no_room) {
            choice.no_room = work;
        }
    }
    return choice;
}

} // namespace rootstock::images
