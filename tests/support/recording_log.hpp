// A Log that keeps what it was told, so that a test can ask which events there were, or wait for one. Thread-safe.
#pragma once

#include "core/log.hpp"

#include <algorithm>
#include <condition_variable>
#include <vector>

namespace rootstock::test {

class RecordingLog final : public Log {
  public:
    RecordingLog() { set_threshold(Level::debug); }

    /// How many lines "event key=value ..." contain `text`.
    [[nodiscard]] std::size_t count(std::string_view text) const {
        const std::lock_guard lock(mutex_);
        return count_locked(text);
    }
    /// Whether one has come within `patience`.
    [[nodiscard]] bool wait_for(std::string_view text, std::chrono::seconds patience = std::chrono::seconds(60)) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return count_locked(text) > 0; });
    }

  private:
    void write_line(Level, std::string_view event, Fields fields) override {
        std::string line = std::string(event) + " " + format_fields(fields);
        const std::lock_guard lock(mutex_);
        lines_.push_back(std::move(line));
        changed_.notify_all();
    }
    [[nodiscard]] std::size_t count_locked(std::string_view text) const {
        const auto contains = [&](const std::string& line) { return line.find(text) != std::string::npos; };
        return static_cast<std::size_t>(std::count_if(lines_.begin(), lines_.end(), contains));
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> lines_;
};

} // namespace rootstock::test
