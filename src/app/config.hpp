// rootstock.toml as values: parsed, checked, with defaults filled in. Every error names file, line, column, what was expected and an example.
#pragma once

#include "core/ip_address.hpp"
#include "core/result.hpp"
#include "fleet/registry.hpp"
#include "images/volume.hpp"
#include "iscsi/limits.hpp"

namespace rootstock::app {

struct ServerConfig {
    std::string interface;                       // required for dhcp mode "server"
    std::string data = "/var/lib/rootstock";
    std::string name = "rootstock";
    std::string loaders;                         // folder that overrides the embedded loaders; empty: none
    std::chrono::seconds verify = std::chrono::days(7); // how often each master is verified; 0: never ("off")
};

enum class DhcpMode : std::uint8_t { server, proxy, off };

struct DhcpSection {
    DhcpMode mode = DhcpMode::server;
    std::optional<std::pair<Ipv4, Ipv4>> range;  // default: the upper half of the interface's network
    std::optional<Ipv4> router;
    std::vector<Ipv4> dns;
    std::string domain;
    std::chrono::seconds lease{std::chrono::hours(12)}; // "12h"
};

struct ImageEntry {
    std::string name;
    bool warm = false;                           // what its current version boots with is kept in memory
};

struct MachineEntry {
    fleet::NewMachine machine;
    int line = 0;                                // of its [[machine]]
};

struct VolumeEntry {
    std::string name;
    std::uint64_t size_bytes = 0;                // "10G"; 0: a CD-ROM, which has the size of its ISO image
    std::vector<std::string> initiators;
    int line = 0;
    images::VolumeOptions options = {};          // chap, mutual_chap, read_only, volatile, block_size, iso, moved_to
};

struct GroupEntry {
    std::string name;
    std::uint64_t quota_bytes = 0;
};

struct PortalEntry {
    std::string address;                         // "10.20.0.1", "fd00::1", "0.0.0.0", "::"
    std::uint16_t port = 0;
    bool operator==(const PortalEntry&) const = default;
};

enum class UnknownAction : std::uint8_t { wait, local_disk, ignore, image };

struct Config {
    ServerConfig server;
    DhcpSection dhcp;
    std::uint16_t http_port = 8080;
    std::vector<std::string> http_addresses;     // empty: the interface's address
    int http_addresses_line = 0;
    std::uint16_t iscsi_port = 3260;
    std::string iqn_prefix = "iqn.2026-01.internal.rootstock";
    std::vector<PortalEntry> portals;            // [iscsi] portals; empty: the interface's address and iscsi_port
    int portals_line = 0;
    images::ChapIdentity discovery_chap;         // [iscsi] discovery_chap and discovery_mutual_chap
    images::ChapIdentity discovery_mutual_chap;
    std::optional<IpEndpoint> isns_server;       // [isns] server; none: no iSNS
    iscsi::Limits iscsi_limits;                  // [limits] iscsi_*
    std::optional<std::uint64_t> volatile_bytes; // [limits] volatile_memory; default: a quarter of the host's memory
    std::uint64_t machine_quota = 0;             // [quota] machine: of each that has none of its own; 0: none
    std::uint64_t store_quota = 0;               // [quota] store: of everything in the data directory's images, overlays and volumes
    std::vector<GroupEntry> groups;
    bool always_chain = false;                   // [boot] chain = "always"
    std::vector<ImageEntry> images;
    std::vector<MachineEntry> machines;
    std::vector<VolumeEntry> volumes;
    UnknownAction unknown = UnknownAction::wait;
    std::string unknown_image;                   // for "image:<name>"
    int range_line = 0;                          // of [dhcp] range and router, for messages
    int router_line = 0;
    std::string file;                            // where it came from, for messages
};

/// All problems of the file at once, one line each ("rootstock.toml:7:3: ..."). Pure; `file_name` is for the messages.
[[nodiscard]] Result<Config, std::vector<std::string>> parse_config(std::string_view text, const std::string& file_name);
/// Reads and parses.
[[nodiscard]] Result<Config, std::vector<std::string>> load_config(const std::string& path);
/// What does not fit the network that we stand in: range, router and machines outside of it, or at our own address. One line each.
[[nodiscard]] std::vector<std::string> check_network(const Config& config, const Ipv4Network& network);

} // namespace rootstock::app
