// Every bound of the edges that a peer, or too much work, could try to exceed.
#pragma once

#include <chrono>
#include <cstddef>

namespace rootstock::net {

/// Jobs that may wait for an offload thread. A full queue refuses: the caller sheds or stops reading.
inline constexpr std::size_t offload_queue_limit = 16384;
inline constexpr unsigned offload_threads_default = 4;

inline constexpr int listen_backlog = 1024;
/// How long the acceptor rests when the process has no descriptor left.
inline constexpr std::chrono::milliseconds accept_pause{100};

/// Datagrams of one receive or send call.
inline constexpr std::size_t udp_batch_size = 32;
/// No DHCP or TFTP packet that we accept is longer; what is, arrives cut and is dropped by its decoder.
inline constexpr std::size_t udp_receive_size = 2048;
inline constexpr int udp_buffer_bytes = 4 << 20;

inline constexpr int raw_link_snap_length = 2048;

} // namespace rootstock::net
