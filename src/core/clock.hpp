// The only way to the time. Machines get a TimePoint handed in; the edges own a Clock.
#pragma once

#include <chrono>

namespace rootstock {

using TimePoint = std::chrono::steady_clock::time_point;  // monotonic: time-outs, durations
using WallTime = std::chrono::system_clock::time_point;   // calendar: what people and the database see
using Duration = std::chrono::steady_clock::duration;

/// Thread-safe.
class Clock {
  public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual TimePoint now() const = 0;
    [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }
    [[nodiscard]] WallTime wall() const override { return std::chrono::system_clock::now(); }
};

/// Virtual time for tests and simulations. Not thread-safe.
class ManualClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return now_; }
    [[nodiscard]] WallTime wall() const override { return wall_; }
    void advance(Duration by) {
        now_ += by;
        wall_ += std::chrono::duration_cast<WallTime::duration>(by);
    }

  private:
    TimePoint now_{std::chrono::hours(1)};
    WallTime wall_{std::chrono::hours(24 * 365 * 56)};
};

/// Milliseconds since 1970-01-01 UTC: how times are kept in the database and shown in the API.
[[nodiscard]] inline std::int64_t unix_ms(WallTime time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}
[[nodiscard]] inline WallTime wall_from_unix_ms(std::int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

} // namespace rootstock
