// When something will be full, from what it held on the last days. Pure.
//
// The slope is Theil and Sen's: the median of the slopes of all pairs of days. One day on which an image was imported, or a machine reset, does not bend it
// as much as it would bend least squares.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace rootstock::images {

struct DaySample {
    std::int64_t day = 0; // since 1970
    std::uint64_t used_bytes = 0;
    bool operator==(const DaySample&) const = default;
};

inline constexpr std::size_t forecast_days_min = 3;   // fewer say nothing
inline constexpr std::size_t forecast_days_kept = 30;
inline constexpr std::int64_t forecast_horizon = 365; // days; beyond it the answer is "not in sight"

/// Bytes a day; 0 with fewer than forecast_days_min different days. `samples`: in any order, at most forecast_days_kept of them.
[[nodiscard]] double growth_per_day(const std::vector<DaySample>& samples);
/// Whole days until `used_bytes`, growing like that, reach `limit`; nothing when they do not within the horizon.
[[nodiscard]] std::optional<std::int64_t> days_until_full(const std::vector<DaySample>& samples, std::uint64_t used_bytes, std::uint64_t limit);

} // namespace rootstock::images
