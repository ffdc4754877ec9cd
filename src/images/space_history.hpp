// SpaceHistory: what was taken on each of the last days, kept in the catalogue, for the forecast.
// Threads: every call is thread-safe; load() and note() block.
#pragma once

#include "core/log.hpp"
#include "images/catalogue.hpp"

#include <map>
#include <mutex>

namespace rootstock::images {

class SpaceHistory {
  public:
    SpaceHistory(Catalogue& catalogue, Log& log) : catalogue_(catalogue), log_(log) {}

    [[nodiscard]] Result<void> load();
    /// Today's, by name ("store"); what was noted earlier that day is replaced. Written once an hour and on each new day.
    void note(WallTime now, const std::map<std::string, std::uint64_t>& used);
    [[nodiscard]] std::vector<DaySample> of(const std::string& what) const;

  private:
    Catalogue& catalogue_;
    Log& log_;
    mutable std::mutex mutex_; // guards the next two
    std::map<std::string, std::vector<DaySample>> samples_; // in the order of their days
    std::int64_t hour_ = -1;                                // of the last note
};

} // namespace rootstock::images
