#include "dhcp/config.hpp"

#include "dhcp/limits.hpp"

namespace rootstock::dhcp {

namespace {

Error invalid(const std::string& what) { return make_error(std::errc::invalid_argument, "dhcp: " + what); }

std::string text(const Ipv4Network& network) {
    return network.address.text() + "/" + std::to_string(network.prefix);
}

} // namespace

Result<void> check(const DhcpConfig& config) {
    const std::string range = config.first.text() + " to " + config.last.text();
    if (config.network.address.is_unspecified()) {
        return invalid("interface " + config.interface + " has no IPv4 address: give it one, for example with `ip address add 10.20.0.1/22 dev " +
                       config.interface + "`");
    }
    for (const Ipv4 end : {config.first, config.last}) {
        if (!config.network.contains(end)) {
            return invalid("the range " + range + " leaves the network of " + config.interface + ", " + text(config.network));
        }
    }
    if (config.first > config.last) {
        return invalid("the range " + range + " is turned round: the lower address comes first");
    }
    if (config.last.value - config.first.value >= pool_size_limit) {
        return invalid("the range " + range + " is larger than " + std::to_string(pool_size_limit) + " addresses");
    }
    if (config.router && !config.network.contains(*config.router)) {
        return invalid("the router " + config.router->text() + " is not in the network " + text(config.network));
    }
    if (config.lease_time < shortest_lease) {
        return invalid("a lease of less than " + std::to_string(shortest_lease.count()) + " seconds is too short");
    }
    return {};
}

} // namespace rootstock::dhcp
