#include "core/unicode.hpp"

namespace rootstock {

namespace {

/// Takes one code point off the front of `text`.
std::optional<char32_t> take_utf8(std::string_view& text) {
    const auto lead = static_cast<std::uint8_t>(text.front());
    const std::size_t size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || text.size() < size) {
        return std::nullopt;
    }
    char32_t point = size == 1 ? lead : lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        const auto next = static_cast<std::uint8_t>(text[i]);
        if ((next & 0xc0U) != 0x80) {
            return std::nullopt;
        }
        point = point << 6U | (next & 0x3fU);
    }
    if (point < smallest[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
        return std::nullopt;
    }
    text.remove_prefix(size);
    return point;
}

void append_unit(ByteVector& out, std::uint32_t unit) {
    out.push_back(static_cast<std::uint8_t>(unit));
    out.push_back(static_cast<std::uint8_t>(unit >> 8U));
}

void append_utf8(std::string& out, char32_t point) {
    if (point < 0x80) {
        out += static_cast<char>(point);
    } else if (point < 0x800) {
        out += static_cast<char>(0xc0U | point >> 6U);
        out += static_cast<char>(0x80U | (point & 0x3fU));
    } else if (point < 0x10000) {
        out += static_cast<char>(0xe0U | point >> 12U);
        out += static_cast<char>(0x80U | (point >> 6U & 0x3fU));
        out += static_cast<char>(0x80U | (point & 0x3fU));
    } else {
        out += static_cast<char>(0xf0U | point >> 18U);
        out += static_cast<char>(0x80U | (point >> 12U & 0x3fU));
        out += static_cast<char>(0x80U | (point >> 6U & 0x3fU));
        out += static_cast<char>(0x80U | (point & 0x3fU));
    }
}

} // namespace

std::optional<ByteVector> utf16le_from_utf8(std::string_view text) {
    ByteVector out;
    while (!text.empty()) {
        const auto point = take_utf8(text);
        if (!point) {
            return std::nullopt;
        }
        if (*point < 0x10000) {
            append_unit(out, *point);
        } else {
            append_unit(out, 0xd800 + ((*point - 0x10000) >> 10U));
            append_unit(out, 0xdc00 + ((*point - 0x10000) & 0x3ffU));
        }
    }
    return out;
}

std::optional<std::string> utf8_from_utf16le(Bytes bytes) {
    if (bytes.size() % 2 != 0) {
        return std::nullopt;
    }
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        char32_t unit = bytes[i] | static_cast<char32_t>(bytes[i + 1]) << 8U;
        if (unit >= 0xdc00 && unit < 0xe000) {
            return std::nullopt;
        }
        if (unit >= 0xd800 && unit < 0xdc00) {
            if (i + 3 >= bytes.size()) {
                return std::nullopt;
            }
            const char32_t low = bytes[i + 2] | static_cast<char32_t>(bytes[i + 3]) << 8U;
            if (low < 0xdc00 || low >= 0xe000) {
                return std::nullopt;
            }
            unit = 0x10000 + ((unit - 0xd800) << 10U) + (low - 0xdc00);
            i += 2;
        }
        append_utf8(out, unit);
    }
    return out;
}

} // namespace rootstock
