// How full something with a limit is, in steps that people are told of: 80, 90 and 95 %. Rises at once, falls only when well below, so that a level at its
// border is told once. Pure.
#pragma once

#include <array>
#include <cstdint>

namespace rootstock::images {

inline constexpr std::array<unsigned, 3> fill_alarms = {80, 90, 95}; // percent
inline constexpr unsigned fill_hysteresis = 2;                       // points below an alarm before it is over

/// Whole percent, rounded down; 0 without a limit.
[[nodiscard]] unsigned fill_percent(std::uint64_t used, std::uint64_t limit);
/// The alarm that counts now: 80, 90, 95, or 0. `before`: the one that counted until now.
[[nodiscard]] unsigned fill_alarm(unsigned before, std::uint64_t used, std::uint64_t limit);

} // namespace rootstock::images
