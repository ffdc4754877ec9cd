// What the process may do without being root: checked before a port or a raw link is opened, so that the error names the remedy.
#pragma once

#include "core/result.hpp"

#include <cstdint>

namespace rootstock::net {

/// CAP_NET_BIND_SERVICE, when `port` is one that the kernel reserves (net.ipv4.ip_unprivileged_port_start).
[[nodiscard]] Result<void> require_bind_capability(std::uint16_t port, const std::string& purpose);

/// CAP_NET_RAW: raw frames and raw ICMPv6 sockets.
[[nodiscard]] Result<void> require_raw_capability(const std::string& purpose);

} // namespace rootstock::net
