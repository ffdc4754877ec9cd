// EventLog: a Log that hands each event on to another one and keeps the latest for the API (GET
// /api/v1/log, event stream). Threads: thread-safe; listeners are called on the logging thread and
// must not log.
#pragma once

#include "core/log.hpp"

#include <deque>
#include <functional>
#include <vector>

namespace rootstock::api {

struct LogEvent {
    std::uint64_t id = 0; // counts up from 1
    WallTime when;
    Level level{};
    std::string name;
    std::vector<std::pair<std::string, std::variant<std::string, std::int64_t, bool>>> fields;
};

class EventLog final : public Log {
  public:
    /// Both outlive it.
    EventLog(Log& next, const Clock& clock);

    /// The latest, at most `most`, oldest first; only those after `after`.
    [[nodiscard]] std::vector<LogEvent> latest(std::size_t most, std::uint64_t after = 0) const;
    /// Called after each event. Set once, before other threads log; null takes it away.
    void on_event(std::function<void()> listener);

  private:
    void write_line(Level level, std::string_view event, Fields fields) override;

    Log& next_;
    const Clock& clock_;
    mutable std::mutex mutex_; // guards all below
    std::deque<LogEvent> events_;
    std::uint64_t last_id_ = 0;
    std::function<void()> listener_;
};

} // namespace rootstock::api
