// Every bound of HTTP that a peer could try to exceed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rootstock::http {

inline constexpr std::uint32_t header_bytes_max = 16 * 1024;
inline constexpr std::uint64_t body_bytes_max = 64 * 1024;
inline constexpr std::size_t query_values_max = 32;

inline constexpr std::size_t connections_max = 2048;
/// A PC that boots opens one, a browser six; behind an address translator there may be a whole room.
inline constexpr std::size_t connections_per_address_max = 320;
inline constexpr std::size_t requests_per_connection_max = 10000;

/// From the first byte of a request to its last, however slowly they come (slow loris).
inline constexpr std::chrono::seconds request_time_max{20};
/// Between two requests of a connection.
inline constexpr std::chrono::seconds keep_alive_max{30};
/// To take an answer: this, and a second for every so many bytes.
inline constexpr std::chrono::seconds write_time_min{30};
inline constexpr std::size_t write_bytes_per_second = 8 * 1024;

inline constexpr std::size_t read_buffer_bytes = 4096;

} // namespace rootstock::http
