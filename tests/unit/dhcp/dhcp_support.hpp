// Builders for the tests of the DHCP server: a policy, a client, and short ways to what a reply says.
#pragma once

#include "dhcp/server.hpp"
#include "support/golden.hpp"

#include <algorithm>
#include <map>

namespace rootstock::dhcp::test {

using rootstock::test::golden;

inline Ipv4 ip(const char* text) { return *Ipv4::parse(text); }
inline Mac mac(const char* text) { return *Mac::parse(text); }
inline Mac numbered_mac(std::uint32_t number) {
    return Mac{{0x02, 0, static_cast<std::uint8_t>(number >> 24U), static_cast<std::uint8_t>(number >> 16U),
                static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)}};
}

inline DhcpConfig small_network() {
    DhcpConfig config;
    config.interface = "eth1";
    config.network = {ip("10.20.0.1"), 24};
    config.first = ip("10.20.0.100");
    config.last = ip("10.20.0.103");
    config.router = ip("10.20.0.254");
    config.dns = {ip("10.20.0.2"), ip("10.20.0.3")};
    config.domain = "lab.example";
    config.lease_time = std::chrono::hours(2);
    return config;
}

/// Boots everybody with one file; reservations by MAC.
struct TestPolicy final : BootPolicy {
    std::string boot_file = "snponly.efi";
    bool answer = true;
    std::map<Mac, Ipv4> reservations;
    std::vector<Mac> predecessors; // of whoever has a reservation
    std::vector<Ipv4> acknowledged;

    BootDecision decide(const ClientFacts& client) override {
        BootDecision decision;
        decision.answer = answer;
        decision.boot_file = boot_file;
        if (const auto found = reservations.find(client.mac); found != reservations.end()) {
            decision.reserved = found->second;
            decision.predecessors = predecessors;
            decision.host_name = "lab1-07";
        }
        return decision;
    }
    bool is_reserved(Ipv4 address) const override {
        for (const auto& [owner, reserved] : reservations) {
            if (reserved == address) {
                return true;
            }
        }
        return false;
    }
    void seen_discover(const ClientFacts&) override {}
    void seen_ack(const ClientFacts&, Ipv4 address) override { acknowledged.push_back(address); }
};

/// A server at a time that the test moves, and one exchange at a time.
struct Bench {
    TestPolicy policy;
    WallTime now{std::chrono::hours(500'000)};
    Server server;

    explicit Bench(DhcpConfig config = small_network()) : server(std::move(config), policy) {}

    Output feed(Bytes packet, Ipv4 source = {}) {
        server.handle_input(now, {packet, source});
        return server.take_output();
    }
    Output feed(const Message& message, Ipv4 source = {}) {
        ByteVector packet;
        encode(message, 1500, packet);
        return feed(Bytes(packet), source);
    }
    /// DISCOVER and REQUEST; the address that was granted.
    std::optional<Ipv4> lease(const Mac& client);
};

inline Message request_of(const Mac& client, MessageType type) {
    Message message;
    message.xid = 0x1234abcd;
    message.chaddr = client;
    message.options.add_u8(option::message_type, static_cast<std::uint8_t>(type));
    return message;
}
inline Message selecting(const Mac& client, Ipv4 address, Ipv4 server = ip("10.20.0.1")) {
    Message message = request_of(client, MessageType::request);
    message.options.add_address(option::requested_address, address);
    message.options.add_address(option::server_identifier, server);
    return message;
}
inline Message init_reboot(const Mac& client, Ipv4 address) {
    Message message = request_of(client, MessageType::request);
    message.options.add_address(option::requested_address, address);
    return message;
}
inline Message renewing(const Mac& client, Ipv4 address) {
    Message message = request_of(client, MessageType::request);
    message.ciaddr = address;
    return message;
}

/// The only reply of `output`, decoded; nothing when there is none.
inline std::optional<Message> reply_of(const Output& output) {
    const auto& queue = output.at_once.empty() ? output.after_save : output.at_once;
    if (queue.size() != 1 || output.at_once.size() + output.after_save.size() != 1) {
        return std::nullopt;
    }
    const auto message = decode(queue.front().packet);
    return message ? std::optional(*message) : std::nullopt;
}
inline std::optional<MessageType> type_of(const Output& output) {
    const auto reply = reply_of(output);
    return reply ? reply->type() : std::nullopt;
}
inline bool has_event(const Output& output, EventKind kind) {
    return std::any_of(output.events.begin(), output.events.end(), [kind](const Event& e) { return e.kind == kind; });
}

inline std::optional<Ipv4> Bench::lease(const Mac& client) {
    const auto offer = reply_of(feed(request_of(client, MessageType::discover)));
    if (!offer) {
        return std::nullopt;
    }
    const auto ack = reply_of(feed(selecting(client, offer->yiaddr)));
    return ack && ack->type() == MessageType::ack ? std::optional(ack->yiaddr) : std::nullopt;
}

} // namespace rootstock::dhcp::test
