#include "images/space_forecast.hpp"

#include <algorithm>

namespace rootstock::images {

double growth_per_day(const std::vector<DaySample>& samples) {
    std::vector<double> slopes;
    for (std::size_t a = 0; a < samples.size(); ++a) {
        for (std::size_t b = a + 1; b < samples.size(); ++b) {
            if (const auto days = samples[b].day - samples[a].day; days != 0) {
                slopes.push_back((static_cast<double>(samples[b].used_bytes) - static_cast<double>(samples[a].used_bytes)) / static_cast<double>(days));
            }
        }
    }
    constexpr std::size_t pairs_min = forecast_days_min * (forecast_days_min - 1) / 2;
    if (slopes.size() < pairs_min) {
        return 0;
    }
    const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
    std::nth_element(slopes.begin(), middle, slopes.end());
    if (slopes.size() % 2 == 1) {
        return *middle;
    }
    return (*middle + *std::max_element(slopes.begin(), middle)) / 2;
}

std::optional<std::int64_t> days_until_full(const std::vector<DaySample>& samples, std::uint64_t used_bytes, std::uint64_t limit) {
    if (limit == 0) {
        return std::nullopt;
    }
    if (used_bytes >= limit) {
        return 0;
    }
    const double growth = growth_per_day(samples);
    const double left = static_cast<double>(limit - used_bytes);
    if (growth <= 0 || left / growth > static_cast<double>(forecast_horizon)) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(left / growth);
}

} // namespace rootstock::images
