// In steady state an I/O costs no allocation. Counts operator new of this whole program.
#include "support/catch.hpp"
#include "support/count_allocations.hpp"
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;

namespace {

/// One receive with `bytes`, everything that comes of it sent at once; as the edge does, without allocating anything itself.
void round_trip(test::IscsiHost& host, Bytes bytes) {
    Connection& connection = *host.connection;
    while (!bytes.empty()) {
        std::size_t taken = 0;
        for (const MutableBytes window : connection.rx_windows()) {
            const std::size_t size = std::min(window.size(), bytes.size() - taken);
            std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(taken), size, window.begin());
            taken += size;
        }
        connection.rx_commit(host.clock.now(), taken);
        bytes = bytes.subspan(taken);
    }
    std::array<iovec, limits::gather_pieces> pieces;
    while (!connection.output().empty()) {
        const std::size_t count = connection.output().gather(pieces, limits::gather_bytes);
        std::size_t size = 0;
        for (std::size_t i = 0; i < count; ++i) {
            size += pieces[i].iov_len;
        }
        connection.sent(host.clock.now(), size);
    }
}

/// Eight commands with the next numbers, patched into `bytes`.
void renumber(test::IscsiHost& host, ByteVector& bytes, std::size_t pdu_size) {
    for (std::size_t at = 0; at < bytes.size(); at += pdu_size) {
        auto header = from_bytes<ScsiCommandHeader>(Bytes(bytes).subspan(at));
        header.cmd_sn = host.next_cmd_sn++;
        header.initiator_task_tag = host.next_tag++;
        std::memcpy(bytes.data() + at, &header, sizeof header);
    }
}

std::uint64_t allocations_per_thousand_rounds(std::initializer_list<std::string> keys, bool write) {
    test::IscsiHost host;
    REQUIRE(host.device->write(0, ByteVector(1 << 20, 1), false));
    host.login(keys);
    host.clear_unit_attention();
    ByteVector bytes;
    for (unsigned i = 0; i < 8; ++i) {
        const ByteVector pdu = write ? test::wire(host.write10(i * 8, 8, 4096), ByteVector(4096, 2)) : test::wire(host.read10(i * 8, 8, 4096));
        bytes.insert(bytes.end(), pdu.begin(), pdu.end());
    }
    host.next_cmd_sn -= 8;
    const std::size_t pdu_size = bytes.size() / 8;
    for (int i = 0; i < 20; ++i) { // until everything has the size that it needs
        renumber(host, bytes, pdu_size);
        round_trip(host, bytes);
    }
    const std::uint64_t before = test::allocations.load();
    for (int i = 0; i < 1000; ++i) {
        renumber(host, bytes, pdu_size);
        round_trip(host, bytes);
    }
    CHECK(host.connection->session().window.exp_cmd_sn() == host.next_cmd_sn);
    return test::allocations.load() - before;
}

} // namespace

TEST_CASE("Steady state: eight 4 KiB reads or writes at a time allocate nothing", "[iscsi][allocation]") {
    CHECK(allocations_per_thousand_rounds({}, false) == 0);
    CHECK(allocations_per_thousand_rounds({"DataDigest=None", "MaxRecvDataSegmentLength=4096"}, false) == 0);
    CHECK(allocations_per_thousand_rounds({"ImmediateData=Yes"}, true) == 0);
}
