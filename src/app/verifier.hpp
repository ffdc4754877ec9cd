// Verifier: reads every master once in a while and compares it with its digest, slowly and with the least priority (docs/images.md, "Guard").
#pragma once

#include "app/housekeeper.hpp"
#include "core/clock.hpp"
#include "images/store.hpp"

namespace rootstock::app {

/// At most this much is read; a disk that machines boot from has other things to do.
inline constexpr std::uint64_t verify_bytes_per_second = std::uint64_t{64} << 20U;

class Verifier {
  public:
    /// `period`: how long a verification is good for.
    Verifier(images::Store& store, std::chrono::seconds period, Log& log, const Clock& clock);
    ~Verifier(); // ends the one under way

  private:
    void run(std::chrono::seconds period);
    bool keep_pace(std::uint64_t done_bytes);

    images::Store& store_;
    Log& log_;
    const Clock& clock_;
    std::mutex mutex_; // guards stopping_
    std::condition_variable wake_;
    bool stopping_ = false;
    TimePoint started_;                        // of the file under way
    std::unique_ptr<Housekeeper> housekeeper_; // last: its thread uses the rest
};

} // namespace rootstock::app
