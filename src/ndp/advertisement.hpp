// Router solicitations and our answer (RFC 4861 sections 4.1 and 4.2). Pure.
//
// iPXE waits 13 s for a router after its DHCP is done. An advertisement ends that at once, even one that says "no router here":
// router lifetime 0, no prefix, no flags. Nobody will ever send a packet through us because of it.
#pragma once

#include "core/bytes.hpp"
#include "core/mac.hpp"

#include <array>
#include <optional>

namespace rootstock::ndp {

using Ipv6 = std::array<std::uint8_t, 16>;

struct Solicitation {
    std::optional<Mac> source_mac; // option 1; never there when the source is unspecified
};

/// An ICMPv6 message that came from `source` with `hop_limit`. Nothing for anything but a valid router solicitation
/// (section 6.1.1): hop limit 255 proves that it was not forwarded. The kernel has checked the checksum.
[[nodiscard]] std::optional<Solicitation> decode_solicitation(Bytes message, const Ipv6& source, int hop_limit);

/// The checksum is left to the kernel, which fills it in for raw ICMPv6 sockets (RFC 3542 section 3.1).
[[nodiscard]] ByteVector encode_advertisement(const Mac& own_mac);

/// Unicast to who asked; to all nodes when it has no address yet (section 6.2.6).
[[nodiscard]] Ipv6 answer_address(const Ipv6& source);

inline constexpr Ipv6 all_nodes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
inline constexpr Ipv6 all_routers{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};

} // namespace rootstock::ndp
