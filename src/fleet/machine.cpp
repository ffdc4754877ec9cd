#include "fleet/machine.hpp"

#include "core/text.hpp"
#include "fleet/limits.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace rootstock::fleet {

namespace {

constexpr std::array<std::string_view, 3> mode_names = {"persistent", "reset", "maintenance"};
constexpr std::array<std::string_view, stage_count> stage_names = {
    "discover", "offer", "loader", "script", "login", "first_read", "os_login", "running"};
constexpr std::array<std::string_view, 5> outcome_names = {"in_progress", "running", "ended", "failed", "refused"};

constexpr std::size_t name_size_max = 63; // RFC 1123 section 2.1: one DNS label

template <class Enum, std::size_t count>
std::optional<Enum> parse_enum(const std::array<std::string_view, count>& names, std::string_view name) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) {
        return std::nullopt;
    }
    return static_cast<Enum>(at - names.begin());
}

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// [a-z0-9] at both ends, and between them also the characters of `inner`.
bool is_label(std::string_view name, std::string_view inner) {
    return !name.empty() && name.size() <= name_size_max && is_letter_or_digit(name.front()) &&
           is_letter_or_digit(name.back()) && std::all_of(name.begin(), name.end(), [inner](char c) {
               return is_letter_or_digit(c) || inner.find(c) != std::string_view::npos;
           });
}

} // namespace

std::string_view mode_name(Mode mode) { return mode_names.at(static_cast<std::size_t>(mode)); }
std::optional<Mode> parse_mode(std::string_view name) { return parse_enum<Mode>(mode_names, name); }

std::string_view stage_name(Stage stage) { return stage_names.at(static_cast<std::size_t>(stage)); }
std::optional<Stage> parse_stage(std::string_view name) { return parse_enum<Stage>(stage_names, name); }

std::string_view outcome_name(BootOutcome outcome) { return outcome_names.at(static_cast<std::size_t>(outcome)); }
std::optional<BootOutcome> parse_outcome(std::string_view name) { return parse_enum<BootOutcome>(outcome_names, name); }

bool is_valid_machine_name(std::string_view name) { return is_label(name, "-"); }
bool is_valid_store_name(std::string_view name) { return is_label(name, "-._"); }

std::optional<std::uint64_t> parse_quota(std::string_view text) {
    const auto bytes = text == "none" ? std::optional<std::uint64_t>(0) : parse_size(text);
    const bool is_none = bytes == 0 && text != "none"; // a quota of nothing is a mistake
    return is_none || bytes > std::numeric_limits<std::int64_t>::max() ? std::nullopt : bytes;
}

std::string plain_text(std::string_view text) {
    std::string plain(text.substr(0, text_bytes_max));
    std::replace_if(plain.begin(), plain.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return plain;
}

} // namespace rootstock::fleet
