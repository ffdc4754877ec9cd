#include "app/config.hpp"

#include "app/config_chap.hpp"
#include "app/config_checks.hpp"
#include "app/config_reader.hpp"
#include "boot/volume_access.hpp"
#include "core/ip_address.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>

namespace rootstock::app {

namespace {

using Key = TableReader::Key;
using namespace std::chrono_literals;

constexpr std::size_t file_bytes_max = std::size_t{4} << 20U;
constexpr std::chrono::seconds lease_min = 10s;
constexpr std::chrono::seconds lease_max = 24h * 365;
constexpr std::chrono::seconds verify_min = 1h;
constexpr std::chrono::seconds verify_max = 24h * 365;
constexpr std::uint64_t volume_min_bytes = std::uint64_t{1} << 20U;
constexpr std::uint64_t volume_max_bytes = std::uint64_t{64} << 40U; // [MS-VHDX] 2.6.2.4
constexpr std::size_t portals_max = 64;
constexpr std::uint16_t isns_port = 3205; // RFC 4171 section 2.9
constexpr std::size_t iqn_prefix_max = 120; // leaves room for a machine's name within the 223 bytes of RFC 7143 section 4.2.7.1

/// One of `words`, by its position.
template <class Enum> auto one_of(std::vector<std::string_view> words) {
    return [words = std::move(words)](const std::string& text) -> std::optional<Enum> {
        for (std::size_t at = 0; at < words.size(); ++at) {
            if (text == words[at]) {
                return static_cast<Enum>(at);
            }
        }
        return std::nullopt;
    };
}

void read_server(TableReader table, ServerConfig& server) {
    server.interface = table.text({"interface", "the name of a network interface", "\"eth1\""}).value_or("");
    server.data = table.text({"data", "a folder", "\"/var/lib/rootstock\""}).value_or(server.data);
    server.name = table.parsed({"name", "a host name of a-z, 0-9 and inner hyphens", "\"rootstock\""}, text_if(fleet::is_valid_machine_name))
                      .value_or(server.name);
    server.loaders = table.text({"loaders", "a folder with boot loaders that go before the built-in ones", "\"/usr/lib/ipxe\""}).value_or("");
    const auto verify = [](const std::string& text) {
        const auto time = text == "off" ? 0s : parse_duration(text);
        return time && (text == "off" || *time >= verify_min) && *time <= verify_max ? time : std::nullopt;
    };
    server.verify = table.parsed({"verify", "how often every master is verified: a time from 1h to 365d, or \"off\"", "\"7d\""}, verify)
                        .value_or(server.verify);
    table.finish();
}

void read_range(TableReader& table, Config& config) {
    const Key key{"range", "the first and the last address to lease", R"(["10.20.0.100", "10.20.3.250"])"};
    const TomlNode* node = table.take(key);
    if (node == nullptr) {
        return;
    }
    config.range_line = node->place.line;
    if (node->kind != TomlNode::Kind::array || node->items.size() != 2) {
        table.complain(key, *node);
        return;
    }
    std::optional<Ipv4> ends[2];
    for (std::size_t i = 0; i < 2; ++i) {
        const TomlNode& item = node->items[i];
        ends[i] = item.kind == TomlNode::Kind::text ? Ipv4::parse(item.text) : std::nullopt;
        if (!ends[i]) {
            table.complain(key, item);
        }
    }
    if (!ends[0] || !ends[1]) {
        return;
    }
    if (*ends[1] < *ends[0]) {
        table.complain(node->place, "range: the first address comes behind the last one; write range = [\"" + ends[1]->text() + "\", \"" +
                                        ends[0]->text() + "\"]");
        return;
    }
    config.dhcp.range = std::pair(*ends[0], *ends[1]);
}

void read_lease(TableReader& table, std::chrono::seconds& lease) {
    const Key key{"lease", "a time from 10s to 365d, in seconds or with s, m, h or d", "\"12h\""};
    const TomlNode* node = table.take(key);
    if (node == nullptr) {
        return;
    }
    std::optional<std::chrono::seconds> time;
    if (node->kind == TomlNode::Kind::integer) {
        time = std::chrono::seconds(node->integer);
    } else if (node->kind == TomlNode::Kind::text) {
        time = parse_duration(node->text);
    }
    if (!time || *time < lease_min || *time > lease_max) {
        table.complain(key, *node);
        return;
    }
    lease = *time;
}

void read_dhcp(TableReader table, Config& config) {
    DhcpSection& dhcp = config.dhcp;
    dhcp.mode = table.parsed({"mode", R"("server" (we lease addresses), "proxy" (beside another DHCP server) or "off")", "\"server\""},
                             one_of<DhcpMode>({"server", "proxy", "off"}))
                    .value_or(dhcp.mode);
    read_range(table, config);
    const Key router{"router", "the address of the router", "\"10.20.0.1\""};
    if (const TomlNode* node = table.take(router)) {
        config.router_line = node->place.line;
        dhcp.router = table.parsed(router, Ipv4::parse);
    }
    dhcp.dns = table.parsed_list({"dns", "the address of a name server, or a list of them", R"(["10.20.0.1", "10.20.0.2"])"}, Ipv4::parse);
    dhcp.domain = table.parsed({"domain", "a domain name", "\"lab.example.org\""}, text_if(is_valid_domain)).value_or("");
    read_lease(table, dhcp.lease);
    table.finish();
}

std::uint16_t read_port(TableReader& table, std::string_view example, std::uint16_t otherwise) {
    return static_cast<std::uint16_t>(table.integer({"port", "a port number from 1 to 65535", example}, 1, 65535).value_or(otherwise));
}

void read_http(TableReader http, Config& config) {
    config.http_port = read_port(http, "8080", config.http_port);
    const Key addresses{"addresses", "addresses of this host, IPv4 or IPv6", R"(["10.20.0.1", "fd00::1"])"};
    if (const TomlNode* node = http.take(addresses)) {
        config.http_addresses_line = node->place.line;
        config.http_addresses = http.parsed_list(addresses, [](const std::string& text) {
            const auto address = IpAddress::parse(text);
            return address ? std::optional(address->text()) : std::nullopt;
        });
    }
    http.finish();
}

void read_portals(TableReader& iscsi, Config& config) {
    const Key key{"portals", "addresses of this host, each with a port or without", R"(["10.20.0.1:3260", "[fd00::1]:3260"])"};
    const TomlNode* node = iscsi.take(key);
    if (node == nullptr) {
        return;
    }
    config.portals_line = node->place.line;
    config.portals = iscsi.parsed_list(key, [&config](const std::string& text) {
        const auto portal = IpEndpoint::parse(text, config.iscsi_port);
        return portal ? std::optional(PortalEntry{portal->address.text(), portal->port}) : std::nullopt;
    });
    const bool is_list = node->kind == TomlNode::Kind::array;
    if (is_list && (node->items.empty() || node->items.size() > portals_max)) {
        iscsi.complain(node->place, "portals: expected 1 to " + std::to_string(portals_max) + " of them; found " + std::to_string(node->items.size()));
    }
    for (auto portal = config.portals.begin(); portal != config.portals.end(); ++portal) {
        if (std::find(config.portals.begin(), portal, *portal) != portal) {
            iscsi.complain(node->place, "portals: " + portal->address + " with port " + std::to_string(portal->port) + " is there twice");
        }
    }
}

void read_iscsi(TableReader iscsi, Config& config) {
    config.iscsi_port = read_port(iscsi, "3260", config.iscsi_port);
    read_portals(iscsi, config);
    const Key prefix{"iqn_prefix", "an iSCSI name of the form iqn.YEAR-MONTH.DOMAIN", "\"iqn.2026-01.org.example\""};
    config.iqn_prefix = iscsi.parsed(prefix, text_if([](std::string_view text) { return text.size() <= iqn_prefix_max && boot::is_valid_iqn(text); }))
                            .value_or(config.iqn_prefix);
    read_chap_pair(iscsi, "[iscsi]", "discovery_", config.discovery_chap, config.discovery_mutual_chap);
    iscsi.finish();
}

void read_isns(TableReader isns, Config& config) {
    config.isns_server = isns.parsed({"server", "the address of an iSNS server, with a port or without", "\"10.20.0.5:3205\""},
                                     [](const std::string& text) { return IpEndpoint::parse(text, isns_port); });
    isns.finish();
}

/// A time of at least a second.
void read_time(TableReader& table, const Key& key, std::chrono::seconds& to) {
    const auto parse = [](const std::string& text) {
        const auto time = parse_duration(text);
        return time && *time >= 1s && *time <= 1h ? time : std::nullopt;
    };
    to = table.parsed(key, parse).value_or(to);
}

void read_limits(TableReader table, Config& config) {
    iscsi::Limits& limits = config.iscsi_limits;
    const auto count = [&table](const char* key, const char* expected, const char* example, std::uint32_t& to) {
        constexpr std::int64_t most = 1'000'000;
        to = static_cast<std::uint32_t>(table.integer({key, expected, example}, 1, most).value_or(to));
    };
    count("iscsi_connections", "a number of connections from 1 to 1000000", "8192", limits.connections);
    count("iscsi_connections_per_address", "a number of connections from 1 to 1000000", "2048", limits.connections_per_address);
    count("iscsi_connections_before_login", "a number of connections from 1 to 1000000", "1024", limits.connections_before_login);
    const char* const time = "a time from 1s to 1h, with s, m or h";
    read_time(table, {"iscsi_login_time", time, "\"15s\""}, limits.login_time);
    read_time(table, {"iscsi_idle_before_ping", time, "\"15s\""}, limits.idle_before_ping);
    read_time(table, {"iscsi_ping_answer_time", time, "\"30s\""}, limits.ping_answer_time);
    read_time(table, {"iscsi_ping_answer_time_of_ipxe", time, "\"10m\""}, limits.ping_answer_time_of_ipxe);
    read_time(table, {"iscsi_logout_time", time, "\"5s\""}, limits.logout_time);
    config.volatile_bytes = table.parsed({"volatile_memory", "a size of at least 1M", "\"4G\""}, [](const std::string& text) {
        const auto bytes = parse_size(text);
        return bytes && *bytes >= volume_min_bytes ? bytes : std::nullopt;
    });
    table.finish();
}

void read_boot(TableReader table, Config& config) {
    enum class Chain : std::uint8_t { automatic, always };
    const auto chain = table.parsed({"chain", R"("auto" (a ROM that is iPXE stays) or "always" (it gets our loader, too))", "\"auto\""},
                                    one_of<Chain>({"auto", "always"}));
    config.always_chain = chain == Chain::always;
    table.finish();
}

void read_unknown(TableReader table, Config& config) {
    static constexpr std::string_view image_action = "image:";
    const auto parse = [](const std::string& text) -> std::optional<std::string> {
        const bool is_word = text == "wait" || text == "local-disk" || text == "ignore";
        const bool is_image = text.starts_with(image_action) && fleet::is_valid_store_name(std::string_view(text).substr(image_action.size()));
        return is_word || is_image ? std::optional(text) : std::nullopt;
    };
    const std::string action =
        table.parsed({"action", R"("wait", "local-disk", "ignore" or "image:NAME")", "\"wait\""}, parse).value_or("wait");
    if (action.starts_with(image_action)) {
        config.unknown = UnknownAction::image;
        config.unknown_image = action.substr(image_action.size());
    } else {
        config.unknown = *one_of<UnknownAction>({"wait", "local-disk", "ignore"})(action);
    }
    table.finish();
}

std::string required_name(TableReader& table, bool (*is_valid)(std::string_view), std::string_view expected, std::string_view example) {
    const Key key{"name", expected, example};
    const TomlNode* node = table.require(key);
    return node == nullptr ? "" : table.parsed(key, text_if(is_valid)).value_or("");
}

void read_image(TableReader& table, Config& config) {
    const std::string name =
        required_name(table, fleet::is_valid_store_name, "a name of a-z, 0-9 and inner . _ -, at most 63", "\"win11-lab\"");
    config.images.push_back({name, table.boolean({"warm", "true (what it boots with stays in memory) or false", "true"}).value_or(false)});
}

std::optional<fleet::Mode> read_mode(TableReader& table) {
    const Key key{"mode", R"("persistent" (its disk is kept) or "reset" (its disk starts afresh at each boot))", "\"persistent\""};
    if (const TomlNode* node = table.take(key); node != nullptr && node->text == "maintenance") {
        table.complain(node->place, "mode: \"maintenance\" is not for the file: `rootstock image update IMAGE --on MACHINE` begins it; use \"persistent\" or \"reset\"");
        return std::nullopt;
    }
    return table.parsed(key, fleet::parse_mode);
}

std::optional<Mac> parse_station(const std::string& text) {
    const auto mac = Mac::parse(text);
    return mac && mac->is_station() ? mac : std::nullopt;
}

std::optional<std::uint64_t> read_quota(TableReader& table, std::string_view key) {
    return table.parsed({key, R"(a size, or "none")", "\"20G\""}, fleet::parse_quota);
}

void read_quotas(TableReader table, Config& config) {
    config.machine_quota = read_quota(table, "machine").value_or(0);
    config.store_quota = read_quota(table, "store").value_or(0);
    table.finish();
}

void read_group(TableReader& table, Config& config) {
    const std::string name = required_name(table, fleet::is_valid_store_name, "a name of a-z, 0-9 and inner . _ -, at most 63", "\"lab1\"");
    config.groups.push_back({name, read_quota(table, "quota").value_or(0)});
}

void read_machine(TableReader& table, Config& config) {
    MachineEntry entry;
    entry.line = table.place().line;
    entry.machine.name =
        required_name(table, fleet::is_valid_machine_name, "a host name of a-z, 0-9 and inner hyphens, at most 63", "\"lab1-07\"");
    const Key mac{"mac", "the MAC address of its network card, or a list of them", "\"52:54:00:aa:00:07\""};
    const TomlNode* macs = table.require(mac);
    entry.machine.macs = table.parsed_list(mac, parse_station);
    if (macs != nullptr && macs->kind == TomlNode::Kind::array && macs->items.empty()) {
        table.complain(mac, *macs);
    }
    const Key image{"image", "the name of an image", "\"win11-lab\""};
    if (table.require(image) != nullptr) {
        entry.machine.image = table.parsed(image, text_if(fleet::is_valid_store_name)).value_or("");
    }
    entry.machine.mode = read_mode(table).value_or(fleet::Mode::persistent);
    entry.machine.address = table.parsed({"address", "an IPv4 address of the network", "\"10.20.0.7\""}, Ipv4::parse);
    entry.machine.quota_bytes = read_quota(table, "quota");
    entry.machine.group = table.parsed({"group", "the name of a [[group]]", "\"lab1\""}, text_if(fleet::is_valid_store_name)).value_or("");
    config.machines.push_back(std::move(entry));
}

void read_block_size(TableReader& table, std::uint32_t& block_size) {
    const Key key{"block_size", "512 or 4096", "4096"};
    const auto bytes = table.integer(key, 512, 4096);
    if (bytes && !images::is_valid_block_size(*bytes)) {
        table.complain(key, *table.take(key));
    }
    block_size = static_cast<std::uint32_t>(bytes.value_or(block_size));
}

/// The ISO image of a CD-ROM, empty when it is wrong. What only a disk has is a slip then.
std::optional<std::string> read_iso(TableReader& table) {
    const Key key{"iso", "the absolute path of an ISO image on this host", "\"/srv/iso/debian-12.iso\""};
    if (table.take(key) == nullptr) {
        return std::nullopt;
    }
    for (const std::string_view of_disk : {"size", "read_only", "volatile", "block_size"}) {
        if (const TomlNode* node = table.take({of_disk, "", ""})) {
            table.complain(node->place, std::string(of_disk) + ": a volume with iso is a CD-ROM and has none; take this line away");
        }
    }
    return table.parsed(key, text_if([](std::string_view path) { return path.starts_with('/'); })).value_or("");
}

void read_disk(TableReader& table, VolumeEntry& volume) {
    const Key size{"size", "a size from 1M to 64T, a multiple of 1M", "\"10G\""};
    if (table.require(size) != nullptr) {
        const auto parse = [](const std::string& text) {
            const auto bytes = parse_size(text);
            return bytes && *bytes >= volume_min_bytes && *bytes <= volume_max_bytes && *bytes % volume_min_bytes == 0 ? bytes : std::nullopt;
        };
        volume.size_bytes = table.parsed(size, parse).value_or(0);
    }
    volume.options.read_only = table.boolean({"read_only", "true or false", "true"}).value_or(false);
    if (table.boolean({"volatile", "true (in memory, empty at each start of the server) or false", "true"}).value_or(false)) {
        volume.options.kind = images::VolumeKind::memory_only;
    }
    read_block_size(table, volume.options.block_size);
}

void read_volume(TableReader& table, Config& config) {
    VolumeEntry volume;
    volume.line = table.place().line;
    volume.name = required_name(table, fleet::is_valid_store_name, "a name of a-z, 0-9 and inner . _ -, at most 63", "\"scratch\"");
    if (const auto iso = read_iso(table)) {
        volume.options = images::cdrom_options(*iso);
    } else {
        read_disk(table, volume);
    }
    const Key initiators{"initiators", "names of machines, initiator names, addresses with or without a prefix, MACs, or \"*\" for any",
                         R"(["lab1-07", "iqn.2004-10.org.example:pc", "10.20.0.0/16"])"};
    volume.initiators = table.parsed_list(initiators, text_if(boot::is_valid_initiator_entry));
    volume.options.moved_to = table.parsed({"moved_to", "the address of another server, with a port or without", "\"10.20.0.2:3260\""}, images::full_portal)
                                  .value_or("");
    read_chap_pair(table, "[[volume]]", "", volume.options.chap, volume.options.mutual_chap);
    config.volumes.push_back(std::move(volume));
}

/// The table `name` of the file; null (and a problem, when it is something else) when it is not there.
const TomlNode* section(TableReader& file, std::string_view name) {
    const TomlNode* node = file.take({name, "", ""});
    if (node != nullptr && node->kind != TomlNode::Kind::table) {
        file.complain(node->place, std::string(name) + " must be a table: write [" + std::string(name) + "] on a line of its own");
        return nullptr;
    }
    return node;
}

TableReader section_reader(TableReader& file, std::string_view name) {
    const TomlNode* node = section(file, name);
    return {node, "[" + std::string(name) + "]", node != nullptr ? node->place : TomlPlace{}, file.problems()};
}

/// Every `[[name]]` of the file.
void read_list(TableReader& file, std::string_view name, Config& config, void (*read)(TableReader&, Config&)) {
    const std::string header = "[[" + std::string(name) + "]]";
    const TomlNode* node = file.take({name, "", ""});
    if (node == nullptr) {
        return;
    }
    if (node->kind != TomlNode::Kind::array) {
        file.complain(node->place, "there can be several of " + std::string(name) + ": write " + header + " with double brackets");
        return;
    }
    for (const TomlNode& item : node->items) {
        if (item.kind != TomlNode::Kind::table) {
            file.complain(item.place, std::string(name) + ": expected a table under " + header + "; found " + describe(item));
            continue;
        }
        TableReader table(&item, header, item.place, file.problems());
        read(table, config);
        table.finish();
    }
}

Result<std::string> read_file(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
    if (!file) {
        return errno_error("cannot open the configuration " + path);
    }
    std::string text(file_bytes_max + 1, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get()) != 0) {
        return errno_error("cannot read the configuration " + path);
    }
    if (text.size() > file_bytes_max) {
        return make_error(std::errc::file_too_large, path + " is larger than " + format_size(file_bytes_max) + ", that is no configuration");
    }
    return text;
}

} // namespace

Result<Config, std::vector<std::string>> parse_config(std::string_view text, const std::string& file_name) {
    const auto document = parse_toml(text);
    Problems problems;
    if (!document) {
        problems.add(document.error().place, document.error().what);
        return problems.lines(file_name);
    }
    Config config;
    config.file = file_name;
    TableReader file(&*document, "the file", {}, problems);
    read_server(section_reader(file, "server"), config.server);
    read_dhcp(section_reader(file, "dhcp"), config);
    read_http(section_reader(file, "http"), config);
    read_iscsi(section_reader(file, "iscsi"), config);
    read_isns(section_reader(file, "isns"), config);
    read_limits(section_reader(file, "limits"), config);
    read_boot(section_reader(file, "boot"), config);
    read_quotas(section_reader(file, "quota"), config);
    read_list(file, "image", config, read_image);
    read_list(file, "group", config, read_group);
    read_list(file, "machine", config, read_machine);
    read_list(file, "volume", config, read_volume);
    read_unknown(section_reader(file, "unknown"), config);
    file.finish();
    check_config(*document, config, problems);
    if (!problems.empty()) {
        return problems.lines(file_name);
    }
    return config;
}

Result<Config, std::vector<std::string>> load_config(const std::string& path) {
    const auto text = read_file(path);
    if (!text) {
        return std::vector{text.error().what + "; name another file with --config"};
    }
    return parse_config(*text, path);
}

} // namespace rootstock::app
