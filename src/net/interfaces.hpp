// The network interfaces of this host: index, hardware address, IPv4 networks.
#pragma once

#include "core/ipv4.hpp"
#include "core/mac.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace rootstock::net {

struct Interface {
    std::string name;
    unsigned index = 0;
    Mac mac;
    bool up = false;
    bool loopback = false;
    std::vector<Ipv4Network> networks; // in the kernel's order: the first is the primary one
};

[[nodiscard]] Result<std::vector<Interface>> list_interfaces();

/// The interface `name`; the error suggests the nearest name and lists the others with their addresses.
[[nodiscard]] Result<Interface> find_interface(const std::string& name);

} // namespace rootstock::net
