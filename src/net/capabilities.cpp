#include "net/capabilities.hpp"

#include "core/text.hpp"

#include <fstream>

#include <linux/capability.h>

namespace rootstock::net {

namespace {

/// The effective set of this thread (proc(5): CapEff, hexadecimal).
bool has_capability(unsigned capability) {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line)) {
        if (line.starts_with("CapEff:")) {
            const auto mask = parse_hex<std::uint64_t>(trim(std::string_view(line).substr(7)));
            return mask && (*mask >> capability & 1U) != 0;
        }
    }
    return true; // no /proc: let the system call decide
}

std::uint16_t first_unprivileged_port() {
    std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    unsigned port = 0;
    return file >> port ? static_cast<std::uint16_t>(port) : std::uint16_t{1024};
}

Error missing_capability(const std::string& capability, const std::string& purpose) {
    return make_error(std::errc::operation_not_permitted,
                      purpose + " needs " + capability + ": run as root, or give it to the program with `setcap 'cap_net_bind_service,"
                                "cap_net_raw=+ep' /usr/bin/rootstock`, or in its systemd unit with "
                                "`AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW`");
}

} // namespace

Result<void> require_bind_capability(std::uint16_t port, const std::string& purpose) {
    if (port == 0 || port >= first_unprivileged_port() || has_capability(CAP_NET_BIND_SERVICE)) {
        return {};
    }
    return missing_capability("CAP_NET_BIND_SERVICE", purpose + " on port " + std::to_string(port));
}

Result<void> require_raw_capability(const std::string& purpose) {
    if (has_capability(CAP_NET_RAW)) {
        return {};
    }
    return missing_capability("CAP_NET_RAW", purpose);
}

} // namespace rootstock::net
