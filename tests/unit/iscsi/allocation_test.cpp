// In steady state an I/O costs no allocation. Counts operator new of this whole program.
#include "core/crc32c.hpp"
#include "support/catch.hpp"
#include "support/count_allocations.hpp"
#include "support/iscsi_host.hpp"
#include "support/stub_device.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using test::StubDevice;

namespace {

/// Plays initiator and edge without allocating anything itself.
class Edge {
  public:
    explicit Edge(test::IscsiHost& host) : host_(host) {}

    void receive(Bytes bytes) {
        Connection& connection = *host_.connection;
        while (!bytes.empty()) {
            std::size_t taken = 0;
            for (const MutableBytes window : connection.rx_windows()) {
                const std::size_t size = std::min(window.size(), bytes.size() - taken);
                std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(taken), size, window.begin());
                taken += size;
            }
            connection.rx_commit(host_.clock.now(), taken);
            bytes = bytes.subspan(taken);
        }
    }
    /// The header of the next PDU that is to be sent.
    template <class Header> Header peek() {
        REQUIRE(host_.connection->output().gather(pieces_, limits::gather_bytes) > 0);
        REQUIRE(pieces_[0].iov_len >= bhs_size);
        return from_bytes<Header>(Bytes(static_cast<const std::uint8_t*>(pieces_[0].iov_base), bhs_size));
    }
    void send_all() {
        Connection& connection = *host_.connection;
        while (!connection.output().empty()) {
            const std::size_t count = connection.output().gather(pieces_, limits::gather_bytes);
            std::size_t size = 0;
            for (std::size_t i = 0; i < count; ++i) {
                size += pieces_[i].iov_len;
            }
            connection.sent(host_.clock.now(), size);
        }
    }

  private:
    test::IscsiHost& host_;
    std::array<iovec, limits::gather_pieces> pieces_{};
};

/// Equal commands one after the other, each with the next numbers.
struct Batch {
    ByteVector bytes;
    std::size_t pdu_size = 0;
    bool header_digest = false;

    void renumber(test::IscsiHost& host) {
        for (std::size_t at = 0; at < bytes.size(); at += pdu_size) {
            auto header = from_bytes<ScsiCommandHeader>(Bytes(bytes).subspan(at));
            header.cmd_sn = host.next_cmd_sn++;
            header.initiator_task_tag = host.next_tag++;
            std::memcpy(bytes.data() + at, &header, sizeof header);
            if (header_digest) {
                const le32 digest(crc32c(object_bytes(header)));
                std::memcpy(bytes.data() + at + sizeof header, &digest, sizeof digest);
            }
        }
    }
};

struct Case {
    const char* name;
    std::array<const char*, 2> keys; // "": none
    StubDevice::Reads reads;
    bool write;
    unsigned blocks;
    unsigned queue;
    bool digests = false;
};

Batch make_batch(test::IscsiHost& host, const Case& c) {
    Batch batch;
    batch.header_digest = c.digests;
    const std::uint32_t size = c.blocks * 512;
    for (unsigned i = 0; i < c.queue; ++i) {
        const ByteVector pdu = c.write ? test::wire(host.write10(i * c.blocks, c.blocks, size), ByteVector(size, 2), c.digests, c.digests)
                                       : test::wire(host.read10(i * c.blocks, c.blocks, size), {}, c.digests, c.digests);
        batch.bytes.insert(batch.bytes.end(), pdu.begin(), pdu.end());
    }
    host.next_cmd_sn -= c.queue;
    batch.pdu_size = batch.bytes.size() / c.queue;
    return batch;
}

/// `round` a few times until everything has the size that it needs, then what 200 more allocate.
template <class Round> std::uint64_t allocations_in_steady_state(Round round) {
    for (int i = 0; i < 20; ++i) {
        round();
    }
    const std::uint64_t before = test::allocations.load();
    for (int i = 0; i < 200; ++i) {
        round();
    }
    return test::allocations.load() - before;
}

std::uint64_t allocations_of(const Case& c) {
    test::IscsiHost host(std::make_shared<StubDevice>(1 << 20, c.reads));
    host.login({c.keys[0], c.keys[1]});
    host.header_digest = host.data_digest = c.digests;
    host.clear_unit_attention();
    Batch batch = make_batch(host, c);
    Edge edge(host);
    const std::uint64_t result = allocations_in_steady_state([&] {
        batch.renumber(host);
        edge.receive(batch.bytes);
        edge.send_all();
    });
    CHECK(host.connection->session().window.exp_cmd_sn() == host.next_cmd_sn); // all were served
    CHECK(host.connection->session().counters->reads + host.connection->session().counters->writes == 220 * c.queue);
    return result;
}

} // namespace

TEST_CASE("Steady state: no command allocates, whatever was agreed and wherever data come from", "[iscsi][allocation]") {
    using Reads = StubDevice::Reads;
    const Case cases[] = {
        {"4 KiB reads of a mapping", {"MaxRecvDataSegmentLength=65536", ""}, Reads::mapped, false, 8, 8},
        {"4 KiB reads into buffers", {"MaxRecvDataSegmentLength=65536", ""}, Reads::buffered, false, 8, 8},
        {"64 KiB reads of a mapping", {"MaxRecvDataSegmentLength=262144", ""}, Reads::mapped, false, 128, 1},
        {"64 KiB reads into buffers, eight at a time", {"MaxRecvDataSegmentLength=65536", ""}, Reads::buffered, false, 128, 8},
        {"64 KiB reads in small segments and bursts", {"MaxRecvDataSegmentLength=512", "MaxBurstLength=4096"}, Reads::mapped, false, 128, 4},
        {"4 KiB reads with digests", {"HeaderDigest=CRC32C", "DataDigest=CRC32C"}, Reads::mapped, false, 8, 8, true},
        {"64 KiB reads with digests", {"HeaderDigest=CRC32C", "DataDigest=CRC32C"}, Reads::buffered, false, 128, 2, true},
        {"4 KiB writes", {"ImmediateData=Yes", ""}, Reads::mapped, true, 8, 8},
        {"64 KiB immediate writes", {"ImmediateData=Yes", ""}, Reads::mapped, true, 128, 4},
        {"4 KiB writes with digests", {"HeaderDigest=CRC32C", "DataDigest=CRC32C"}, Reads::mapped, true, 8, 8, true},
    };
    for (const Case& c : cases) {
        INFO(c.name);
        CHECK(allocations_of(c) == 0);
    }
}

TEST_CASE("Steady state: a solicited write allocates nothing", "[iscsi][allocation]") {
    constexpr std::uint32_t size = 64 * 1024;
    test::IscsiHost host(std::make_shared<StubDevice>(1 << 20));
    host.login({"ImmediateData=No"});
    host.clear_unit_attention();
    Batch command = make_batch(host, {"", {"", ""}, StubDevice::Reads::mapped, false, 128, 1});
    ByteVector data = test::wire(make_header<DataOutHeader>(Opcode::data_out), ByteVector(size, 7));
    auto write = from_bytes<ScsiCommandHeader>(command.bytes);
    write.flags = static_cast<std::uint8_t>((write.flags & ~ScsiCommandHeader::read_bit) | ScsiCommandHeader::write_bit);
    write.cdb[0] = 0x2a;
    std::memcpy(command.bytes.data(), &write, sizeof write);
    Edge edge(host);
    const std::uint64_t result = allocations_in_steady_state([&] {
        command.renumber(host);
        edge.receive(command.bytes);
        const auto r2t = edge.peek<ReadyToTransferHeader>();
        edge.send_all();
        auto header = from_bytes<DataOutHeader>(data);
        header.initiator_task_tag = r2t.initiator_task_tag;
        header.target_transfer_tag = r2t.target_transfer_tag;
        std::memcpy(data.data(), &header, sizeof header);
        edge.receive(data);
        edge.send_all();
    });
    CHECK(result == 0);
    CHECK(host.connection->session().counters->written_bytes == 220 * size);
}

TEST_CASE("Steady state: pings and task management allocate nothing", "[iscsi][allocation]") {
    test::IscsiHost host;
    host.login();
    auto ping = make_header<NopOutHeader>(Opcode::nop_out);
    ping.opcode_byte |= immediate_bit;
    ping.initiator_task_tag = 7;
    ping.target_transfer_tag = reserved_tag;
    auto abort = make_header<TaskManagementRequestHeader>(Opcode::task_management_request);
    abort.opcode_byte |= immediate_bit;
    abort.flags = 0x82;
    abort.initiator_task_tag = 8;
    ByteVector bytes = test::wire(ping, ByteVector(512));
    const ByteVector second = test::wire(abort);
    bytes.insert(bytes.end(), second.begin(), second.end());
    Edge edge(host);
    CHECK(allocations_in_steady_state([&] {
              edge.receive(bytes);
              edge.send_all();
          }) == 0);
}

TEST_CASE("An idle session holds little: less than 64 KiB, also after a full window of work", "[iscsi][allocation][bounds]") {
    constexpr std::uint64_t promised = 64 * 1024;
    test::IscsiHost host(std::make_shared<StubDevice>(1 << 20));
    host.disconnect();
    const std::uint64_t before = test::live_bytes.load();
    host.connect();
    host.login({"MaxRecvDataSegmentLength=512"});
    host.clear_unit_attention();
    const std::uint64_t logged_in = test::live_bytes.load() - before;
    CHECK(logged_in < promised);
    host.hold_jobs = true;
    for (unsigned i = 0; i < limits::command_window; ++i) {
        host.feed(test::wire(host.command({0x35}, 0, 0)));
    }
    host.release_jobs();
    host.feed(test::wire(host.read10(0, 1024, 1024 * 512)));
    host.take();
    host.clock.advance(host.limits.idle_before_ping);
    host.connection->handle_timeout(host.clock.now());
    host.settle();
    REQUIRE(host.take().size() == 1); // the ping
    const std::uint64_t idle = test::live_bytes.load() - before;
    CAPTURE(logged_in, idle, sizeof(Connection), sizeof(Task));
    CHECK(idle < promised / 2); // the rest is for the socket's side: Driver, timer, handlers
    CHECK(host.exchange(host.read10(0, 8, 4096)).size() == 8); // and it works as before
}
