#include "core/guid.hpp"

#include "core/random.hpp"
#include "core/text.hpp"

namespace rootstock {

namespace {
// Where the n-th byte of the text form lies on disk.
constexpr std::array<std::size_t, 16> text_order = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
bool dash_before(std::size_t i) { return i == 4 || i == 6 || i == 8 || i == 10; }
} // namespace

std::optional<Guid> Guid::parse(std::string_view text) {
    if (text.size() == 38 && text.front() == '{' && text.back() == '}') {
        text = text.substr(1, 36);
    }
    if (text.size() != 36) {
        return std::nullopt;
    }
    Guid guid;
    for (std::size_t i = 0; i < 16; ++i) {
        if (dash_before(i)) {
            if (text.front() != '-') {
                return std::nullopt;
            }
            text.remove_prefix(1);
        }
        const auto byte = parse_hex<std::uint8_t>(text.substr(0, 2));
        if (!byte) {
            return std::nullopt;
        }
        guid.bytes[text_order[i]] = *byte;
        text.remove_prefix(2);
    }
    return guid;
}

Guid Guid::random(Random& random) {
    Guid guid;
    random.fill(guid.bytes);
    guid.bytes[7] = static_cast<std::uint8_t>((guid.bytes[7] & 0x0fU) | 0x40U);
    guid.bytes[8] = static_cast<std::uint8_t>((guid.bytes[8] & 0x3fU) | 0x80U);
    return guid;
}

std::string Guid::text() const {
    std::string out;
    for (std::size_t i = 0; i < 16; ++i) {
        if (dash_before(i)) {
            out += '-';
        }
        out += hex(Bytes(&bytes[text_order[i]], 1));
    }
    return out;
}

} // namespace rootstock
