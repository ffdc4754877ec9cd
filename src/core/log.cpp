#include "core/log.hpp"

#include <array>
#include <cstdio>
#include <ctime>

#include <unistd.h>

namespace rootstock {

namespace {

/// Quotes what would break the line or the key=value form; control bytes of a peer never reach the terminal.
std::string quoted(const std::string& text) {
    bool plain = !text.empty();
    for (char c : text) {
        plain = plain && c > ' ' && c != '"' && c != '\\' && c != '=' && c != '\x7f';
    }
    if (plain) {
        return text;
    }
    std::string out = "\"";
    for (char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            std::array<char, 8> escape{};
            std::snprintf(escape.data(), escape.size(), "\\x%02x", byte);
            out += escape.data();
        } else {
            out += c;
        }
    }
    return out + '"';
}

struct ValueText {
    std::string operator()(const std::string& text) const { return quoted(text); }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
};

} // namespace

std::string_view level_name(Level level) {
    switch (level) {
    case Level::trace:
        return "trace";
    case Level::debug:
        return "debug";
    case Level::info:
        return "info";
    case Level::warning:
        return "warning";
    case Level::error:
        return "error";
    }
    return "?";
}

std::string format_fields(Fields fields) {
    std::string out;
    for (const Field& field : fields) {
        if (!out.empty()) {
            out += ' ';
        }
        out += field.key;
        out += '=';
        out += std::visit(ValueText{}, field.value);
    }
    return out;
}

std::string format_time(WallTime time) {
    const std::int64_t ms = unix_ms(time);
    const std::time_t seconds = ms / 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 40> buffer{};
    const std::size_t used = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(buffer.data() + used, buffer.size() - used, ".%03dZ", static_cast<int>(ms % 1000));
    return buffer.data();
}

void StderrLog::write_line(Level level, std::string_view event, Fields fields) {
    std::string line = format_time(clock_.wall());
    line += ' ';
    line += level_name(level);
    line += ' ';
    line += event;
    if (fields.size() != 0) {
        line += ' ' + format_fields(fields);
    }
    line += '\n';
    // One write per line keeps the lines of several threads whole. Nobody to tell when standard error itself fails.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

} // namespace rootstock
