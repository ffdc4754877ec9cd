#include "app/config_checks.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <map>

namespace rootstock::app {

namespace {

/// Values that may be there once; says where the first one is.
template <class Value> class Unique {
  public:
    Unique(std::string what, Problems& problems) : what_(std::move(what)), problems_(problems) {}
    void add(const Value& value, const std::string& shown, TomlPlace place) {
        const auto [first, added] = places_.emplace(value, place);
        if (!added) {
            problems_.add(place, what_ + " " + shown + " is in the file twice, first in line " + std::to_string(first->second.line));
        }
    }

  private:
    std::string what_;
    Problems& problems_;
    std::map<Value, TomlPlace> places_;
};

/// The tables of `[[name]]`.
std::vector<const TomlNode*> tables(const TomlNode& document, std::string_view name) {
    std::vector<const TomlNode*> found;
    if (const TomlNode* list = document.find(name); list != nullptr) {
        for (const TomlNode& item : list->items) {
            if (item.kind == TomlNode::Kind::table) {
                found.push_back(&item);
            }
        }
    }
    return found;
}

void check_names(const TomlNode& document, std::string_view list, Problems& problems) {
    Unique<std::string> names("the " + std::string(list) + " name", problems);
    for (const TomlNode* table : tables(document, list)) {
        if (const TomlNode* name = table->find("name"); name != nullptr && !name->text.empty()) {
            names.add(name->text, "\"" + name->text + "\"", name->place);
        }
    }
}

void check_macs(const TomlNode& document, Problems& problems) {
    Unique<Mac> macs("the MAC address", problems);
    const auto add = [&macs](const TomlNode& node) {
        if (const auto mac = Mac::parse(node.text)) {
            macs.add(*mac, mac->text(), node.place);
        }
    };
    for (const TomlNode* table : tables(document, "machine")) {
        if (const TomlNode* mac = table->find("mac"); mac != nullptr) {
            add(*mac);
            std::for_each(mac->items.begin(), mac->items.end(), add);
        }
    }
}

void check_addresses(const TomlNode& document, const Config& config, Problems& problems) {
    Unique<Ipv4> addresses("the address", problems);
    if (const TomlNode* dhcp = document.find("dhcp"); dhcp != nullptr && config.dhcp.router) {
        addresses.add(*config.dhcp.router, config.dhcp.router->text(), dhcp->find("router")->place);
    }
    for (const TomlNode* table : tables(document, "machine")) {
        const TomlNode* node = table->find("address");
        if (const auto address = node != nullptr ? Ipv4::parse(node->text) : std::nullopt) {
            addresses.add(*address, address->text(), node->place);
        }
    }
}

/// A file that lists images lists all of them: else a machine would wait for one that was only misspelt.
void check_image(const TomlNode& node, const std::string& name, const Config& config, Problems& problems) {
    std::vector<std::string> names;
    for (const ImageEntry& image : config.images) {
        names.push_back(image.name);
    }
    if (name.empty() || names.empty() || std::find(names.begin(), names.end(), name) != names.end()) {
        return;
    }
    const auto nearest = nearest_word(name, names);
    problems.add(node.place, "there is no [[image]] with the name \"" + name + "\"" +
                                 (nearest ? "; did you mean \"" + *nearest + "\"?" : "; the file has: " + join(names, ", ")));
}

void check_images(const TomlNode& document, const Config& config, Problems& problems) {
    for (const TomlNode* table : tables(document, "machine")) {
        if (const TomlNode* image = table->find("image")) {
            check_image(*image, image->text, config, problems);
        }
    }
    if (config.unknown == UnknownAction::image) {
        check_image(*document.find("unknown")->find("action"), config.unknown_image, config, problems);
    }
}

/// A group that is only misspelt would be one without a limit.
void check_groups(const TomlNode& document, const Config& config, Problems& problems) {
    std::vector<std::string> names;
    for (const GroupEntry& group : config.groups) {
        names.push_back(group.name);
    }
    for (const TomlNode* table : tables(document, "machine")) {
        const TomlNode* group = table->find("group");
        if (group == nullptr || group->text.empty() || std::find(names.begin(), names.end(), group->text) != names.end()) {
            continue;
        }
        const auto nearest = nearest_word(group->text, names);
        problems.add(group->place, "there is no [[group]] with the name \"" + group->text + "\"" + (nearest ? "; did you mean \"" + *nearest + "\"?" : ""));
    }
}

void check_interface(const TomlNode& document, const Config& config, Problems& problems) {
    const TomlNode* server = document.find("server");
    const bool is_named = server != nullptr && server->find("interface") != nullptr;
    if (config.dhcp.mode != DhcpMode::off && !is_named) {
        problems.add(server != nullptr ? server->place : TomlPlace{},
                     "[server] has no interface: DHCP needs the one where the PCs are, like interface = \"eth1\"; or switch it off: [dhcp] mode = \"off\"");
    }
}

} // namespace

void check_config(const TomlNode& document, const Config& config, Problems& problems) {
    for (const std::string_view list : {"image", "machine", "volume", "group"}) {
        check_names(document, list, problems);
    }
    check_macs(document, problems);
    check_addresses(document, config, problems);
    check_images(document, config, problems);
    check_groups(document, config, problems);
    check_interface(document, config, problems);
}

std::vector<std::string> check_network(const Config& config, const Ipv4Network& network) {
    std::vector<std::string> problems;
    const auto check = [&](Ipv4 address, int line, const std::string& what) {
        const std::string where = config.file + ":" + std::to_string(line) + ": " + what + " " + address.text();
        const std::string ours = network.address.text() + "/" + std::to_string(network.prefix);
        if (!network.contains(address)) {
            problems.push_back(where + " is outside of the network " + ours + " of " + config.server.interface);
        } else if (network.prefix < 31 && (address == network.broadcast() || address.value == (network.address.value & network.mask().value))) {
            problems.push_back(where + " is the network's own or its broadcast address (" + ours + "), no host can have it");
        }
    };
    if (config.dhcp.range) {
        check(config.dhcp.range->first, config.range_line, "[dhcp] range");
        check(config.dhcp.range->second, config.range_line, "[dhcp] range");
    }
    if (config.dhcp.router) {
        check(*config.dhcp.router, config.router_line, "[dhcp] router");
    }
    for (const MachineEntry& entry : config.machines) {
        const auto address = entry.machine.address;
        if (address == network.address) {
            problems.push_back(config.file + ":" + std::to_string(entry.line) + ": machine " + entry.machine.name + ": address " +
                               address->text() + " is this server's own");
        } else if (address) {
            check(*address, entry.line, "machine " + entry.machine.name + ": address");
        }
    }
    return problems;
}

bool is_valid_domain(std::string_view name) {
    constexpr std::size_t domain_max = 253; // RFC 1035 section 2.3.4
    const auto labels = split(name, '.');
    return name.size() <= domain_max &&
           std::all_of(labels.begin(), labels.end(), [](std::string_view label) { return fleet::is_valid_machine_name(to_lower(label)); });
}

} // namespace rootstock::app
