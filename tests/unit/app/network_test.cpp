// Where the server stands: which address it listens on, which range it leases.
#include "app/network.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::app;

namespace {
net::Interface interface(const char* name, const char* address, unsigned prefix, bool loopback = false) {
    net::Interface it;
    it.name = name;
    it.up = true;
    it.loopback = loopback;
    it.networks = {{*Ipv4::parse(address), prefix}};
    return it;
}

std::vector<net::Interface> two_interfaces() { return {interface("lo", "127.0.0.1", 8, true), interface("eth1", "10.20.0.1", 22)}; }
} // namespace

TEST_CASE("place: the interface that the configuration names", "[app][network]") {
    ServerConfig server;
    server.interface = "eth1";
    const auto placement = place(server, two_interfaces());
    REQUIRE(placement);
    CHECK(placement->bind_address == "10.20.0.1");
    CHECK(placement->address.text() == "10.20.0.1");
    CHECK(placement->network.prefix == 22);
}

TEST_CASE("place: without an interface all addresses, and PCs are told the first that they can reach", "[app][network]") {
    const auto placement = place(ServerConfig{}, two_interfaces());
    REQUIRE(placement);
    CHECK(placement->bind_address == "0.0.0.0");
    CHECK(placement->address.text() == "10.20.0.1");
}

TEST_CASE("place: an interface without an address is refused with the command that gives it one", "[app][network]") {
    ServerConfig server;
    server.interface = "eth2";
    auto interfaces = two_interfaces();
    interfaces.push_back(interface("eth2", "10.0.0.1", 8));
    interfaces.back().networks.clear();
    const auto placement = place(server, interfaces);
    REQUIRE_FALSE(placement);
    CHECK(placement.error().what == "interface eth2 has no IPv4 address: give it one, such as `ip address add 10.20.0.1/22 dev eth2`");
}

TEST_CASE("place: an interface that does not exist is refused", "[app][network]") {
    ServerConfig server;
    server.interface = "no-such-interface";
    CHECK_FALSE(place(server, two_interfaces()));
}

TEST_CASE("iscsi_config: one group for each portal; PCs must find theirs", "[app][network]") {
    const Placement placement{"10.20.0.1", *Ipv4::parse("10.20.0.1"), {*Ipv4::parse("10.20.0.1"), 22}};
    Config config;
    config.file = "r.toml";
    auto iscsi = iscsi_config(config, placement);
    REQUIRE(iscsi);
    REQUIRE(iscsi->portals.size() == 1);
    CHECK(iscsi->portals[0].address == "10.20.0.1");
    CHECK(iscsi->portals[0].port == 3260);
    CHECK(iscsi->portals[0].group_tag == 1);

    config.portals = {{"10.30.0.1", 3260}, {"fd00::1", 3260}};
    config.portals_line = 7;
    CHECK_THAT(iscsi_config(config, placement).error().what, Catch::StartsWith("r.toml:7: ") && Catch::Contains("add \"10.20.0.1:3260\""));
    config.dhcp.mode = DhcpMode::off;
    CHECK(iscsi_config(config, placement));
    config.dhcp.mode = DhcpMode::server;
    config.portals = {{"::", 3260}}; // no IPv4 address
    CHECK_FALSE(iscsi_config(config, placement));
    config.portals = {{"0.0.0.0", 3260}, {"::", 3260}};
    CHECK(iscsi_config(config, placement));
    config.portals = {{"10.30.0.1", 3260}, {"fd00::1", 3260}};
    config.portals.push_back({"10.20.0.1", 3260});
    config.iscsi_limits.connections = 9;
    iscsi = iscsi_config(config, placement);
    REQUIRE(iscsi);
    CHECK(iscsi->limits.connections == 9);
    REQUIRE(iscsi->portals.size() == 3);
    CHECK(iscsi->portals[1].address == "fd00::1");
    CHECK(iscsi->portals[1].group_tag == 2);
    CHECK(iscsi->portals[2].group_tag == 3);
}

TEST_CASE("http_addresses: as the file says; PCs must find theirs", "[app][network]") {
    const Placement placement{"10.20.0.1", *Ipv4::parse("10.20.0.1"), {*Ipv4::parse("10.20.0.1"), 22}};
    Config config;
    config.file = "r.toml";
    CHECK(*http_addresses(config, placement) == std::vector<std::string>{"10.20.0.1"});
    config.http_addresses = {"127.0.0.1", "::"};
    config.http_addresses_line = 5;
    CHECK_THAT(http_addresses(config, placement).error().what, Catch::StartsWith("r.toml:5: ") && Catch::Contains("add \"10.20.0.1\""));
    config.dhcp.mode = DhcpMode::off;
    CHECK(*http_addresses(config, placement) == config.http_addresses);
    config.dhcp.mode = DhcpMode::server;
    config.http_addresses.push_back("0.0.0.0");
    CHECK(http_addresses(config, placement));
}

TEST_CASE("dhcp_config: the range defaults to the upper half of the network", "[app][network]") {
    ServerConfig server;
    server.interface = "eth1";
    const auto placement = place(server, two_interfaces());
    REQUIRE(placement);
    Config config;
    config.server = server;
    const auto dhcp = dhcp_config(config, *placement);
    REQUIRE(dhcp);
    CHECK(dhcp->first.text() == "10.20.2.0");
    CHECK(dhcp->last.text() == "10.20.3.254");
}

TEST_CASE("dhcp_config: a range outside of the interface's network is refused, naming the file", "[app][network]") {
    ServerConfig server;
    server.interface = "eth1";
    const auto placement = place(server, two_interfaces());
    REQUIRE(placement);
    Config config;
    config.file = "rootstock.toml";
    config.server = server;
    config.dhcp.range = {{*Ipv4::parse("192.168.0.10"), *Ipv4::parse("192.168.0.20")}};
    const auto dhcp = dhcp_config(config, *placement);
    REQUIRE_FALSE(dhcp);
    CHECK(dhcp.error().what.find("rootstock.toml") == 0);
}

TEST_CASE("isns_identity: no two servers are the same, and portals are addresses that lead here", "[app][network][isns]") {
    const Placement placement{"0.0.0.0", *Ipv4::parse("10.20.0.1"), {*Ipv4::parse("10.20.0.1"), 22}};
    iscsi::ServiceConfig iscsi;
    iscsi.portals = {{"0.0.0.0", 3260, 1}, {"::", 3260, 2}, {"fd00::1", 3261, 3}};
    const isns::Identity identity = isns_identity(Config{}, placement, iscsi);
    CHECK(identity.entity == "rootstock.10.20.0.1");
    CHECK(identity.portals == std::vector<isns::Portal>{{*IpAddress::parse("10.20.0.1"), 3260, 1}, {*IpAddress::parse("fd00::1"), 3261, 3}});
}
