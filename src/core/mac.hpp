// An Ethernet hardware address.
#pragma once

#include "core/bytes.hpp"

#include <array>
#include <compare>
#include <optional>

namespace rootstock {

struct Mac {
    std::array<std::uint8_t, 6> octets{};

    auto operator<=>(const Mac&) const = default;

    /// Accepts 52:54:00:aa:00:07, 52-54-00-AA-00-07 and 525400aa0007.
    [[nodiscard]] static std::optional<Mac> parse(std::string_view text);
    /// Lower case with colons: the one normalised form, also in the database.
    [[nodiscard]] std::string text() const;
    /// False for multicast, broadcast and all zero: none of these can belong to a machine.
    [[nodiscard]] bool is_station() const;
};

} // namespace rootstock

template <> struct std::hash<rootstock::Mac> {
    std::size_t operator()(const rootstock::Mac& mac) const noexcept {
        std::uint64_t value = 0;
        std::memcpy(&value, mac.octets.data(), mac.octets.size());
        return std::hash<std::uint64_t>{}(value);
    }
};
