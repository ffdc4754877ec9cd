// Background: work on the store that machines must not notice: a thread of the least priority for processor and disk, that looks after something once in a
// while and is held back when it reads or writes a lot.
#pragma once

#include "app/housekeeper.hpp"
#include "core/clock.hpp"

#include <cstdint>
#include <memory>

namespace rootstock::app {

/// At most this much is read or written; a disk that machines boot from has other things to do.
inline constexpr std::uint64_t background_bytes_per_second = std::uint64_t{64} << 20U;

class Background {
  public:
    /// What is looked after may be called at once; it calls keep_pace().
    Background(std::chrono::milliseconds period, const Clock& clock, std::function<void(Background&)> look);
    ~Background(); // ends the work under way

    /// To be called while something is worked on, of the thread itself: waits until that many bytes are due. Fewer than the last time: something else began.
    /// False: the server stops.
    bool keep_pace(std::uint64_t done_bytes);

  private:
    const Clock& clock_;
    std::mutex mutex_; // guards stopping_
    std::condition_variable wake_;
    bool stopping_ = false;
    TimePoint started_;                        // of what is under way
    std::uint64_t last_bytes_ = 0;
    std::unique_ptr<Housekeeper> housekeeper_; // last: its thread uses the rest
};

} // namespace rootstock::app
