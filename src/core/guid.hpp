// A GUID as Microsoft stores it: the first three fields little-endian ([MS-DTYP] 2.3.4.2). Also how SMBIOS and DHCP option 97 carry it.
#pragma once

#include "core/bytes.hpp"

#include <array>
#include <compare>
#include <optional>

namespace rootstock {

class Random;

struct Guid {
    std::array<std::uint8_t, 16> bytes{}; // as on disk

    auto operator<=>(const Guid&) const = default;
    [[nodiscard]] bool is_nil() const { return *this == Guid{}; }

    /// Accepts 8-4-4-4-12 hexadecimal digits, with or without braces.
    [[nodiscard]] static std::optional<Guid> parse(std::string_view text);
    /// A random (version 4) GUID.
    [[nodiscard]] static Guid random(Random& random);
    /// Lower case, no braces.
    [[nodiscard]] std::string text() const;
};
static_assert(sizeof(Guid) == 16);

} // namespace rootstock
