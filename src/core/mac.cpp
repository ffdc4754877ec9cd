#include "core/mac.hpp"

#include "core/text.hpp"

namespace rootstock {

std::optional<Mac> Mac::parse(std::string_view text) {
    const bool separated = text.size() == 17;
    if (!separated && text.size() != 12) {
        return std::nullopt;
    }
    Mac mac;
    for (std::size_t i = 0; i < 6; ++i) {
        const std::size_t at = i * (separated ? 3 : 2);
        const auto octet = parse_hex<std::uint8_t>(text.substr(at, 2));
        if (!octet || (separated && i > 0 && (text[at - 1] != text[2] || (text[2] != ':' && text[2] != '-')))) {
            return std::nullopt;
        }
        mac.octets[i] = *octet;
    }
    return mac;
}

std::string Mac::text() const {
    std::string out;
    for (std::uint8_t octet : octets) {
        if (!out.empty()) {
            out += ':';
        }
        out += hex(Bytes(&octet, 1));
    }
    return out;
}

bool Mac::is_station() const { return *this != Mac{} && (octets[0] & 1U) == 0; }

} // namespace rootstock
