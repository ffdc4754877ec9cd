// An IP address of either version, and a range of them: for what comes over TCP. DHCP and the fleet know IPv4 alone (ipv4.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rootstock {

struct IpAddress {
    bool is_v6 = false;
    std::array<std::uint8_t, 16> bytes{}; // network order; of IPv4 the first four

    /// "10.20.0.7", "fd00::7", "fe80::7%eth1" (the zone does not count).
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] unsigned bits() const { return is_v6 ? 128 : 32; }
    bool operator==(const IpAddress&) const = default;
};

struct IpPrefix {
    IpAddress address; // its bits behind the length are zero
    unsigned length = 0;

    /// "10.20.0.0/16", "fd00::/64", or a single address.
    [[nodiscard]] static std::optional<IpPrefix> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress& other) const;
};

struct IpEndpoint {
    IpAddress address;
    std::uint16_t port = 0;

    /// "10.20.0.1", "10.20.0.1:3260", "[fd00::1]", "[fd00::1]:3260"; without a port `otherwise`. A port is never 0.
    [[nodiscard]] static std::optional<IpEndpoint> parse(std::string_view text, std::uint16_t otherwise);
    [[nodiscard]] std::string text() const;
    bool operator==(const IpEndpoint&) const = default;
};

} // namespace rootstock
