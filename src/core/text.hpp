// Small string tools: trimming, splitting, numbers, hexadecimal, sizes, nearest word.
#pragma once

#include "core/bytes.hpp"

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rootstock {

[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
[[nodiscard]] std::string to_lower(std::string_view text); // ASCII only
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// Lower-case hexadecimal, two digits a byte.
[[nodiscard]] std::string hex(Bytes bytes);

/// The whole of `text` as a number; nothing when there is anything else in it or it does not fit.
template <std::integral T> [[nodiscard]] std::optional<T> parse_number(std::string_view text, int base = 10) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}
template <std::integral T> [[nodiscard]] std::optional<T> parse_hex(std::string_view text) {
    return parse_number<T>(text, 16);
}

/// "512", "20K", "1G", "1.5T" (binary multiples; an ending B or iB is allowed) in bytes.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
/// 1536 -> "1.5 KiB".
[[nodiscard]] std::string format_size(std::uint64_t size_bytes);

/// The word of `candidates` that is nearest to `word` by edit distance, if any is near enough to be meant.
[[nodiscard]] std::optional<std::string> nearest_word(std::string_view word, const std::vector<std::string>& candidates);

} // namespace rootstock
