#include "net/interfaces.hpp"

#include "core/text.hpp"
#include "core/wire_int.hpp"

#include <algorithm>
#include <bit>
#include <memory>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>

namespace rootstock::net {

namespace {

template <class Address> Address copy_address(const sockaddr* from) {
    Address address{};
    std::memcpy(&address, from, sizeof(address));
    return address;
}

Ipv4 to_ipv4(const sockaddr* from) { return {ntohl(copy_address<sockaddr_in>(from).sin_addr.s_addr)}; }

Interface& entry_for(std::vector<Interface>& list, const ifaddrs& item) {
    const auto known = std::find_if(list.begin(), list.end(), [&](const Interface& i) { return i.name == item.ifa_name; });
    if (known != list.end()) {
        return *known;
    }
    Interface fresh;
    fresh.name = item.ifa_name;
    fresh.index = ::if_nametoindex(item.ifa_name);
    fresh.up = (item.ifa_flags & IFF_UP) != 0;
    fresh.loopback = (item.ifa_flags & IFF_LOOPBACK) != 0;
    return list.emplace_back(std::move(fresh));
}

void add_address(Interface& interface, const ifaddrs& item) {
    if (item.ifa_addr->sa_family == AF_PACKET) {
        const auto link = copy_address<sockaddr_ll>(item.ifa_addr);
        if (link.sll_halen == interface.mac.octets.size()) {
            std::memcpy(interface.mac.octets.data(), link.sll_addr, interface.mac.octets.size());
        }
    } else if (item.ifa_addr->sa_family == AF_INET && item.ifa_netmask != nullptr) {
        const auto prefix = static_cast<unsigned>(std::popcount(to_ipv4(item.ifa_netmask).value));
        interface.networks.push_back({to_ipv4(item.ifa_addr), prefix});
    }
}

std::string describe(const Interface& interface) {
    std::string text = interface.name;
    for (const auto& network : interface.networks) {
        text += " " + network.address.text() + "/" + std::to_string(network.prefix);
    }
    return text;
}

} // namespace

Result<std::vector<Interface>> list_interfaces() {
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) {
        return errno_error("listing the network interfaces");
    }
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(first, ::freeifaddrs);
    std::vector<Interface> list;
    for (const ifaddrs* item = first; item != nullptr; item = item->ifa_next) {
        if (item->ifa_addr != nullptr) {
            add_address(entry_for(list, *item), *item);
        }
    }
    return list;
}

Result<Interface> find_interface(const std::string& name) {
    auto list = list_interfaces();
    if (!list) {
        return list.error();
    }
    std::vector<std::string> names;
    std::vector<std::string> descriptions;
    for (auto& interface : *list) {
        if (interface.name == name) {
            return std::move(interface);
        }
        names.push_back(interface.name);
        descriptions.push_back(describe(interface));
    }
    const auto nearest = nearest_word(name, names);
    return make_error(std::errc::no_such_device,
                      "there is no network interface \"" + name + "\"" +
                          (nearest ? "; did you mean \"" + *nearest + "\"?" : std::string(";")) +
                          " This host has: " + join(descriptions, ", "));
}

} // namespace rootstock::net
