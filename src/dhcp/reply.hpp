// What a reply contains, and where it goes (RFC 2131 sections 4.1 and 4.3). Pure; the decisions are the server's.
#pragma once

#include "dhcp/config.hpp"
#include "dhcp/message.hpp"

namespace rootstock::dhcp {

/// RFC 2131 section 4.1: how a reply reaches a client that may not have an address yet.
struct Destination {
    enum class Kind : std::uint8_t {
        unicast,   // plain UDP to `address`: a relay, or a client that has it
        hardware,  // `address` is not configured yet: a frame straight to `mac`
        broadcast, // 255.255.255.255
    };
    Kind kind = Kind::broadcast;
    Ipv4 address;
    std::uint16_t port = 0;
    Mac mac;
    bool operator==(const Destination&) const = default;
};

/// `request` as it came, `reply` as it will go; `source`: the IP source of the request, for an INFORM without ciaddr.
[[nodiscard]] Destination destination(const Message& request, const Message& reply, Ipv4 source);

/// The fields that table 3 copies, options 53 and 54, and those that are echoed: 61 (RFC 6842), 82 (RFC 3046), 97 (PXE 2.1).
[[nodiscard]] Message make_reply(const DhcpConfig& config, const Message& request, MessageType type);

/// Options 51, 58 and 59: renew at half of the time, rebind at seven eighths (section 4.4.5).
void add_lease_times(std::chrono::seconds lease, Message& reply);

/// Mask, router, servers, domain and host name: those that option 55 asks for, all when there is none.
void add_network_options(const DhcpConfig& config, const Message& request, const std::string& host_name, Message& reply);

/// Largest UDP payload that the client takes: option 57, clamped, without the IP and UDP headers.
[[nodiscard]] std::size_t reply_size_limit(const Message& request);

/// What the client may have: the shorter of its wish (option 51) and ours.
[[nodiscard]] std::chrono::seconds lease_time_for(const DhcpConfig& config, const Message& request);

/// Option 12 of the client, printable characters only and cut to a label.
[[nodiscard]] std::string client_host_name(const Message& request);

} // namespace rootstock::dhcp
