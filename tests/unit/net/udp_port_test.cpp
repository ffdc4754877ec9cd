#include "net/udp_port.hpp"

#include "net/runtime.hpp"
#include "support/catch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

using namespace rootstock;
using namespace rootstock::net;
using namespace std::chrono_literals;

namespace {

const Ipv4 loopback{0x7f000001};

std::unique_ptr<UdpPort> open_port(asio::io_context& context, Ipv4 address) {
    UdpOptions options;
    options.address = address;
    options.purpose = "a test";
    auto port = UdpPort::open(context, options);
    REQUIRE(port);
    return std::move(*port);
}

} // namespace

TEST_CASE("UDP: a batch arrives with its senders and the address that was asked", "[net][udp]") {
    asio::io_context context;
    const auto server = open_port(context, {});
    const auto client = open_port(context, loopback);
    const ByteVector head{1, 2};
    const ByteVector body{3};
    const Ipv4 second{0x7f000002}; // 127.0.0.2 is the loopback as well
    const std::vector<OutgoingDatagram> outgoing{{head, body, {loopback, server->port()}, {}}, {head, {}, {second, server->port()}, {}}};
    REQUIRE(client->send(outgoing) == 2);

    UdpBatch batch;
    REQUIRE(server->receive(batch));
    REQUIRE(batch.datagrams().size() == 2);
    const Datagram& first = batch.datagrams()[0];
    CHECK(ByteVector(first.data.begin(), first.data.end()) == ByteVector{1, 2, 3});
    CHECK(first.from == UdpEndpoint{loopback, client->port()});
    CHECK(first.local == loopback);
    CHECK(first.interface_index != 0);
    CHECK(batch.datagrams()[1].local == second);
    CHECK_FALSE(server->receive(batch));

    // The answer leaves from the address that was asked.
    const OutgoingDatagram answer{head, {}, {loopback, client->port()}, second};
    REQUIRE(server->send({&answer, 1}) == 1);
    REQUIRE(client->receive(batch));
    CHECK(batch.datagrams()[0].from == UdpEndpoint{second, server->port()});
}

TEST_CASE("UDP: more datagrams than one call takes are all sent, and received in batches", "[net][udp]") {
    asio::io_context context;
    const auto server = open_port(context, loopback);
    const auto client = open_port(context, loopback);
    const ByteVector byte{7};
    const std::vector<OutgoingDatagram> many(udp_batch_size + 5, {byte, {}, {loopback, server->port()}, {}});
    CHECK(client->send(many) == many.size());
    UdpBatch batch;
    REQUIRE(server->receive(batch));
    CHECK(batch.datagrams().size() == udp_batch_size);
    REQUIRE(server->receive(batch));
    CHECK(batch.datagrams().size() == 5);
}

TEST_CASE("UDP: what cannot be sent is lost, and holds nothing up", "[net][udp]") {
    asio::io_context context;
    const auto port = open_port(context, loopback);
    const ByteVector too_large(70'000);
    const ByteVector byte{7};
    const std::vector<OutgoingDatagram> both{{too_large, {}, {loopback, port->port()}, {}}, {byte, {}, {loopback, port->port()}, {}}};
    CHECK(port->send(both) == 2);
    UdpBatch batch;
    REQUIRE(port->receive(batch));
    CHECK(batch.datagrams().size() == 1);
}

TEST_CASE("UDP: a wait ends at its deadline, or with the first datagram", "[net][udp]") {
    Runtime runtime(1);
    auto& context = runtime.shard(0).context();
    const auto port = open_port(context, loopback);
    const auto wait = [&](std::chrono::milliseconds limit) {
        return asio::co_spawn(context, port->readable_until(std::chrono::steady_clock::now() + limit), asio::use_future).get();
    };
    CHECK_FALSE(wait(10ms));
    const ByteVector byte{7};
    const OutgoingDatagram datagram{byte, {}, {loopback, port->port()}, {}};
    REQUIRE(port->send({&datagram, 1}) == 1);
    CHECK(wait(60s));
}

TEST_CASE("UDP: a taken port names its holder", "[net][udp]") {
    asio::io_context context;
    const auto first = open_port(context, loopback);
    UdpOptions options;
    options.address = loopback;
    options.port = first->port();
    options.purpose = "the TFTP server";
    const auto second = UdpPort::open(context, options);
    REQUIRE_FALSE(second);
    CHECK(second.error().what.find("the TFTP server cannot use 127.0.0.1:" + std::to_string(first->port()) + " (UDP)") == 0);
}
