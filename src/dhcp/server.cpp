#include "dhcp/server.hpp"

#include "dhcp/frame.hpp"
#include "dhcp/limits.hpp"
#include "dhcp/pxe.hpp"

#include <algorithm>

namespace rootstock::dhcp {

struct Server::Exchange {
    WallTime now;
    Ipv4 source;
    Message request;
    ClientFacts client;
    BootDecision decision;
};

namespace {

std::vector<Ipv4> excluded_addresses(const DhcpConfig& config) {
    const Ipv4Network& network = config.network;
    std::vector<Ipv4> excluded{network.address, network.broadcast(), {network.address.value & network.mask().value}};
    if (config.router) {
        excluded.push_back(*config.router);
    }
    excluded.insert(excluded.end(), config.dns.begin(), config.dns.end());
    return excluded;
}

} // namespace

Server::Server(DhcpConfig config, BootPolicy& policy)
    : config_(std::move(config)), policy_(policy), pool_(config_.first, config_.last, excluded_addresses(config_)) {}

void Server::restore(const std::vector<Lease>& leases, WallTime now) {
    for (const Lease& lease : leases) {
        if (is_host_address(lease.address)) {
            pool_.restore(lease, now);
        }
    }
}

void Server::handle_input(WallTime now, const Input& input) {
    auto decoded = decode(input.packet);
    if (!decoded) {
        return report(EventKind::malformed, {}, input.source, std::string(text(decoded.error())));
    }
    Exchange exchange{now, input.source, std::move(*decoded), {}, {}};
    const Message& request = exchange.request;
    const auto type = request.type();
    if (request.op != Op::request || !type || !request.chaddr.is_station()) {
        return report(EventKind::malformed, request.chaddr, input.source, "no DHCP request of a station");
    }
    if (!request.giaddr.is_unspecified() && !config_.network.contains(request.giaddr)) {
        return report(EventKind::ignored, request.chaddr, request.giaddr, "the relay serves another network");
    }
    exchange.client = read_client(request);
    switch (*type) {
    case MessageType::discover:
        return on_discover(exchange);
    case MessageType::request:
        return on_request(exchange);
    case MessageType::decline:
        return on_decline(exchange);
    case MessageType::release:
        return on_release(exchange);
    case MessageType::inform:
        return on_inform(exchange);
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak:
        return report(EventKind::malformed, request.chaddr, input.source, "a server's message in a request");
    }
}

void Server::handle_foreign_frame(WallTime now, Bytes frame) {
    const auto udp = read_udp_frame(frame);
    if (!udp) {
        return;
    }
    const auto reply = decode(udp->payload);
    if (!reply || reply->op != Op::reply) {
        return;
    }
    const Ipv4 server = reply->options.get_address(option::server_identifier).value_or(udp->from.address);
    if (server != config_.network.address) {
        report_seldom(now, EventKind::other_server_seen, udp->from.mac, server,
                      "it offers " + reply->yiaddr.text() + " to " + reply->chaddr.text());
    }
}

Output Server::take_output() { return std::exchange(output_, Output{}); }

void Server::on_discover(Exchange& exchange) {
    policy_.seen_discover(exchange.client);
    decide(exchange);
    const Mac& mac = exchange.client.mac;
    if (!exchange.decision.answer) {
        return report(EventKind::ignored, mac, {}, "the policy does not answer this client");
    }
    const auto address = choose_address(exchange);
    if (!address) {
        return report_seldom(exchange.now, EventKind::pool_exhausted, mac, {},
                             "all " + std::to_string(pool_.size()) + " addresses are in use");
    }
    pool_.offer(mac, *address, exchange.now + offer_hold);
    Message reply = make_reply(config_, exchange.request, MessageType::offer);
    reply.yiaddr = *address;
    add_lease_times(lease_time_for(config_, exchange.request), reply);
    add_network_options(config_, exchange.request, exchange.decision.host_name, reply);
    add_boot_options(exchange.client, exchange.decision.boot_file, config_.network.address, reply);
    send(exchange, reply, output_.at_once, std::nullopt);
    report(EventKind::offered, mac, *address);
}

/// RFC 2131 section 4.3.2, table 4: what the four states of a client put into a REQUEST.
void Server::on_request(Exchange& exchange) {
    const Options& options = exchange.request.options;
    const Mac& mac = exchange.client.mac;
    const auto server = options.get_address(option::server_identifier);
    const auto requested = options.get_address(option::requested_address);
    if (server && *server != config_.network.address) {
        pool_.withdraw_offer(mac);
        return report_seldom(exchange.now, EventKind::other_server_chosen, mac, *server,
                             "the client takes " + requested.value_or(Ipv4{}).text() + " from it");
    }
    decide(exchange);
    if (!exchange.decision.answer) {
        return report(EventKind::ignored, mac, {}, "the policy does not answer this client");
    }
    if (server) {
        return on_selecting(exchange, requested.value_or(exchange.request.ciaddr));
    }
    if (requested) {
        return on_init_reboot(exchange, *requested);
    }
    on_extending(exchange);
}

void Server::on_selecting(Exchange& exchange, Ipv4 requested) {
    switch (standing(exchange, requested)) {
    case Standing::open:
        return grant(exchange, requested);
    case Standing::taken:
        return refuse(exchange, requested, "the address is in use");
    case Standing::unknown:
        return refuse(exchange, requested, "the address was not offered");
    case Standing::wrong_network:
        return refuse(exchange, requested, "the address is not of this network");
    }
}

void Server::on_init_reboot(Exchange& exchange, Ipv4 requested) {
    const Standing state = standing(exchange, requested);
    if (state == Standing::open && has_own_reservation(exchange) && exchange.decision.reserved != requested) {
        return refuse(exchange, requested, "the machine has an address of its own");
    }
    if (state == Standing::unknown) {
        return report(EventKind::ignored, exchange.client.mac, requested, "the address is not ours to judge");
    }
    on_selecting(exchange, requested);
}

/// RENEWING and REBINDING: a running machine. Its lease goes on even when its address has become another one's reservation: its
/// disk hangs on it.
void Server::on_extending(Exchange& exchange) {
    const Ipv4 address = exchange.request.ciaddr;
    const auto* binding = pool_.find(address);
    const bool lives = binding != nullptr && binding->state == LeasePool::State::leased &&
                       binding->mac == exchange.client.mac && binding->until > exchange.now;
    if (lives) {
        return grant(exchange, address);
    }
    if (standing(exchange, address) == Standing::unknown) {
        return report(EventKind::ignored, exchange.client.mac, address, "the address is not ours to judge");
    }
    on_selecting(exchange, address);
}

void Server::on_decline(Exchange& exchange) {
    const auto address = exchange.request.options.get_address(option::requested_address);
    const auto* binding = address ? pool_.find(*address) : nullptr;
    if (binding == nullptr || binding->mac != exchange.client.mac) {
        return; // only who was given an address may complain of it
    }
    if (binding->state == LeasePool::State::leased) {
        output_.changes[*address] = std::nullopt;
    }
    pool_.decline(*address, exchange.now + decline_rest);
    report(EventKind::declined, exchange.client.mac, *address, "another host uses it");
}

void Server::on_release(Exchange& exchange) {
    const Ipv4 address = exchange.request.ciaddr;
    const auto* binding = pool_.find(address);
    if (binding == nullptr || binding->mac != exchange.client.mac || binding->state != LeasePool::State::leased) {
        return;
    }
    pool_.end_lease(address, exchange.now);
    output_.changes[address] = Lease{address, exchange.client.mac, client_host_name(exchange.request), exchange.now, exchange.now};
    report(EventKind::released, exchange.client.mac, address);
}

/// Section 4.3.5: parameters for a client that has its address from elsewhere. No lease, no times, no yiaddr.
void Server::on_inform(Exchange& exchange) {
    decide(exchange);
    if (!exchange.decision.answer) {
        return report(EventKind::ignored, exchange.client.mac, {}, "the policy does not answer this client");
    }
    Message reply = make_reply(config_, exchange.request, MessageType::ack);
    reply.ciaddr = exchange.request.ciaddr;
    add_network_options(config_, exchange.request, exchange.decision.host_name, reply);
    add_boot_options(exchange.client, exchange.decision.boot_file, config_.network.address, reply);
    send(exchange, reply, output_.at_once, std::nullopt);
}

/// Asks the policy, and hands the machine's own address on from the PC that it replaced: that one has no disk any more to lose.
void Server::decide(Exchange& exchange) {
    exchange.decision = policy_.decide(exchange.client);
    const auto& reserved = exchange.decision.reserved;
    const auto& predecessors = exchange.decision.predecessors;
    const auto* holder = reserved ? pool_.find(*reserved) : nullptr;
    if (holder != nullptr && holder->state == LeasePool::State::leased &&
        std::find(predecessors.begin(), predecessors.end(), holder->mac) != predecessors.end()) {
        pool_.end_lease(*reserved, exchange.now);
    }
}

std::optional<Ipv4> Server::choose_address(const Exchange& exchange) {
    const auto reserved = exchange.decision.reserved;
    if (has_own_reservation(exchange)) {
        return reserved;
    }
    if (reserved && is_host_address(*reserved)) {
        const auto* holder = pool_.find(*reserved);
        report(EventKind::reservation_busy, exchange.client.mac, *reserved,
               holder->state == LeasePool::State::declined ? "another host uses it" : "leased to " + holder->mac.text());
    }
    const auto requested = exchange.request.options.get_address(option::requested_address);
    return pool_.choose(exchange.client.mac, requested, exchange.now, [this](Ipv4 a) { return policy_.is_reserved(a); });
}

/// The machine's own address is there for it: nobody else has it on lease.
bool Server::has_own_reservation(const Exchange& exchange) const {
    const auto reserved = exchange.decision.reserved;
    return reserved && is_host_address(*reserved) && pool_.open_to(exchange.client.mac, *reserved, exchange.now);
}

Server::Standing Server::standing(const Exchange& exchange, Ipv4 address) const {
    if (!is_host_address(address)) {
        return Standing::wrong_network;
    }
    const Mac& mac = exchange.client.mac;
    const bool own_reservation = exchange.decision.reserved == address;
    if (!pool_.open_to(mac, address, exchange.now) || (!own_reservation && policy_.is_reserved(address))) {
        return Standing::taken;
    }
    const bool own_lease = pool_.leased_to(mac) == address;
    return own_reservation || own_lease || pool_.in_range(address) ? Standing::open : Standing::unknown;
}

bool Server::is_host_address(Ipv4 address) const {
    const Ipv4Network& network = config_.network;
    return network.contains(address) && address != network.address && address != network.broadcast() &&
           (address.value & ~network.mask().value) != 0;
}

void Server::grant(Exchange& exchange, Ipv4 address) {
    const Mac& mac = exchange.client.mac;
    const auto lease_time = lease_time_for(config_, exchange.request);
    const WallTime expires = exchange.now + lease_time;
    if (const auto before = pool_.lease(mac, address, expires)) {
        output_.changes[*before] = std::nullopt;
    }
    const std::string& given_name = exchange.decision.host_name;
    const std::string name = given_name.empty() ? client_host_name(exchange.request) : given_name;
    output_.changes[address] = Lease{address, mac, name, exchange.now, expires};

    Message reply = make_reply(config_, exchange.request, MessageType::ack);
    reply.ciaddr = exchange.request.ciaddr;
    reply.yiaddr = address;
    add_lease_times(lease_time, reply);
    add_network_options(config_, exchange.request, given_name, reply);
    add_boot_options(exchange.client, exchange.decision.boot_file, config_.network.address, reply);
    send(exchange, reply, output_.after_save, address);
    report(EventKind::granted, mac, address, exchange.decision.boot_file);
}

void Server::refuse(Exchange& exchange, Ipv4 address, std::string_view reason) {
    pool_.withdraw_offer(exchange.client.mac);
    Message reply = make_reply(config_, exchange.request, MessageType::nak);
    reply.options.add(option::message, reason);
    send(exchange, reply, output_.at_once, std::nullopt);
    report(EventKind::refused, exchange.client.mac, address, std::string(reason));
}

void Server::send(const Exchange& exchange, const Message& reply, std::vector<Reply>& queue, std::optional<Ipv4> granted) {
    Reply& entry = queue.emplace_back();
    entry.to = destination(exchange.request, reply, exchange.source);
    encode(reply, reply_size_limit(exchange.request), entry.packet);
    entry.granted = granted;
    entry.client = exchange.client;
}

void Server::report(EventKind kind, const Mac& mac, Ipv4 address, std::string detail) {
    output_.events.push_back({kind, mac, address, std::move(detail)});
}

/// What would repeat with every packet is said once in a while for each address. When too many different ones come, the record starts
/// anew: that says some twice, and bounds the memory.
void Server::report_seldom(WallTime now, EventKind kind, const Mac& mac, Ipv4 address, std::string detail) {
    if (last_report_.size() >= other_servers_limit) {
        last_report_.clear();
    }
    const auto [last, is_new] = last_report_.try_emplace({kind, address}, now);
    if (is_new || now - last->second >= report_interval) {
        last->second = now;
        report(kind, mac, address, std::move(detail));
    }
}

} // namespace rootstock::dhcp
