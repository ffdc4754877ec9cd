// Ethernet II + IPv4 + UDP, built and read (RFC 894, RFC 791, RFC 768). For answers to clients that have no address yet. Pure.
#pragma once

#include "core/bytes.hpp"
#include "core/ipv4.hpp"
#include "core/mac.hpp"

#include <optional>

namespace rootstock::dhcp {

struct FrameAddress {
    Mac mac;
    Ipv4 address;
    std::uint16_t port = 0;
};

/// A frame without FCS, both checksums filled in. `payload` fits an Ethernet frame (the encoder's limit sees to it).
[[nodiscard]] ByteVector build_udp_frame(const FrameAddress& from, const FrameAddress& to, Bytes payload);

struct UdpFrame {
    FrameAddress from;
    FrameAddress to;
    Bytes payload; // within the frame that was read
};

/// Nothing for anything but one whole IPv4 UDP datagram. Checksums are left to the kernel, which drops bad ones.
[[nodiscard]] std::optional<UdpFrame> read_udp_frame(Bytes frame);

} // namespace rootstock::dhcp
