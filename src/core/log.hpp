// Structured events: a stable dotted name and fields, one line each. Listed with meaning and remedy in docs/events.md. Never secrets.
#pragma once

#include "core/clock.hpp"

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

namespace rootstock {

enum class Level : std::uint8_t { trace, debug, info, warning, error };
[[nodiscard]] std::string_view level_name(Level level);

struct Field {
    std::string_view key;
    std::variant<std::string, std::int64_t, bool> value;

    Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
    Field(std::string_view k, std::string_view v) : key(k), value(std::string(v)) {}
    Field(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
    Field(std::string_view k, bool v) : key(k), value(v) {}
    template <std::integral T> Field(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
};
using Fields = std::initializer_list<Field>;

/// Injected wherever something is decided at an edge. Thread-safe.
class Log {
  public:
    virtual ~Log() = default;

    void trace(std::string_view event, Fields fields = {}) { write(Level::trace, event, fields); }
    void debug(std::string_view event, Fields fields = {}) { write(Level::debug, event, fields); }
    void info(std::string_view event, Fields fields = {}) { write(Level::info, event, fields); }
    void warning(std::string_view event, Fields fields = {}) { write(Level::warning, event, fields); }
    void error(std::string_view event, Fields fields = {}) { write(Level::error, event, fields); }

    /// For events whose level comes out of a table.
    void write(Level level, std::string_view event, Fields fields) {
        if (enabled(level)) {
            write_line(level, event, fields);
        }
    }

    [[nodiscard]] bool enabled(Level level) const { return level >= threshold_.load(std::memory_order_relaxed); }
    void set_threshold(Level level) { threshold_.store(level, std::memory_order_relaxed); }

  protected:
    virtual void write_line(Level level, std::string_view event, Fields fields) = 0;

  private:
    std::atomic<Level> threshold_{Level::info};
};

/// `2026-01-31T07:45:01.123Z info iscsi.login.accepted initiator=iqn... tsih=7` on standard error.
class StderrLog final : public Log {
  public:
    explicit StderrLog(const Clock& clock) : clock_(clock) {}

  private:
    void write_line(Level level, std::string_view event, Fields fields) override;
    const Clock& clock_;
};

/// Swallows everything: for tests and tools.
class NullLog final : public Log {
    void write_line(Level, std::string_view, Fields) override {}
};

/// The fields as `key=value key="two words"`.
[[nodiscard]] std::string format_fields(Fields fields);
/// ISO 8601 in UTC with milliseconds: 2026-01-31T07:45:01.123Z.
[[nodiscard]] std::string format_time(WallTime time);

} // namespace rootstock
