// What the DHCP server is told to do on its one interface.
#pragma once

#include "core/ipv4.hpp"
#include "core/result.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace rootstock::dhcp {

struct DhcpConfig {
    std::string interface;         // "eth1"
    Ipv4Network network;           // our own address on it, and the prefix
    Ipv4 first;                    // the range that we lease, both ends included
    Ipv4 last;
    std::optional<Ipv4> router;    // option 3; none: clients get no default route
    std::vector<Ipv4> dns;         // option 6
    std::string domain;            // option 15
    std::string server_name;       // `sname`; cut to its 63 bytes
    std::chrono::seconds lease_time{std::chrono::hours(24)};
};

/// The range lies in the network, is not turned round and not too large for the pool; the lease is not absurdly short.
[[nodiscard]] Result<void> check(const DhcpConfig& config);

} // namespace rootstock::dhcp
