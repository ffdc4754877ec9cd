#include "tftp/service.hpp"

#include "net/task_group.hpp"
#include "net/udp_port.hpp"
#include "tftp/admission.hpp"
#include "tftp/limits.hpp"
#include "tftp/transfer.hpp"

#include <deque>

namespace rootstock::tftp {

namespace {

constexpr std::string_view octet_mode = "octet";

/// A request that was admitted, on its way to the shard that serves it.
struct Job {
    std::string file_name;
    std::string client; // for the boot record
    net::UdpEndpoint peer;
    Ipv4 local;
    File file;
    Negotiated options;
    AdmissionTicket ticket;
    net::ShardLoad load;
};

std::string without_leading_slashes(const std::string& name) {
    return name.substr(std::min(name.find_first_not_of('/'), name.size()));
}

std::string_view text(Transfer::State state) {
    switch (state) {
    case Transfer::State::options:
    case Transfer::State::sending:
        return "the server stops";
    case Transfer::State::completed:
        return "completed";
    case Transfer::State::aborted:
        return "the client ended it";
    case Transfer::State::timed_out:
        return "the client fell silent";
    }
    return "unknown";
}

} // namespace

class Service::Edge {
  public:
    Edge(net::Runtime& runtime, Log& log, const Clock& clock, TftpConfig config, FileSource& files)
        : runtime_(runtime), log_(log), clock_(clock), config_(config), files_(files) {
        for (std::size_t i = 0; i < runtime.shard_count(); ++i) {
            lanes_.emplace_back(runtime.shard(i), log);
        }
    }

    Result<void> start();
    void stop();
    [[nodiscard]] std::uint16_t port() const { return port_->port(); }

  private:
    /// What each shard has of its own.
    struct Lane {
        Lane(net::Shard& s, Log& log) : shard(s), tasks(s, log) {}
        net::Shard& shard;
        net::UdpBatch batch; // shared by all transfers of the shard: none keeps it across a wait
        net::TaskGroup tasks;
    };

    net::Awaitable<> request_loop(Lane& lane);
    void handle_request(const net::Datagram& datagram);
    void admit(const Request& request, const net::Datagram& datagram);
    void refuse(const net::Datagram& datagram, ErrorCode code, std::string_view message);
    net::Awaitable<> serve(Lane& lane, Job job);
    net::Awaitable<> exchange(Lane& lane, net::UdpPort& port, const Job& job, Transfer& transfer);
    net::Awaitable<> send_output(net::UdpPort& port, const Job& job, Transfer& transfer);
    void receive(Lane& lane, net::UdpPort& port, const Job& job, Transfer& transfer);
    void finish(const Job& job, const Transfer& transfer, TimePoint started);

    net::Runtime& runtime_;
    Log& log_;
    const Clock& clock_;
    TftpConfig config_;
    FileSource& files_;
    Admission admission_;
    std::unique_ptr<net::UdpPort> port_;
    bool running_ = false;
    std::deque<Lane> lanes_; // by shard; the first also listens
};

Result<void> Service::Edge::start() {
    net::UdpOptions options;
    options.address = config_.address;
    options.port = config_.port;
    options.purpose = "the TFTP server";
    Lane& lane = lanes_.front();
    Result<void> opened;
    lane.shard.call([&] {
        auto port = net::UdpPort::open(lane.shard.context(), options);
        if (!port) {
            opened = port.error();
            return;
        }
        port_ = std::move(*port);
        lane.tasks.spawn(request_loop(lane));
    });
    running_ = static_cast<bool>(opened);
    return opened;
}

void Service::Edge::stop() {
    if (!std::exchange(running_, false)) {
        return;
    }
    for (Lane& lane : lanes_) { // the first one first: it hands new transfers to the others
        lane.tasks.stop();
    }
    for (Lane& lane : lanes_) { // what it had handed over meanwhile was dropped by then
        lane.shard.call([] {});
    }
    lanes_.front().shard.call([this] { port_.reset(); });
}

net::Awaitable<> Service::Edge::request_loop(Lane& lane) {
    while (true) {
        const auto error = co_await port_->readable();
        if (error) {
            co_return;
        }
        if (port_->receive(lane.batch)) {
            for (const auto& datagram : lane.batch.datagrams()) {
                handle_request(datagram);
            }
        }
    }
}

void Service::Edge::handle_request(const net::Datagram& datagram) {
    const auto packet = decode(datagram.data);
    if (!packet) {
        log_.debug("tftp.packet.malformed", {{"client", datagram.from.text()}});
        if (packet.error() != DecodeError::unexpected && packet.error() != DecodeError::too_short) {
            refuse(datagram, ErrorCode::illegal_operation, "the request cannot be read");
        }
        return;
    }
    const auto* request = std::get_if<Request>(&*packet);
    if (request == nullptr) {
        return; // ACK and ERROR have no business here; an answer could start a loop
    }
    if (request->write) {
        log_.warning("tftp.write.refused", {{"client", datagram.from.text()}, {"file", request->file_name}});
        return refuse(datagram, ErrorCode::access_violation, "this server takes no files");
    }
    if (request->mode != octet_mode) {
        return refuse(datagram, ErrorCode::illegal_operation, "only octet (binary) mode is served");
    }
    admit(*request, datagram);
}

void Service::Edge::admit(const Request& request, const net::Datagram& datagram) {
    const std::string name = without_leading_slashes(request.file_name);
    const std::string client = datagram.from.address.text();
    auto file = files_.find(name, client);
    if (!file) {
        log_.warning("tftp.file.not_found", {{"client", client}, {"file", name}});
        return refuse(datagram, ErrorCode::file_not_found, "no such file");
    }
    switch (admission_.enter(datagram.from.address, datagram.from.port)) {
    case Admission::Answer::admitted:
        break;
    case Admission::Answer::repeated:
        return;
    case Admission::Answer::client_limit:
    case Admission::Answer::total_limit:
        log_.warning("tftp.transfer.refused", {{"client", client}, {"running", admission_.count()}});
        return refuse(datagram, ErrorCode::not_defined, "too many transfers; try again");
    }
    net::Shard& shard = runtime_.least_loaded();
    Lane& lane = lanes_[shard.index()];
    Negotiated options = negotiate(request.options, file->bytes.size());
    Job job{name, client, datagram.from, datagram.local, std::move(*file), std::move(options),
            AdmissionTicket(admission_, datagram.from.address, datagram.from.port), net::ShardLoad(shard)};
    net::asio::post(shard.context(), [this, &lane, there = std::move(job)]() mutable {
        lane.tasks.spawn(serve(lane, std::move(there)));
    });
}

void Service::Edge::refuse(const net::Datagram& datagram, ErrorCode code, std::string_view message) {
    const ByteVector packet = encode_error(code, message);
    const net::OutgoingDatagram answer{packet, {}, datagram.from, datagram.local};
    port_->send({&answer, 1});
}

net::Awaitable<> Service::Edge::serve(Lane& lane, Job job) {
    net::UdpOptions options;
    options.address = job.local;
    options.purpose = "a TFTP transfer";
    auto port = net::UdpPort::open(lane.shard.context(), options);
    if (!port) {
        log_.error("tftp.transfer.failed", {{"client", job.client}, {"file", job.file_name}, {"reason", port.error().what}});
        co_return;
    }
    const TimePoint started = clock_.now();
    Transfer transfer(started, job.file, job.options);
    co_await exchange(lane, **port, job, transfer);
    finish(job, transfer, started);
}

net::Awaitable<> Service::Edge::exchange(Lane& lane, net::UdpPort& port, const Job& job, Transfer& transfer) {
    while (!transfer.is_over()) {
        co_await send_output(port, job, transfer);
        const bool ready = co_await port.readable_until(*transfer.next_timeout());
        if (ready) {
            receive(lane, port, job, transfer);
        } else {
            transfer.handle_timeout(clock_.now());
        }
    }
}

/// A window leaves in as few system calls as it can.
net::Awaitable<> Service::Edge::send_output(net::UdpPort& port, const Job& job, Transfer& transfer) {
    std::array<OutPacket, net::udp_batch_size> packets;
    std::array<net::OutgoingDatagram, net::udp_batch_size> datagrams;
    while (true) {
        std::size_t count = 0;
        while (count < packets.size()) {
            const auto packet = transfer.poll_output();
            if (!packet) {
                break;
            }
            packets[count] = *packet;
            datagrams[count] = {Bytes(packets[count].head).first(packet->head_size), packet->body, job.peer, {}};
            ++count;
        }
        if (count == 0) {
            co_return;
        }
        for (std::size_t sent = port.send({datagrams.data(), count}); sent < count;) {
            const auto error = co_await port.writable();
            if (error) {
                co_return;
            }
            sent += port.send({datagrams.data() + sent, count - sent});
        }
    }
}

void Service::Edge::receive(Lane& lane, net::UdpPort& port, const Job& job, Transfer& transfer) {
    if (!port.receive(lane.batch)) {
        return;
    }
    const TimePoint now = clock_.now();
    for (const auto& datagram : lane.batch.datagrams()) {
        if (datagram.from == job.peer) {
            transfer.handle_input(now, datagram.data);
        } else {
            // RFC 1350 section 4: somebody else's packet does not disturb the transfer.
            const ByteVector packet = encode_error(ErrorCode::unknown_transfer_id, "unknown transfer ID");
            const net::OutgoingDatagram answer{packet, {}, datagram.from, {}};
            port.send({&answer, 1});
        }
    }
}

void Service::Edge::finish(const Job& job, const Transfer& transfer, TimePoint started) {
    const auto& statistics = transfer.statistics();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - started).count();
    if (transfer.state() == Transfer::State::completed) {
        files_.delivered(job.file_name, job.client);
        log_.info("tftp.transfer.completed", {{"client", job.client},
                                              {"file", job.file_name},
                                              {"bytes", job.file.bytes.size()},
                                              {"ms", ms},
                                              {"retransmissions", statistics.retransmissions}});
    } else if (statistics.size_probe) {
        log_.debug("tftp.size.probed", {{"client", job.client}, {"file", job.file_name}});
    } else {
        log_.warning("tftp.transfer.failed", {{"client", job.client},
                                              {"file", job.file_name},
                                              {"reason", text(transfer.state())},
                                              {"error", statistics.peer_error},
                                              {"blocks", statistics.blocks_sent},
                                              {"ms", ms}});
    }
}

Service::Service(net::Runtime& runtime, Log& log, const Clock& clock, TftpConfig config, FileSource& files)
    : edge_(std::make_unique<Edge>(runtime, log, clock, config, files)) {}

Service::~Service() { stop(); }

Result<void> Service::start() { return edge_->start(); }

void Service::stop() { edge_->stop(); }

std::uint16_t Service::port() const { return edge_->port(); }

} // namespace rootstock::tftp
