// Where the server stands on the network: derived from the configuration and the interface, checked before any port is opened.
#pragma once

#include "app/config.hpp"
#include "dhcp/config.hpp"
#include "iscsi/service.hpp"
#include "isns/registrant.hpp"
#include "net/interfaces.hpp"

namespace rootstock::app {

struct Placement {
    std::string bind_address;   // what HTTP, TFTP and iSCSI listen on, unless the configuration names others: the interface's address, or all without an interface
    Ipv4 address;               // what PCs are told
    Ipv4Network network;        // of `address`
};

/// The interface of the configuration (its first IPv4 address). Without one: all addresses, and the first that is not loopback for PCs.
[[nodiscard]] Result<Placement> place(const ServerConfig& server, const std::vector<net::Interface>& interfaces);

/// Where HTTP listens. Refused: PCs that boot would not find their script there.
[[nodiscard]] Result<std::vector<std::string>> http_addresses(const Config& config, const Placement& placement);

/// Where iSCSI listens; each portal is a group of its own, numbered by its place in the file. Refused: PCs that boot would not find their disk there.
[[nodiscard]] Result<iscsi::ServiceConfig> iscsi_config(const Config& config, const Placement& placement);

/// Who we are for an iSNS server: [server] name and the address that PCs are told, which no other server has, and the portals of `iscsi`. A portal on
/// all addresses of a version is registered as that one address, or not at all when it has another version.
[[nodiscard]] isns::Identity isns_identity(const Config& config, const Placement& placement, const iscsi::ServiceConfig& iscsi);

/// [dhcp] with its defaults: the range is the upper half of the network, without our own address and the broadcast address.
[[nodiscard]] Result<dhcp::DhcpConfig> dhcp_config(const Config& config, const Placement& placement);

} // namespace rootstock::app
