#include "iscsi/text.hpp"

#include "core/text.hpp"
#include "iscsi/limits.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {

bool is_key_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' ||
           c == '@' || c == '_' || c == '/' || c == '#';
}

bool is_key(std::string_view key) {
    return !key.empty() && key.size() <= limits::key_name && std::all_of(key.begin(), key.end(), is_key_character);
}

int base64_value(char c) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto at = alphabet.find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::optional<ByteVector> parse_hex_digits(std::string_view digits) {
    ByteVector bytes;
    std::size_t i = 0;
    if (digits.size() % 2 != 0) { // a leading zero may be left out
        const int low = hex_value(digits[0]);
        if (low < 0) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<std::uint8_t>(low));
        i = 1;
    }
    for (; i < digits.size(); i += 2) {
        const int high = hex_value(digits[i]);
        const int low = hex_value(digits[i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
    }
    return bytes;
}

std::optional<ByteVector> parse_base64(std::string_view digits) {
    while (digits.ends_with('=')) {
        digits.remove_suffix(1);
    }
    ByteVector bytes;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : digits) {
        const int value = base64_value(c);
        if (value < 0) {
            return std::nullopt;
        }
        bits = (bits << 6U) | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes.push_back(static_cast<std::uint8_t>(bits >> count));
        }
    }
    return bytes;
}

} // namespace

Result<std::vector<KeyValue>, TextError> parse_text(std::string_view text) {
    std::vector<KeyValue> pairs;
    while (!text.empty()) {
        const auto end = text.find('\0');
        if (end == std::string_view::npos) {
            return TextError::not_terminated;
        }
        const std::string_view pair = text.substr(0, end);
        text.remove_prefix(end + 1);
        if (pair.empty()) {
            continue;
        }
        const auto separator = pair.find('=');
        if (separator == std::string_view::npos) {
            return TextError::missing_separator;
        }
        const KeyValue entry{pair.substr(0, separator), pair.substr(separator + 1)};
        if (!is_key(entry.key)) {
            return TextError::bad_key;
        }
        if (entry.value.size() > limits::key_value) {
            return TextError::value_too_long;
        }
        if (pairs.size() == limits::keys_per_request) {
            return TextError::too_many_keys;
        }
        pairs.push_back(entry);
    }
    return pairs;
}

void TextWriter::add(std::string_view key, std::string_view value) {
    text_.append(key).append(1, '=').append(value).append(1, '\0');
}

void TextWriter::add(std::string_view key, std::uint32_t value) { add(key, std::to_string(value)); }

std::optional<ByteVector> parse_binary(std::string_view value, std::size_t limit) {
    if (value.size() < 3 || value[0] != '0') {
        return std::nullopt;
    }
    const char form = value[1];
    const std::string_view digits = value.substr(2);
    std::optional<ByteVector> bytes;
    if (form == 'x' || form == 'X') {
        bytes = parse_hex_digits(digits);
    } else if (form == 'b' || form == 'B') {
        bytes = parse_base64(digits);
    }
    if (bytes && bytes->size() > limit) {
        return std::nullopt;
    }
    return bytes;
}

std::string format_binary(Bytes value) { return "0x" + hex(value); }

std::optional<std::uint64_t> parse_numeric(std::string_view value) {
    if (value.starts_with("0x") || value.starts_with("0X")) {
        return parse_hex<std::uint64_t>(value.substr(2));
    }
    return parse_number<std::uint64_t>(value);
}

std::optional<std::string> normalise_name(std::string_view name) {
    const auto is_printable = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; };
    if (name.size() > limits::iscsi_name || !std::all_of(name.begin(), name.end(), is_printable)) {
        return std::nullopt;
    }
    std::string lower = to_lower(name);
    for (const std::string_view prefix : {"iqn.", "eui.", "naa."}) {
        if (lower.starts_with(prefix) && lower.size() > prefix.size()) {
            return lower;
        }
    }
    return std::nullopt;
}

} // namespace rootstock::iscsi
