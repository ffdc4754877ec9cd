#include "ndp/service.hpp"

#include "ndp/advertisement.hpp"
#include "net/capabilities.hpp"
#include "net/interfaces.hpp"
#include "net/task_group.hpp"

#include <netinet/icmp6.h>
#include <netinet/in.h>

namespace rootstock::ndp {

namespace {

constexpr int hop_limit = 255;
constexpr std::size_t receive_size = 1500;

struct Received {
    Bytes message;
    Ipv6 source{};
    int hop_limit = -1;
};

sockaddr_in6 to_sockaddr(const Ipv6& address, unsigned interface_index) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_scope_id = interface_index;
    std::memcpy(&to.sin6_addr, address.data(), address.size());
    return to;
}

template <class Value> bool set_option(int socket, int level, int option, const Value& value) {
    return ::setsockopt(socket, level, option, &value, sizeof(value)) == 0;
}

/// RFC 3542: only router solicitations, the hop limit of each, and 255 on what we send.
Result<void> configure(int socket, const net::Interface& interface) {
    icmp6_filter filter{};
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
    ipv6_mreq group{};
    std::memcpy(&group.ipv6mr_multiaddr, all_routers.data(), all_routers.size());
    group.ipv6mr_interface = interface.index;
    const auto length = static_cast<socklen_t>(interface.name.size());
    const bool done = ::setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, interface.name.data(), length) == 0 &&
                      set_option(socket, IPPROTO_ICMPV6, ICMP6_FILTER, filter) &&
                      set_option(socket, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
                      set_option(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hop_limit) &&
                      set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hop_limit) &&
                      set_option(socket, IPPROTO_IPV6, IPV6_JOIN_GROUP, group);
    return done ? Result<void>() : errno_error("router advertisements on " + interface.name + ": setting socket options");
}

bool receive(int socket, MutableBytes space, Received& received) {
    sockaddr_in6 from{};
    iovec vector{space.data(), space.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof(from);
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket, &header, MSG_DONTWAIT);
    if (size < 0) {
        return false;
    }
    received.message = Bytes(space).first(static_cast<std::size_t>(size));
    std::memcpy(received.source.data(), &from.sin6_addr, received.source.size());
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
        if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_HOPLIMIT) {
            std::memcpy(&received.hop_limit, CMSG_DATA(item), sizeof(received.hop_limit));
        }
    }
    return true;
}

} // namespace

class Service::Edge {
  public:
    Edge(net::Runtime& runtime, Log& log, std::string interface)
        : shard_(runtime.control()), log_(log), name_(std::move(interface)), socket_(shard_.context()), tasks_(shard_, log) {}

    Result<void> start();
    void stop();

  private:
    Result<void> open();
    net::Awaitable<> answer_loop();
    void answer(const Received& received);

    net::Shard& shard_;
    Log& log_;
    std::string name_;
    net::Interface interface_;
    net::Descriptor socket_;
    net::TaskGroup tasks_;
    bool started_ = false;
};

Result<void> Service::Edge::start() {
    auto interface = net::find_interface(name_);
    if (!interface) {
        return interface.error();
    }
    interface_ = std::move(*interface);
    if (auto allowed = net::require_raw_capability("answering router solicitations on " + name_); !allowed) {
        return allowed;
    }
    Result<void> opened;
    shard_.call([&] { opened = open(); });
    return opened;
}

Result<void> Service::Edge::open() {
    const int socket = ::socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    if (socket < 0 && errno == EAFNOSUPPORT) {
        log_.info("ndp.off", {{"interface", name_}, {"reason", "this host has no IPv6"}});
        return {};
    }
    if (socket < 0) {
        return errno_error("router advertisements on " + name_ + ": opening a raw ICMPv6 socket");
    }
    socket_.assign(socket);
    if (auto configured = configure(socket, interface_); !configured) {
        if (configured.error().code != std::errc::no_such_device && configured.error().code != std::errc::address_not_available) {
            return configured;
        }
        log_.info("ndp.off", {{"interface", name_}, {"reason", "the interface has no IPv6"}});
        return {};
    }
    started_ = true;
    tasks_.spawn(answer_loop());
    return {};
}

void Service::Edge::stop() {
    if (std::exchange(started_, false)) {
        tasks_.stop();
    }
}

net::Awaitable<> Service::Edge::answer_loop() {
    std::array<std::uint8_t, receive_size> space{};
    while (true) {
        auto [error] = co_await socket_.async_wait(net::Descriptor::wait_read, net::as_tuple_awaitable);
        if (error) {
            co_return;
        }
        Received received;
        if (receive(socket_.native_handle(), space, received)) {
            answer(received);
        }
    }
}

void Service::Edge::answer(const Received& received) {
    if (!decode_solicitation(received.message, received.source, received.hop_limit)) {
        return;
    }
    const ByteVector message = encode_advertisement(interface_.mac);
    const sockaddr_in6 to = to_sockaddr(answer_address(received.source), interface_.index);
    const auto sent = ::sendto(socket_.native_handle(), message.data(), message.size(), MSG_DONTWAIT,
                               reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    if (sent < 0) {
        log_.debug("ndp.not_sent", {{"interface", name_}, {"reason", errno_error("sending").what}});
    }
}

Service::Service(net::Runtime& runtime, Log& log, std::string interface)
    : edge_(std::make_unique<Edge>(runtime, log, std::move(interface))) {}

Service::~Service() { stop(); }

Result<void> Service::start() { return edge_->start(); }

void Service::stop() { edge_->stop(); }

} // namespace rootstock::ndp
