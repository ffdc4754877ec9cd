#include "api/event_log.hpp"

#include "api/limits.hpp"

#include <algorithm>

namespace rootstock::api {

EventLog::EventLog(Log& next, const Clock& clock) : next_(next), clock_(clock) {
    next_.set_threshold(Level::trace); // what passes this one's threshold passes there, too
}

std::vector<LogEvent> EventLog::latest(std::size_t most, std::uint64_t after) const {
    std::lock_guard lock(mutex_);
    auto from = std::upper_bound(
        events_.begin(), events_.end(), after, [](std::uint64_t id, const LogEvent& event) {
            return id < event.id;
        });
    const auto count = static_cast<std::size_t>(events_.end() - from);
    if (count > most) {
        from += static_cast<std::ptrdiff_t>(count - most);
    }
    return {from, events_.end()};
}

void EventLog::on_event(std::function<void()> listener) {
    std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
}

void EventLog::write_line(Level level, std::string_view event, Fields fields) {
    switch (level) {
    case Level::trace:
        next_.trace(event, fields);
        break;
    case Level::debug:
        next_.debug(event, fields);
        break;
    case Level::info:
        next_.info(event, fields);
        break;
    case Level::warning:
        next_.warning(event, fields);
        break;
    case Level::error:
        next_.error(event, fields);
        break;
    }
    LogEvent kept{0, clock_.wall(), level, std::string(event), {}};
    for (const Field& field : fields) {
        kept.fields.emplace_back(field.key, field.value);
    }
    std::lock_guard lock(mutex_);
    kept.id = ++last_id_;
    events_.push_back(std::move(kept));
    if (events_.size() > log_events_max) {
        events_.pop_front();
    }
    if (listener_) {
        listener_();
    }
}

} // namespace rootstock::api
