#include "../../unit/dhcp/dhcp_support.hpp"
#include "dhcp/frame.hpp"
#include "support/catch.hpp"
#include "support/fuzz.hpp"

using namespace rootstock;
using namespace rootstock::dhcp;
using namespace rootstock::dhcp::test;

namespace {

rootstock::test::Corpus captured() {
    rootstock::test::Corpus corpus;
    for (const char* client : {"edk2-pxe", "edk2-http", "ipxe-bios", "ipxe-efi", "undionly", "linux-ipconfig"}) {
        for (const char* kind : {"-discover", "-request", "-ack-by-dnsmasq"}) {
            corpus.push_back(golden(std::string("dhcp/") + client + kind + ".hex"));
        }
    }
    return corpus;
}

} // namespace

TEST_CASE("Fuzz: what decodes, encodes to something that decodes to the same", "[fuzz][dhcp]") {
    rootstock::test::fuzz(captured(), 60'000, [](Bytes input) {
        const auto message = decode(input);
        if (!message) {
            return;
        }
        ByteVector packet;
        Message sendable = *message; // a received field may be full to the last byte; ours end with a NUL
        sendable.sname.resize(std::min(sendable.sname.size(), sname_capacity));
        sendable.file.resize(std::min(sendable.file.size(), file_capacity));
        encode(sendable, 100'000, packet);
        const auto again = decode(packet);
        // Option 52 is kept as a number, but its fields are not written as options again.
        if (!message->options.has(option::overload) && !message->options.has(option::relay_agent_information)) {
            REQUIRE(again);
            REQUIRE(*again == sendable);
        }
    });
}

TEST_CASE("Fuzz: the server answers anything within its bounds", "[fuzz][dhcp]") {
    Bench bench;
    bench.policy.reservations[mac("52:54:00:e2:e0:00")] = ip("10.20.0.7");
    rootstock::test::fuzz(captured(), 60'000, [&](Bytes input) {
        bench.now += std::chrono::milliseconds(100);
        const Output output = bench.feed(input);
        REQUIRE(output.at_once.size() + output.after_save.size() <= 1);
        for (const auto* queue : {&output.at_once, &output.after_save}) {
            for (const Reply& reply : *queue) {
                REQUIRE(reply.packet.size() >= 300);
                REQUIRE(reply.packet.size() <= 1472 + 600); // option 82 is echoed whatever its length
                REQUIRE(decode(reply.packet));
            }
        }
        REQUIRE(bench.server.pool().free_count() <= 4);
    });
}

TEST_CASE("Fuzz: frames of other servers", "[fuzz][dhcp]") {
    Bench bench;
    rootstock::test::Corpus frames;
    for (const auto& packet : captured()) {
        frames.push_back(build_udp_frame({mac("02:00:00:00:00:01"), ip("10.20.0.9"), 67}, {mac("02:00:00:00:00:02"), ip("10.20.0.100"), 68}, packet));
    }
    rootstock::test::fuzz(frames, 40'000, [&](Bytes input) {
        bench.server.handle_foreign_frame(bench.now, input);
        REQUIRE(bench.server.take_output().events.size() <= 1);
    });
}
