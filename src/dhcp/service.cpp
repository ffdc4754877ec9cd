#include "dhcp/service.hpp"

#include "dhcp/frame.hpp"
#include "dhcp/limits.hpp"
#include "dhcp/server.hpp"
#include "net/interfaces.hpp"
#include "net/offload_await.hpp"
#include "net/raw_link.hpp"
#include "net/task_group.hpp"
#include "net/udp_port.hpp"

namespace rootstock::dhcp {

namespace {

constexpr Ipv4 everybody{0xffffffff};

/// What waits for the next save.
struct Pending {
    LeaseChanges changes;
    std::vector<Reply> replies;
};

/// On an offload thread.
Result<void> write(LeaseStore& store, const LeaseChanges& changes) {
    std::vector<Lease> leases;
    for (const auto& [address, lease] : changes) {
        if (lease) {
            leases.push_back(*lease);
        } else if (auto removed = store.remove(address); !removed) {
            return removed;
        }
    }
    return leases.empty() ? Result<void>() : store.save(leases);
}

/// Frames of other servers, seen by everybody because they broadcast.
std::string foreign_filter(const Mac& own) {
    return "udp src port 67 and udp dst port 68 and not ether src " + own.text();
}

} // namespace

class Service::Edge {
  public:
    Edge(net::Runtime& runtime, net::Offload& offload, Log& log, const Clock& clock, DhcpConfig config, BootPolicy& policy, LeaseStore& store)
        : shard_(runtime.control()), offload_(offload), log_(log), clock_(clock), config_(std::move(config)), policy_(policy),
          store_(store), save_wanted_(shard_.context(), net::Timer::time_point::max()), tasks_(shard_, log) {}

    Result<void> open();
    Result<void> start();
    void stop();

  private:
    Result<void> open_ports();
    net::Awaitable<> receive_loop();
    net::Awaitable<> save_loop();
    net::Awaitable<> watch_loop();
    void deliver(Output output);
    void send(const Reply& reply);
    bool send_frame(const Reply& reply);
    void write_events(const std::vector<Event>& events);

    net::Shard& shard_;
    net::Offload& offload_;
    Log& log_;
    const Clock& clock_;
    DhcpConfig config_;
    BootPolicy& policy_;
    LeaseStore& store_;
    Mac own_mac_;
    std::unique_ptr<Server> server_;
    std::unique_ptr<net::UdpPort> port_;
    std::unique_ptr<net::RawLink> link_;
    net::UdpBatch batch_;
    Pending pending_;
    net::Timer save_wanted_; // never expires; cancelled to wake save_loop()
    net::TaskGroup tasks_;
};

Result<void> Service::Edge::open() {
    if (port_) {
        return {};
    }
    if (auto checked = check(config_); !checked) {
        return checked;
    }
    const auto interface = net::find_interface(config_.interface);
    if (!interface) {
        return interface.error();
    }
    own_mac_ = interface->mac;
    Result<void> opened;
    shard_.call([&] { opened = open_ports(); });
    return opened;
}

Result<void> Service::Edge::start() {
    if (auto opened = open(); !opened) {
        return opened;
    }
    const auto leases = store_.load();
    if (!leases) {
        return leases.error();
    }
    server_ = std::make_unique<Server>(config_, policy_);
    server_->restore(*leases, clock_.wall());
    shard_.call([this] {
        tasks_.spawn(receive_loop());
        tasks_.spawn(save_loop());
        tasks_.spawn(watch_loop());
    });
    log_.info("dhcp.started", {{"interface", config_.interface},
                               {"address", config_.network.address.text()},
                               {"first", config_.first.text()},
                               {"last", config_.last.text()},
                               {"leases", leases->size()}});
    return {};
}

Result<void> Service::Edge::open_ports() {
    net::UdpOptions options;
    options.port = server_port;
    options.device = config_.interface;
    options.broadcast = true;
    options.purpose = "the DHCP server on " + config_.interface;
    auto port = net::UdpPort::open(shard_.context(), options);
    if (!port) {
        return port.error();
    }
    auto link = net::RawLink::open(shard_.context(), config_.interface, foreign_filter(own_mac_));
    if (!link) {
        return link.error();
    }
    port_ = std::move(*port);
    link_ = std::move(*link);
    return {};
}

void Service::Edge::stop() {
    if (!port_) {
        return;
    }
    tasks_.stop();
    shard_.call([this] {
        port_.reset();
        link_.reset();
    });
}

net::Awaitable<> Service::Edge::receive_loop() {
    while (true) {
        const auto error = co_await port_->readable();
        if (error) {
            co_return;
        }
        if (!port_->receive(batch_)) {
            continue;
        }
        const WallTime now = clock_.wall();
        for (const auto& datagram : batch_.datagrams()) {
            server_->handle_input(now, {datagram.data, datagram.from.address});
        }
        deliver(server_->take_output());
    }
}

net::Awaitable<> Service::Edge::save_loop() {
    while (true) {
        while (pending_.changes.empty()) {
            co_await save_wanted_.async_wait(net::as_tuple_awaitable);
        }
        const Pending work = std::exchange(pending_, Pending());
        const auto saved = co_await net::offload_async(offload_, shard_.context(), [&] { return write(store_, work.changes); });
        if (!saved || !*saved) {
            // No ACK: the clients ask again, and each request saves its lease anew.
            log_.error("dhcp.lease.not_saved", {{"leases", work.changes.size()},
                                                {"reason", saved ? saved->error().what : "the offload queue is full"}});
            continue;
        }
        for (const Reply& reply : work.replies) {
            policy_.seen_ack(reply.client, *reply.granted);
            send(reply);
        }
    }
}

net::Awaitable<> Service::Edge::watch_loop() {
    while (true) {
        const auto error = co_await link_->readable();
        if (error) {
            co_return;
        }
        for (std::size_t count = 0; count < foreign_frames_limit; ++count) {
            const auto frame = link_->receive();
            if (!frame) {
                break;
            }
            server_->handle_foreign_frame(clock_.wall(), *frame);
        }
        deliver(server_->take_output());
    }
}

void Service::Edge::deliver(Output output) {
    write_events(output.events);
    for (const Reply& reply : output.at_once) {
        send(reply);
    }
    if (pending_.replies.size() + output.after_save.size() > pending_replies_limit) {
        log_.warning("dhcp.overload", {{"waiting", pending_.replies.size()}});
        output.after_save.clear(); // they ask again; their leases are saved all the same
    }
    for (auto& [address, lease] : output.changes) {
        pending_.changes[address] = std::move(lease);
    }
    std::move(output.after_save.begin(), output.after_save.end(), std::back_inserter(pending_.replies));
    if (!pending_.changes.empty()) {
        save_wanted_.cancel();
    }
}

void Service::Edge::send(const Reply& reply) {
    if (reply.to.kind == Destination::Kind::hardware && send_frame(reply)) {
        return;
    }
    const bool broadcast = reply.to.kind != Destination::Kind::unicast;
    net::OutgoingDatagram datagram;
    datagram.body = reply.packet;
    datagram.to = {broadcast ? everybody : reply.to.address, reply.to.port};
    datagram.from = config_.network.address;
    port_->send({&datagram, 1});
}

/// False: it could not be sent; the broadcast that is tried instead is understood by every client.
bool Service::Edge::send_frame(const Reply& reply) {
    const FrameAddress from{own_mac_, config_.network.address, server_port};
    const FrameAddress to{reply.to.mac, reply.to.address, reply.to.port};
    const auto sent = link_->send(build_udp_frame(from, to, reply.packet));
    if (!sent) {
        log_.warning("dhcp.frame.not_sent", {{"mac", reply.to.mac.text()}, {"reason", sent.error().what}});
        return false;
    }
    return true;
}

void Service::Edge::write_events(const std::vector<Event>& events) {
    for (const Event& event : events) {
        const EventRow& row = event_row(event.kind);
        log_.write(row.level, row.name, {{"mac", event.mac.text()}, {"address", event.address.text()}, {"detail", event.detail}});
    }
}

Service::Service(net::Runtime& runtime, net::Offload& offload, Log& log, const Clock& clock, DhcpConfig config, BootPolicy& policy, LeaseStore& store)
    : edge_(std::make_unique<Edge>(runtime, offload, log, clock, std::move(config), policy, store)) {}

Service::~Service() { stop(); }

Result<void> Service::open() { return edge_->open(); }

Result<void> Service::start() { return edge_->start(); }

void Service::stop() { edge_->stop(); }

} // namespace rootstock::dhcp
