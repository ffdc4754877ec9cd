// The real service over loopback sockets: system calls per I/O by its own counters, and the bounds that only the edge keeps.
#include "iscsi/service.hpp"

#include "net/offload.hpp"
#include "net/runtime.hpp"
#include "support/recording_log.hpp"
#include "support/socket_initiator.hpp"
#include "support/stub_device.hpp"

#include <future>
#include <thread>

using namespace rootstock;
using namespace rootstock::iscsi;
using test::SocketInitiator;
using test::StubDevice;

namespace {

class Server {
  public:
    explicit Server(const Limits& limits = {}) : service_(runtime_, offload_, log, clock_, random_, config(limits), targets) {
        test::FixedTargets::Target target;
        target.units.push_back({0, scsi::make_disk_unit(device, scsi::identity_from_name("test"))});
        targets.add(test::target_name, std::move(target));
        REQUIRE(service_.start());
    }
    ~Server() {
        service_.stop(std::chrono::milliseconds(0));
        CHECK(targets.leases() == 0);
        offload_.stop();
        runtime_.stop();
    }

    [[nodiscard]] std::uint16_t port() const { return service_.port(); }
    Service& service() { return service_; }
    /// Runs `work` while the shard does nothing.
    void while_held(const std::function<void()>& work) {
        std::promise<void> held, release;
        std::thread holder([&] {
            runtime_.shard(0).call([&] {
                held.set_value();
                release.get_future().wait();
            });
        });
        held.get_future().wait();
        work();
        release.set_value();
        holder.join();
    }
    /// Everything that the shard has begun is counted.
    ServiceCounters counters() {
        runtime_.shard(0).call([] {});
        return service_.counters();
    }
    test::RecordingLog log;
    test::FixedTargets targets;
    std::shared_ptr<StubDevice> device = std::make_shared<StubDevice>(4 << 20);

  private:
    static ServiceConfig config(const Limits& limits) {
        ServiceConfig config;
        config.portals = {{"127.0.0.1", 0}};
        config.limits = limits;
        return config;
    }

    SystemClock clock_;
    SystemRandom random_;
    net::Runtime runtime_{1};
    net::Offload offload_{1};
    Service service_;
};

/// Sends `queue` reads in one write and waits for all answers, again and again; what each answer has cost the server.
class Reader {
  public:
    Reader(Server& server, StubDevice::Reads reads, unsigned blocks, unsigned queue)
        : server_(server), initiator_(server.port()), blocks_(blocks), queue_(queue) {
        server.device->reads = reads;
        REQUIRE(initiator_.login(1, {"MaxRecvDataSegmentLength=262144"}) == LoginStatus::success);
        initiator_.send(test::wire(builder_.command({0x00}, 0, 0)));
        REQUIRE(initiator_.receive());
    }

    ServiceCounters run(int rounds) {
        for (int i = 0; i < 20; ++i) {
            round();
        }
        const ServiceCounters before = server_.counters();
        for (int i = 0; i < rounds; ++i) {
            round();
        }
        const ServiceCounters after = server_.counters();
        return {after.receives - before.receives, after.sends - before.sends, after.waits - before.waits, after.jobs - before.jobs};
    }

  private:
    void round() {
        ByteVector batch;
        for (unsigned i = 0; i < queue_; ++i) {
            const ByteVector pdu = test::wire(builder_.read10(i * blocks_, blocks_, blocks_ * 512));
            batch.insert(batch.end(), pdu.begin(), pdu.end());
        }
        initiator_.send(batch);
        for (unsigned i = 0; i < queue_; ++i) {
            const auto pdu = initiator_.receive();
            REQUIRE(pdu);
            REQUIRE(pdu->opcode() == Opcode::data_in);
            REQUIRE((pdu->header.flags & DataInHeader::status_bit) != 0);
            REQUIRE(std::ranges::equal(pdu->data, server_.device->content().subspan(std::size_t{i} * blocks_ * 512, blocks_ * 512)));
        }
    }

    Server& server_;
    test::IscsiHost builder_; // only builds PDUs
    SocketInitiator initiator_;
    unsigned blocks_;
    unsigned queue_;
};

/// A receive, a send, or a wait, which is an epoll_ctl and an epoll_wait.
double calls(const ServiceCounters& counted) {
    return static_cast<double>(counted.receives + counted.sends + 2 * counted.waits);
}

/// A stranger who sends one PDU that is no login: closed without a word.
void be_turned_away(SocketInitiator stranger) {
    stranger.send(test::wire(make_header<NopOutHeader>(Opcode::nop_out)));
    CHECK(stranger.closed());
}

} // namespace

TEST_CASE("System calls: at queue depth 8, at most 0.75 for each 4 KiB reply", "[iscsi][service][counts]") {
    for (const auto reads : {StubDevice::Reads::mapped, StubDevice::Reads::buffered}) {
        Server server;
        const ServiceCounters counted = Reader(server, reads, 8, 8).run(300);
        CAPTURE(counted.receives, counted.sends, counted.waits);
        CHECK(calls(counted) / (300 * 8) <= 0.75);
        CHECK(counted.jobs == 0);
    }
}

TEST_CASE("System calls: a 64 KiB reply is one sendmsg", "[iscsi][service][counts]") {
    for (const auto reads : {StubDevice::Reads::mapped, StubDevice::Reads::buffered}) {
        Server server;
        const ServiceCounters counted = Reader(server, reads, 128, 1).run(300);
        CAPTURE(counted.receives, counted.sends, counted.waits);
        CHECK(counted.sends == 300);
        CHECK(counted.receives <= 2 * 300);
        CHECK(counted.jobs == 0);
    }
}

TEST_CASE("Bounds: connections in all", "[iscsi][service][bounds]") {
    Limits limits;
    limits.connections = 2;
    Server server(limits);
    SocketInitiator first(server.port());
    auto second = std::make_optional<SocketInitiator>(server.port(), "127.0.0.2");
    REQUIRE(first.login(1) == LoginStatus::success);
    REQUIRE(second->login(2) == LoginStatus::success);
    CHECK(SocketInitiator(server.port(), "127.0.0.3").closed());
    CHECK(server.log.wait_for("iscsi.connection.refused address=127.0.0.3 reason=\"too many connections\""));
    second.reset();
    CHECK(server.log.wait_for("iscsi.session.ended"));
    CHECK(SocketInitiator(server.port()).login(3) == LoginStatus::success);
}

TEST_CASE("Bounds: connections of one address", "[iscsi][service][bounds]") {
    Limits limits;
    limits.connections_per_address = 1;
    Server server(limits);
    SocketInitiator first(server.port());
    REQUIRE(first.login(1) == LoginStatus::success);
    CHECK(SocketInitiator(server.port()).closed());
    CHECK(server.log.wait_for("reason=\"too many connections from this address\""));
    SocketInitiator other(server.port(), "127.0.0.2");
    CHECK(other.login(2) == LoginStatus::success);
}

TEST_CASE("Bounds: connections that have not logged in", "[iscsi][service][bounds]") {
    Limits limits;
    limits.connections_before_login = 1;
    Server server(limits);
    SocketInitiator first(server.port());
    SocketInitiator second(server.port());
    CHECK(second.closed());
    CHECK(server.log.wait_for("reason=\"too many connections that have not logged in\""));
    REQUIRE(first.login(1) == LoginStatus::success); // no longer one of them
    SocketInitiator third(server.port());
    CHECK(third.login(2) == LoginStatus::success);
}

TEST_CASE("Bounds: the time until full feature phase", "[iscsi][service][bounds]") {
    Limits limits;
    limits.login_time = std::chrono::seconds(1);
    Server server(limits);
    SocketInitiator silent(server.port());
    SocketInitiator quick(server.port());
    REQUIRE(quick.login(1) == LoginStatus::success);
    CHECK(silent.closed());
    CHECK(server.log.wait_for("iscsi.connection.ended address=127.0.0.1 reason=\"the login took too long\""));
    CHECK(server.service().sessions().size() == 1);
}

TEST_CASE("Bounds: what one connection has to say before the next one's turn", "[iscsi][service][bounds]") {
    Server server;
    SocketInitiator greedy(server.port());
    SocketInitiator modest(server.port());
    REQUIRE(greedy.login(1) == LoginStatus::success);
    REQUIRE(modest.login(2) == LoginStatus::success);
    // What a device that is asked for the modest one's block finds done.
    const std::uint64_t received_before = server.counters().received_bytes;
    std::uint64_t received_then = 0;
    server.device->on_read = [&] { received_then = server.service().counters().received_bytes; };
    test::IscsiHost builder;
    const NopOutHeader unanswered = test::ping(reserved_tag);
    constexpr std::size_t chatter_bytes = 4096;
    const ByteVector chatter = test::wire(unanswered, ByteVector(chatter_bytes));
    std::size_t sent = 0;
    server.while_held([&] {
        sent = greedy.send_until_full(chatter);
        modest.send(test::wire(builder.command({0x00}, 0, 0)));
        modest.send(test::wire(builder.read10(0, 1, 512)));
    });
    REQUIRE(modest.receive());
    REQUIRE(modest.receive());
    constexpr std::uint64_t turn = std::uint64_t{limits::receives_per_turn} * (limits::receive_buffer + chatter_bytes);
    CHECK(received_then - received_before <= turn + 1024);
    if (sent <= 2 * turn) {
        WARN("not tested: the sockets of this host hold only " << sent << " bytes (net.core.wmem_max), which may be one turn");
    }
}

TEST_CASE("Reads that were waited for are sent to the end, although their initiator says nothing more", "[iscsi][service]") {
    constexpr unsigned blocks = 8192; // 4 MiB
    constexpr unsigned reads = 8;     // far more than the sockets' buffers take
    Server server;
    server.device->reads = StubDevice::Reads::miss_private; // so that the connection waits for input when the first of them is back
    SocketInitiator initiator(server.port());
    test::IscsiHost builder; // only builds PDUs
    initiator.keep_small_buffer();
    REQUIRE(initiator.login(1, {"MaxRecvDataSegmentLength=262144"}) == LoginStatus::success);
    initiator.send(test::wire(builder.command({0x00}, 0, 0)));
    REQUIRE(initiator.receive());
    for (unsigned i = 0; i < reads; ++i) {
        initiator.send(test::wire(builder.read10(0, blocks, blocks * 512)));
    }
    for (std::uint64_t before = 0, now = 1; before != now;) { // until nothing more can be sent
        before = now;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        now = server.counters().sends;
    }
    std::size_t received = 0;
    while (received < std::size_t{reads} * blocks * 512) {
        const auto pdu = initiator.receive();
        REQUIRE(pdu);
        received += pdu->data.size();
    }
    CHECK(received == std::size_t{reads} * blocks * 512);
}

TEST_CASE("Events: who is refused, and who is no initiator, is told", "[iscsi][service]") {
    Server server;
    {
        SocketInitiator initiator(server.port());
        const std::string nobody = test::key_text({"InitiatorName=iqn.a:b", "TargetName=iqn.a:none"});
        CHECK(initiator.login(1, {}, nobody) == LoginStatus::not_found);
        CHECK(initiator.closed());
    }
    CHECK(server.log.wait_for("iscsi.login.refused initiator=iqn.a:b target=iqn.a:none address=127.0.0.1 status=0x0203"));
    be_turned_away(SocketInitiator(server.port()));
    CHECK(server.log.wait_for("iscsi.connection.ended address=127.0.0.1 reason=\"the first PDU is no Login Request\""));
}

TEST_CASE("Events: an initiator that is sent elsewhere", "[iscsi][service]") {
    Server server;
    test::FixedTargets::Target moved;
    moved.authentication.moved_to = "10.20.0.2:3260";
    server.targets.add("iqn.a:moved", std::move(moved));
    SocketInitiator initiator(server.port());
    const std::string names = test::key_text({"InitiatorName=iqn.a:b", "TargetName=iqn.a:moved"});
    CHECK(initiator.login(1, {}, names) == LoginStatus::moved_temporarily);
    CHECK(initiator.closed());
    CHECK(server.log.wait_for("iscsi.login.redirected initiator=iqn.a:b target=iqn.a:moved address=127.0.0.1 to=10.20.0.2:3260"));
}

TEST_CASE("Events: the first Reject of a session is a warning, the others are not", "[iscsi][service]") {
    Server server;
    server.log.set_threshold(Level::info);
    SocketInitiator initiator(server.port());
    REQUIRE(initiator.login(1) == LoginStatus::success);
    for (int i = 0; i < 3; ++i) {
        initiator.send(test::wire(make_header<NopOutHeader>(Opcode::snack_request)));
        const auto answer = initiator.receive();
        REQUIRE(answer);
        CHECK(test::reject_reason({*answer}) == RejectReason::snack_reject);
    }
    CHECK(server.log.wait_for("iscsi.pdu.rejected session=1 address=127.0.0.1 opcode=0x10 reason=0x03"));
    server.counters(); // the shard has come so far
    CHECK(server.log.count("iscsi.pdu.rejected") == 1);
}

TEST_CASE("Stop: initiators are asked to log out, and those who do not are closed", "[iscsi][service]") {
    Server server;
    SocketInitiator initiator(server.port());
    REQUIRE(initiator.login(1) == LoginStatus::success);
    server.service().stop(std::chrono::milliseconds(200));
    const auto message = initiator.receive();
    REQUIRE(message);
    CHECK(message->opcode() == Opcode::async_message);
    CHECK(message->as<AsyncMessageHeader>().async_event == 1);
    CHECK(initiator.closed());
    CHECK(server.log.count("iscsi.session.ended") == 1);
}
