#include "dhcp/reply.hpp"

#include "dhcp/limits.hpp"

#include <algorithm>

namespace rootstock::dhcp {

namespace {

void echo(const Message& request, std::uint8_t code, Message& reply) {
    if (request.options.has(code)) {
        reply.options.append(code, request.options.get(code));
    }
}

bool is_host_character(std::uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

} // namespace

Destination destination(const Message& request, const Message& reply, Ipv4 source) {
    const bool is_nak = reply.type() == MessageType::nak;
    if (!request.giaddr.is_unspecified()) {
        return {Destination::Kind::unicast, request.giaddr, server_port, {}};
    }
    if (is_nak) {
        return {Destination::Kind::broadcast, {}, client_port, {}};
    }
    if (!request.ciaddr.is_unspecified()) {
        return {Destination::Kind::unicast, request.ciaddr, client_port, {}};
    }
    if (reply.yiaddr.is_unspecified() && !source.is_unspecified()) {
        return {Destination::Kind::unicast, source, client_port, {}};
    }
    if (request.wants_broadcast() || reply.yiaddr.is_unspecified()) {
        return {Destination::Kind::broadcast, {}, client_port, {}};
    }
    return {Destination::Kind::hardware, reply.yiaddr, client_port, request.chaddr};
}

Message make_reply(const DhcpConfig& config, const Message& request, MessageType type) {
    Message reply;
    reply.op = Op::reply;
    reply.xid = request.xid;
    reply.flags = request.flags;
    reply.giaddr = request.giaddr;
    reply.chaddr = request.chaddr;
    if (type == MessageType::nak && !request.giaddr.is_unspecified()) {
        reply.flags |= flag_broadcast; // section 4.3.2: the client's address is wrong, so the relay must not use it
    }
    reply.options.add_u8(option::message_type, static_cast<std::uint8_t>(type));
    reply.options.add_address(option::server_identifier, config.network.address);
    if (type != MessageType::nak) {
        reply.sname = config.server_name.substr(0, sname_capacity);
        echo(request, option::client_uuid, reply);
    }
    echo(request, option::client_identifier, reply);
    echo(request, option::relay_agent_information, reply);
    return reply;
}

void add_lease_times(std::chrono::seconds lease, Message& reply) {
    const auto seconds = static_cast<std::uint32_t>(lease.count());
    reply.options.add_u32(option::lease_time, seconds);
    reply.options.add_u32(option::renewal_time, seconds / 2);
    reply.options.add_u32(option::rebinding_time, seconds - seconds / 8);
}

void add_network_options(const DhcpConfig& config, const Message& request, const std::string& host_name, Message& reply) {
    const Bytes wanted = request.options.get(option::parameter_request_list);
    const auto asks_for = [&](std::uint8_t code) {
        return wanted.empty() || std::find(wanted.begin(), wanted.end(), code) != wanted.end();
    };
    Options& options = reply.options;
    options.add_address(option::subnet_mask, config.network.mask()); // before the router: RFC 2132 section 3.3
    if (config.router && asks_for(option::router)) {
        options.add_address(option::router, *config.router);
    }
    if (asks_for(option::domain_name_servers)) {
        for (const Ipv4 server : config.dns) {
            options.add_address(option::domain_name_servers, server);
        }
    }
    if (!config.domain.empty() && asks_for(option::domain_name)) {
        options.add(option::domain_name, config.domain);
    }
    if (!host_name.empty() && asks_for(option::host_name)) {
        options.add(option::host_name, host_name);
    }
    if (asks_for(option::broadcast_address)) {
        options.add_address(option::broadcast_address, config.network.broadcast());
    }
}

std::size_t reply_size_limit(const Message& request) {
    const std::size_t wish = request.options.get_u16(option::maximum_message_size).value_or(smallest_maximum_message);
    return std::clamp(wish, smallest_maximum_message, largest_maximum_message) - ip_udp_header_size;
}

std::chrono::seconds lease_time_for(const DhcpConfig& config, const Message& request) {
    const auto wish = request.options.get_u32(option::lease_time);
    if (!wish) {
        return config.lease_time;
    }
    return std::clamp(std::chrono::seconds(*wish), shortest_lease, config.lease_time);
}

std::string client_host_name(const Message& request) {
    std::string name;
    for (const std::uint8_t c : request.options.get(option::host_name)) {
        if (is_host_character(c) && name.size() < host_name_limit) {
            name.push_back(static_cast<char>(c));
        }
    }
    return name;
}

} // namespace rootstock::dhcp
