#include "dhcp/frame.hpp"

#include "core/text.hpp"
#include "dhcp/config.hpp"
#include "dhcp_support.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::dhcp;
using namespace rootstock::dhcp::test;

TEST_CASE("A frame has the bytes of RFC 894, 791 and 768, checksums included", "[dhcp][frame]") {
    const auto frame = build_udp_frame({mac("02:00:00:00:00:01"), ip("192.168.0.1"), 67}, {mac("02:00:00:00:00:02"), ip("192.168.0.199"), 68},
                                       as_bytes("abc"));
    // Checksums worked out apart from our code, after RFC 1071.
    CHECK(hex(frame) == "020000000002"
                        "020000000001"
                        "0800"
                        "4500001f000000004011f8b5c0a80001c0a800c7"
                        "0043"
                        "0044"
                        "000b"
                        "b8d5"
                        "616263");
}

TEST_CASE("A frame that was built is read again", "[dhcp][frame]") {
    const auto frame = build_udp_frame({mac("02:00:00:00:00:01"), ip("10.0.0.1"), 67}, {mac("02:00:00:00:00:02"), ip("10.0.0.2"), 68}, as_bytes("payload"));
    const auto read = read_udp_frame(frame);
    REQUIRE(read);
    CHECK(read->from.mac == mac("02:00:00:00:00:01"));
    CHECK(read->to.address == ip("10.0.0.2"));
    CHECK(read->to.port == 68);
    CHECK(as_text(read->payload) == "payload");
    for (std::size_t size = 0; size < frame.size(); ++size) {
        CHECK_FALSE(read_udp_frame(Bytes(frame).first(size)));
    }
}

TEST_CASE("A configuration that cannot work is refused with its reason", "[dhcp][config]") {
    DhcpConfig config = small_network();
    CHECK(check(config));
    std::string reason;
    SECTION("outside") { config.last = ip("10.20.1.5"); reason = "leaves the network of eth1, 10.20.0.1/24"; }
    SECTION("turned round") { std::swap(config.first, config.last); reason = "turned round"; }
    SECTION("no address") { config.network = {}; reason = "no IPv4 address"; }
    SECTION("router") { config.router = ip("10.30.0.1"); reason = "router 10.30.0.1 is not in the network"; }
    SECTION("lease") { config.lease_time = std::chrono::seconds(5); reason = "too short"; }
    SECTION("huge") {
        config.network.prefix = 8;
        config.last = ip("10.200.0.1");
        reason = "larger than 65536";
    }
    const auto checked = check(config);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().what.find(reason) != std::string::npos);
}
