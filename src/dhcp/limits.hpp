// Every bound of the DHCP server that a client could try to exceed.
#pragma once

#include <chrono>
#include <cstddef>

namespace rootstock::dhcp {

/// Shortest message: BOOTP clients and relays drop what is smaller (RFC 1542 section 2.1).
inline constexpr std::size_t bootp_minimum_size = 300;
/// Option 57 counts the IP and UDP headers as well. Every client takes 576 (RFC 2131 section 2); EDK2 asks for 65280.
inline constexpr std::size_t smallest_maximum_message = 576;
inline constexpr std::size_t largest_maximum_message = 1472;
inline constexpr std::size_t ip_udp_header_size = 28;

/// A range may hold so many addresses; bounds all memory that the pool can take.
inline constexpr std::size_t pool_size_limit = 65536;
/// An address is kept this long for a client that was offered it. EDK2 takes 4 s to answer, iPXE up to 3 s.
inline constexpr std::chrono::seconds offer_hold{10};
/// A declined address rests; when nothing else is left it is tried again earlier.
inline constexpr std::chrono::minutes decline_rest{15};
inline constexpr std::chrono::seconds shortest_lease{120};

inline constexpr std::size_t host_name_limit = 63;
inline constexpr std::size_t vendor_class_limit = 255;

/// Replies that may wait for one save of leases. What comes on top is dropped: the client repeats itself.
inline constexpr std::size_t pending_replies_limit = 8192;
/// Frames of other servers that are read before our own clients have their turn again.
inline constexpr std::size_t foreign_frames_limit = 256;
/// Other servers on the link that are remembered, and how often each is reported.
inline constexpr std::size_t other_servers_limit = 32;
inline constexpr std::chrono::minutes report_interval{10};

} // namespace rootstock::dhcp
