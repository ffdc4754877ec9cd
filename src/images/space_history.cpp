#include "images/space_history.hpp"

namespace rootstock::images {

Result<void> SpaceHistory::load() {
    const Result<std::vector<SpaceSample>> samples = catalogue_.space_samples();
    if (!samples) {
        return samples.error();
    }
    std::lock_guard lock(mutex_);
    for (const auto& [what, sample] : *samples) {
        samples_[what].push_back(sample);
    }
    return {};
}

void SpaceHistory::note(WallTime now, const std::map<std::string, std::uint64_t>& used) {
    const std::int64_t hour = std::chrono::duration_cast<std::chrono::hours>(now.time_since_epoch()).count();
    const std::int64_t day = hour / 24;
    std::vector<SpaceSample> noted;
    {
        std::lock_guard lock(mutex_);
        if (hour == hour_) {
            return;
        }
        hour_ = hour;
        for (const auto& [what, bytes] : used) {
            std::vector<DaySample>& days = samples_[what];
            std::erase_if(days, [day](const DaySample& sample) { return sample.day >= day || sample.day <= day - std::int64_t{forecast_days_kept}; });
            days.push_back({day, bytes});
            noted.push_back({what, days.back()});
        }
        std::erase_if(samples_, [&](const auto& entry) { return !used.contains(entry.first); });
    }
    if (const Result<void> put = catalogue_.put_space_samples(noted); !put) { // the forecast is a little worse for it
        log_.warning("images.space.not_noted", {{"reason", put.error().what}});
    }
}

std::vector<DaySample> SpaceHistory::of(const std::string& what) const {
    std::lock_guard lock(mutex_);
    const auto found = samples_.find(what);
    return found == samples_.end() ? std::vector<DaySample>() : found->second;
}

} // namespace rootstock::images
