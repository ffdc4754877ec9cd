// An IPv4 address in host order, and a network with its prefix length.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rootstock {

struct Ipv4 {
    std::uint32_t value = 0; // host byte order

    auto operator<=>(const Ipv4&) const = default;
    [[nodiscard]] bool is_unspecified() const { return value == 0; }

    [[nodiscard]] static std::optional<Ipv4> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
};

struct Ipv4Network {
    Ipv4 address;          // the host's own address, not masked
    unsigned prefix = 0;   // 0 .. 32

    [[nodiscard]] Ipv4 mask() const { return {prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix)}; }
    [[nodiscard]] Ipv4 broadcast() const { return {address.value | ~mask().value}; }
    [[nodiscard]] bool contains(Ipv4 other) const { return ((address.value ^ other.value) & mask().value) == 0; }
};

} // namespace rootstock

template <> struct std::hash<rootstock::Ipv4> {
    std::size_t operator()(rootstock::Ipv4 address) const noexcept { return std::hash<std::uint32_t>{}(address.value); }
};
