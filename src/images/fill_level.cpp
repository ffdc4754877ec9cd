#include "images/fill_level.hpp"

namespace rootstock::images {

unsigned fill_percent(std::uint64_t used, std::uint64_t limit) {
    constexpr double whole = 100;
    return limit == 0 ? 0 : static_cast<unsigned>(whole * static_cast<double>(used) / static_cast<double>(limit));
}

unsigned fill_alarm(unsigned before, std::uint64_t used, std::uint64_t limit) {
    const unsigned percent = fill_percent(used, limit);
    unsigned alarm = 0;
    for (const unsigned level : fill_alarms) {
        const unsigned over_at = level <= before ? level - fill_hysteresis : level;
        alarm = limit != 0 && percent >= over_at ? level : alarm;
    }
    return alarm;
}

} // namespace rootstock::images
