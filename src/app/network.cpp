#include "app/network.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace rootstock::app {

namespace {

Result<Placement> place_on(const net::Interface& interface) {
    if (interface.networks.empty()) {
        return make_error(std::errc::address_not_available, "interface " + interface.name +
                                                                " has no IPv4 address: give it one, such as `ip address add 10.20.0.1/22 dev " +
                                                                interface.name + "`");
    }
    const Ipv4Network& network = interface.networks.front();
    return Placement{network.address.text(), network.address, network};
}

/// Whether who listens on `address` (an IPv4 address, or one of IPv6) is found at the one that PCs are told.
bool is_where_pcs_look(const std::string& address, const Placement& placement) {
    return address == placement.address.text() || address == "0.0.0.0";
}

Error not_where_pcs_look(const Config& config, int line, const std::string& key, const std::string& what, const std::string& wanted) {
    return make_error(std::errc::invalid_argument, config.file + ":" + std::to_string(line) + ": " + key + ": PCs look for their " + what + " at " + wanted +
                                                       ", which is not among them: add \"" + wanted + "\"");
}

} // namespace

Result<Placement> place(const ServerConfig& server, const std::vector<net::Interface>& interfaces) {
    if (!server.interface.empty()) {
        const auto named = std::find_if(interfaces.begin(), interfaces.end(), [&](const net::Interface& it) { return it.name == server.interface; });
        if (named == interfaces.end()) {
            return net::find_interface(server.interface).error(); // says which ones there are
        }
        return place_on(*named);
    }
    Placement everywhere{"0.0.0.0", *Ipv4::parse("127.0.0.1"), {*Ipv4::parse("127.0.0.1"), 8}};
    for (const net::Interface& interface : interfaces) {
        if (interface.up && !interface.loopback && !interface.networks.empty()) {
            everywhere.network = interface.networks.front();
            everywhere.address = everywhere.network.address;
            break;
        }
    }
    return everywhere;
}

Result<std::vector<std::string>> http_addresses(const Config& config, const Placement& placement) {
    const std::vector<std::string>& addresses = config.http_addresses;
    if (addresses.empty()) {
        return std::vector{placement.bind_address};
    }
    const bool found = std::any_of(addresses.begin(), addresses.end(), [&](const std::string& address) { return is_where_pcs_look(address, placement); });
    if (!found && config.dhcp.mode != DhcpMode::off) {
        return not_where_pcs_look(config, config.http_addresses_line, "[http] addresses", "script", placement.address.text());
    }
    return addresses;
}

Result<iscsi::ServiceConfig> iscsi_config(const Config& config, const Placement& placement) {
    iscsi::ServiceConfig iscsi;
    iscsi.limits = config.iscsi_limits;
    iscsi.portals.clear();
    bool found_by_pcs = config.portals.empty() || config.dhcp.mode == DhcpMode::off;
    for (const PortalEntry& portal : config.portals) {
        const auto tag = static_cast<std::uint16_t>(iscsi.portals.size() + 1);
        iscsi.portals.push_back({portal.address, portal.port, tag});
        found_by_pcs = found_by_pcs || (is_where_pcs_look(portal.address, placement) && portal.port == config.iscsi_port);
    }
    if (!found_by_pcs) {
        return not_where_pcs_look(config, config.portals_line, "[iscsi] portals", "disk",
                                  placement.address.text() + ":" + std::to_string(config.iscsi_port));
    }
    if (iscsi.portals.empty()) {
        iscsi.portals = {{placement.bind_address, config.iscsi_port, 1}};
    }
    return iscsi;
}

isns::Identity isns_identity(const Config& config, const Placement& placement, const iscsi::ServiceConfig& iscsi) {
    const std::string own = placement.address.text();
    isns::Identity identity{config.server.name + "." + own, {}};
    for (const iscsi::ServiceConfig::Portal& portal : iscsi.portals) {
        const auto address = IpAddress::parse(portal.address == "0.0.0.0" ? own : portal.address);
        if (address && *address != IpAddress{.is_v6 = true, .bytes = {}}) {
            identity.portals.push_back({*address, portal.port, portal.group_tag});
        }
    }
    return identity;
}

Result<dhcp::DhcpConfig> dhcp_config(const Config& config, const Placement& placement) {
    const Ipv4Network& network = placement.network;
    if (const auto problems = check_network(config, network); !problems.empty()) {
        return make_error(std::errc::invalid_argument, join(problems, "\n"));
    }
    dhcp::DhcpConfig dhcp;
    dhcp.interface = config.server.interface;
    dhcp.network = network;
    if (config.dhcp.range) {
        dhcp.first = config.dhcp.range->first;
        dhcp.last = config.dhcp.range->second;
    } else {
        const std::uint32_t half = ~network.mask().value / 2 + 1;
        dhcp.first = {(network.address.value & network.mask().value) + half};
        dhcp.last = {network.broadcast().value - 1};
    }
    dhcp.router = config.dhcp.router;
    dhcp.dns = config.dhcp.dns;
    dhcp.domain = config.dhcp.domain;
    dhcp.server_name = config.server.name;
    dhcp.lease_time = config.dhcp.lease;
    if (const auto checked = dhcp::check(dhcp); !checked) {
        return make_error(std::errc::invalid_argument, config.file + ": [dhcp] " + checked.error().what);
    }
    return dhcp;
}

} // namespace rootstock::app
