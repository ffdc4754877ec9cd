// Every bound of the TFTP server that a client could try to exceed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rootstock::tftp {

inline constexpr std::size_t transfers_limit = 1024;
/// A booting machine has one transfer, seldom two; behind one address there may be a whole room (NAT).
inline constexpr std::size_t transfers_per_client_limit = 320;

/// Options of one request that are looked at; a request is at most 512 bytes (RFC 2347).
inline constexpr std::size_t request_size_limit = 512;
inline constexpr std::size_t options_limit = 16;

/// RFC 2348: 8 to 65464 octets.
inline constexpr std::uint32_t block_size_default = 512;
inline constexpr std::uint32_t block_size_minimum = 8;
inline constexpr std::uint32_t block_size_maximum = 65464;
/// RFC 7440 allows 65535. More than this gains nothing on a LAN and only makes a loss dearer.
inline constexpr std::uint32_t window_size_maximum = 64;
/// RFC 2349: 1 to 255 seconds.
inline constexpr std::uint32_t timeout_minimum_s = 1;
inline constexpr std::uint32_t timeout_maximum_s = 255;

/// Retransmission when the client names no timeout: from the measured round trip, within these, doubled each time.
inline constexpr std::chrono::milliseconds retransmit_initial{1000};
inline constexpr std::chrono::milliseconds retransmit_minimum{200};
inline constexpr std::chrono::milliseconds retransmit_maximum{8000};
/// Silence after so many repetitions ends the transfer.
inline constexpr unsigned retransmissions_limit = 6;

} // namespace rootstock::tftp
