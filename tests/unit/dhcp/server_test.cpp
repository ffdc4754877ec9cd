#include "dhcp/server.hpp"

#include "core/text.hpp"
#include "dhcp/frame.hpp"
#include "dhcp/limits.hpp"
#include "dhcp_support.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::dhcp;
using namespace rootstock::dhcp::test;
using namespace std::chrono_literals;

namespace {
const Mac first = mac("52:54:00:00:00:01");
const Mac second = mac("52:54:00:00:00:02");
} // namespace

TEST_CASE("DISCOVER is offered an address; REQUEST makes it a lease, and its ACK waits for the disk", "[dhcp][server]") {
    Bench bench;
    const Output offered = bench.feed(request_of(first, MessageType::discover));
    CHECK(type_of(offered) == MessageType::offer);
    CHECK(offered.changes.empty());
    const auto offer = reply_of(offered);
    CHECK(offer->yiaddr == ip("10.20.0.100"));
    CHECK(offer->xid == 0x1234abcd);

    const Output granted = bench.feed(selecting(first, offer->yiaddr));
    CHECK(granted.at_once.empty());
    REQUIRE(granted.after_save.size() == 1);
    CHECK(granted.after_save[0].granted == offer->yiaddr);
    REQUIRE(granted.changes.contains(offer->yiaddr));
    const auto& lease = granted.changes.at(offer->yiaddr);
    CHECK(lease->mac == first);
    CHECK(lease->expires == bench.now + 2h);
    const auto ack = reply_of(granted);
    CHECK(ack->options.get_u32(option::lease_time) == 7200);
    CHECK(ack->options.get_u32(option::renewal_time) == 3600);
    CHECK(ack->options.get_u32(option::rebinding_time) == 6300);
    CHECK(ack->options.get_address(option::server_identifier) == ip("10.20.0.1"));
    CHECK(ack->options.get_address(option::subnet_mask) == ip("255.255.255.0"));
    CHECK(ack->options.get_address(option::router) == ip("10.20.0.254"));
    CHECK(ack->options.get(option::domain_name_servers).size() == 8);
    CHECK(as_text(ack->options.get(option::domain_name)) == "lab.example");
}

TEST_CASE("Firmware, iPXE, initramfs and OS of one machine get one address", "[dhcp][server]") {
    Bench bench;
    std::set<Ipv4> addresses;
    for (const char* client : {"edk2-pxe", "ipxe-efi", "undionly", "linux-ipconfig"}) {
        const auto offer = reply_of(bench.feed(golden(std::string("dhcp/") + client + "-discover.hex")));
        REQUIRE(offer);
        const auto ack = reply_of(bench.feed(selecting(offer->chaddr, offer->yiaddr)));
        REQUIRE(ack);
        addresses.insert(ack->yiaddr);
    }
    CHECK(addresses.size() == 1);
}

TEST_CASE("Answers to captures: size, echoes and destination", "[dhcp][server]") {
    Bench bench;
    SECTION("EDK2 sets the broadcast flag and asks for 97") {
        const auto request = golden("dhcp/edk2-pxe-discover.hex");
        const Output output = bench.feed(request);
        const auto offer = reply_of(output);
        REQUIRE(offer);
        CHECK(output.at_once[0].to.kind == Destination::Kind::broadcast);
        CHECK(output.at_once[0].packet.size() >= bootp_minimum_size);
        CHECK(hex(offer->options.get(option::client_uuid)) == hex(decode(request)->options.get(option::client_uuid)));
    }
    SECTION("iPXE has no address and takes a frame of its own; its client identifier is echoed (RFC 6842)") {
        const Output output = bench.feed(golden("dhcp/ipxe-bios-discover.hex"));
        const auto offer = reply_of(output);
        REQUIRE(offer);
        CHECK(output.at_once[0].to == Destination{Destination::Kind::hardware, offer->yiaddr, 68, mac("52:54:00:e2:e0:00")});
        CHECK(hex(offer->options.get(option::client_identifier)) == "01525400e2e000");
    }
    SECTION("the initramfs boots nothing") {
        const auto offer = reply_of(bench.feed(golden("dhcp/linux-ipconfig-discover.hex")));
        REQUIRE(offer);
        CHECK(offer->file.empty());
        CHECK_FALSE(offer->options.has(option::vendor_class));
    }
}

TEST_CASE("An offer, byte for byte", "[dhcp][server]") {
    Bench bench;
    Message discover = request_of(first, MessageType::discover);
    discover.options.append(option::parameter_request_list, rootstock::test::from_hex("01 03"));
    discover.options.add(option::vendor_class, "PXEClient:Arch:00007:UNDI:003000");
    const Output output = bench.feed(discover);
    REQUIRE(output.at_once.size() == 1);
    const auto& packet = output.at_once[0].packet;
    // RFC 2131 table 3 and RFC 2132, written out by hand.
    const auto header = rootstock::test::from_hex("02 01 06 00 1234abcd 0000 0000 00000000 0a140064 0a140001 00000000 525400000001");
    const auto options = rootstock::test::from_hex("63825363 350102 36040a140001 330400001c20 3a0400000e10 3b040000189c 0104ffffff00"
                                                   " 03040a1400fe 430b736e706f6e6c792e656669 00 3c09505845436c69656e74 2b04060108ff ff");
    CHECK(hex(Bytes(packet).first(header.size())) == hex(header));
    CHECK(as_text(Bytes(packet).subspan(108, 11)) == "snponly.efi");
    CHECK(hex(Bytes(packet).subspan(236, options.size())) == hex(options));
}

TEST_CASE("SELECTING: an address that is another's, or none of ours, is refused at once", "[dhcp][server]") {
    Bench bench;
    REQUIRE(bench.lease(first) == ip("10.20.0.100"));
    CHECK(type_of(bench.feed(selecting(second, ip("10.20.0.100")))) == MessageType::nak);
    CHECK(type_of(bench.feed(selecting(second, ip("10.99.0.1")))) == MessageType::nak);
    CHECK(type_of(bench.feed(selecting(second, ip("10.20.0.50")))) == MessageType::nak);
    CHECK(type_of(bench.feed(selecting(second, ip("10.20.0.1")))) == MessageType::nak);
    CHECK(type_of(bench.feed(selecting(second, ip("10.20.0.255")))) == MessageType::nak);
}

TEST_CASE("SELECTING: a REQUEST that outlived our restart is granted when its address is free", "[dhcp][server]") {
    Bench bench;
    CHECK(type_of(bench.feed(selecting(first, ip("10.20.0.102")))) == MessageType::ack);
}

TEST_CASE("SELECTING: a client that chose another server is left alone, reported, and its offer is free again", "[dhcp][server]") {
    Bench bench;
    bench.feed(request_of(first, MessageType::discover));
    const std::size_t before = bench.server.pool().free_count();
    const Output output = bench.feed(selecting(first, ip("10.20.0.77"), ip("10.20.0.9")));
    CHECK_FALSE(reply_of(output));
    CHECK(has_event(output, EventKind::other_server_chosen));
    CHECK(bench.server.pool().free_count() == before + 1);
    // Said once, not with each client.
    CHECK_FALSE(has_event(bench.feed(selecting(second, ip("10.20.0.78"), ip("10.20.0.9"))), EventKind::other_server_chosen));
}

TEST_CASE("INIT-REBOOT: the own address is confirmed, another's and a wrong network's refused", "[dhcp][server]") {
    Bench bench;
    bench.lease(first);
    CHECK(type_of(bench.feed(init_reboot(first, ip("10.20.0.100")))) == MessageType::ack);
    CHECK(type_of(bench.feed(init_reboot(second, ip("10.20.0.100")))) == MessageType::nak);
    CHECK(type_of(bench.feed(init_reboot(second, ip("192.168.1.5")))) == MessageType::nak);
    // In our network, but outside of our range and unknown: another server's lease may be good.
    CHECK_FALSE(reply_of(bench.feed(init_reboot(second, ip("10.20.0.50")))));
}

TEST_CASE("INIT-REBOOT: a machine with an address of its own is sent to it", "[dhcp][server]") {
    Bench bench;
    bench.lease(first);
    bench.policy.reservations[first] = ip("10.20.0.7");
    CHECK(type_of(bench.feed(init_reboot(first, ip("10.20.0.100")))) == MessageType::nak);
    CHECK(bench.lease(first) == ip("10.20.0.7"));
}

TEST_CASE("RENEWING and REBINDING: the lease grows, and the answer goes to the client's address", "[dhcp][server]") {
    Bench bench;
    bench.lease(first);
    bench.now += 1h;
    const Output output = bench.feed(renewing(first, ip("10.20.0.100")), ip("10.20.0.100"));
    REQUIRE(type_of(output) == MessageType::ack);
    CHECK(output.after_save[0].to == Destination{Destination::Kind::unicast, ip("10.20.0.100"), 68, {}});
    CHECK(output.changes.at(ip("10.20.0.100"))->expires == bench.now + 2h);
    CHECK(reply_of(output)->ciaddr == ip("10.20.0.100"));
}

TEST_CASE("RENEWING: a lease that lives goes on although its address was reserved for another machine", "[dhcp][server]") {
    Bench bench;
    bench.lease(first);
    bench.policy.reservations[second] = ip("10.20.0.100");
    CHECK(type_of(bench.feed(renewing(first, ip("10.20.0.100")))) == MessageType::ack);
    // The other machine boots meanwhile, with another address, and the conflict is told.
    const Output output = bench.feed(request_of(second, MessageType::discover));
    CHECK(has_event(output, EventKind::reservation_busy));
    CHECK(reply_of(output)->yiaddr == ip("10.20.0.101"));
    // At its next boot the first one is moved away; then the reservation holds.
    CHECK(bench.lease(first) == ip("10.20.0.102"));
    CHECK(bench.lease(second) == ip("10.20.0.100"));
}

TEST_CASE("REBINDING: an address that another holds by now is refused", "[dhcp][server]") {
    Bench bench;
    bench.lease(first);
    bench.now += 3h;
    for (std::uint32_t i = 10; i < 14; ++i) {
        REQUIRE(bench.lease(numbered_mac(i)));
    }
    CHECK(type_of(bench.feed(renewing(first, ip("10.20.0.100")))) == MessageType::nak);
}

TEST_CASE("A reservation wins over the lease that the machine has, and the old one is forgotten", "[dhcp][server]") {
    Bench bench;
    REQUIRE(bench.lease(first) == ip("10.20.0.100"));
    bench.policy.reservations[first] = ip("10.20.0.7");
    const auto offer = reply_of(bench.feed(request_of(first, MessageType::discover)));
    REQUIRE(offer);
    CHECK(offer->yiaddr == ip("10.20.0.7"));
    CHECK(as_text(offer->options.get(option::host_name)) == "lab1-07");
    const Output output = bench.feed(selecting(first, ip("10.20.0.7")));
    CHECK(output.changes.at(ip("10.20.0.100")) == std::nullopt);
    CHECK(output.changes.at(ip("10.20.0.7"))->host_name == "lab1-07");
}

TEST_CASE("A machine's new PC takes its address over from the PC that it replaced, leased or not", "[dhcp][server]") {
    Bench bench;
    bench.policy.reservations[first] = ip("10.20.0.7");
    REQUIRE(bench.lease(first) == ip("10.20.0.7"));
    bench.policy.reservations.clear();
    bench.policy.reservations[second] = ip("10.20.0.7");
    bench.policy.predecessors = {first};
    CHECK(bench.lease(second) == ip("10.20.0.7"));
    CHECK(bench.lease(first) == ip("10.20.0.100")); // the old PC gets another one, and its plain screen
}

TEST_CASE("A reserved address is nobody else's, asked for or not", "[dhcp][server]") {
    Bench bench;
    bench.policy.reservations[first] = ip("10.20.0.100");
    Message discover = request_of(second, MessageType::discover);
    discover.options.add_address(option::requested_address, ip("10.20.0.100"));
    CHECK(reply_of(bench.feed(discover))->yiaddr == ip("10.20.0.101"));
    CHECK(type_of(bench.feed(selecting(second, ip("10.20.0.100")))) == MessageType::nak);
    CHECK(type_of(bench.feed(init_reboot(second, ip("10.20.0.100")))) == MessageType::nak);
}

TEST_CASE("A reservation outside of the network is passed over", "[dhcp][server]") {
    Bench bench;
    bench.policy.reservations[first] = ip("10.99.0.7");
    CHECK(bench.lease(first) == ip("10.20.0.100"));
}

TEST_CASE("DECLINE: the address rests; only its owner may decline it", "[dhcp][server]") {
    Bench bench;
    bench.lease(first);
    Message decline = request_of(second, MessageType::decline);
    decline.options.add_address(option::requested_address, ip("10.20.0.100"));
    bench.feed(decline);
    CHECK(bench.server.pool().leased_to(first) == ip("10.20.0.100"));
    decline.chaddr = first;
    const Output output = bench.feed(decline);
    CHECK_FALSE(reply_of(output));
    CHECK(has_event(output, EventKind::declined));
    CHECK(output.changes.at(ip("10.20.0.100")) == std::nullopt);
    CHECK(bench.lease(first) == ip("10.20.0.101"));
}

TEST_CASE("RELEASE ends the lease, but the client finds its address again", "[dhcp][server]") {
    Bench bench;
    bench.lease(first);
    Message release = request_of(first, MessageType::release);
    release.ciaddr = ip("10.20.0.100");
    const Output output = bench.feed(release);
    CHECK_FALSE(reply_of(output));
    CHECK(output.changes.at(ip("10.20.0.100"))->expires == bench.now);
    CHECK(bench.lease(second) == ip("10.20.0.101"));
    CHECK(bench.lease(first) == ip("10.20.0.100"));
}

TEST_CASE("INFORM is answered without a lease", "[dhcp][server]") {
    Bench bench;
    Message inform = request_of(first, MessageType::inform);
    inform.ciaddr = ip("10.20.0.60");
    const Output output = bench.feed(inform, ip("10.20.0.60"));
    const auto ack = reply_of(output);
    REQUIRE(ack);
    CHECK(ack->type() == MessageType::ack);
    CHECK(ack->yiaddr.is_unspecified());
    CHECK_FALSE(ack->options.has(option::lease_time));
    CHECK(output.changes.empty());
    CHECK(output.at_once[0].to == Destination{Destination::Kind::unicast, ip("10.20.0.60"), 68, {}});
}

TEST_CASE("RFC 2131 section 4.1: where replies go", "[dhcp][reply]") {
    Message request = request_of(first, MessageType::discover);
    Message reply;
    reply.op = Op::reply;
    reply.yiaddr = ip("10.20.0.100");
    reply.options.add_u8(option::message_type, static_cast<std::uint8_t>(MessageType::offer));
    using Kind = Destination::Kind;
    SECTION("no address, no flag: a frame") { CHECK(destination(request, reply, {}).kind == Kind::hardware); }
    SECTION("broadcast flag") {
        request.flags = flag_broadcast;
        CHECK(destination(request, reply, {}).kind == Kind::broadcast);
    }
    SECTION("relay: to its server port, whatever else is set") {
        request.giaddr = ip("10.20.0.200");
        request.ciaddr = ip("10.20.0.100");
        request.flags = flag_broadcast;
        CHECK(destination(request, reply, {}) == Destination{Kind::unicast, ip("10.20.0.200"), 67, {}});
    }
    SECTION("a client with an address") {
        request.ciaddr = ip("10.20.0.100");
        CHECK(destination(request, reply, {}) == Destination{Kind::unicast, ip("10.20.0.100"), 68, {}});
    }
    SECTION("NAK: always broadcast on the link") {
        request.ciaddr = ip("10.20.0.100");
        Message nak;
        nak.options.add_u8(option::message_type, static_cast<std::uint8_t>(MessageType::nak));
        CHECK(destination(request, nak, {}).kind == Kind::broadcast);
    }
}

TEST_CASE("A relayed NAK carries the broadcast flag; relay information is echoed; foreign relays are ignored", "[dhcp][server]") {
    Bench bench;
    Message request = selecting(first, ip("10.99.0.1"));
    request.giaddr = ip("10.20.0.200");
    request.options.add(option::relay_agent_information, "port 7");
    const auto nak = reply_of(bench.feed(request));
    REQUIRE(nak);
    CHECK(nak->wants_broadcast());
    CHECK(as_text(nak->options.get(option::relay_agent_information)) == "port 7");
    request.giaddr = ip("172.16.0.1");
    CHECK_FALSE(reply_of(bench.feed(request)));
}

TEST_CASE("A policy that does not answer keeps the server silent", "[dhcp][server]") {
    Bench bench;
    bench.policy.answer = false;
    CHECK_FALSE(reply_of(bench.feed(request_of(first, MessageType::discover))));
    CHECK_FALSE(reply_of(bench.feed(selecting(first, ip("10.20.0.100")))));
    CHECK_FALSE(reply_of(bench.feed(request_of(first, MessageType::inform))));
}

TEST_CASE("Option 57 is clamped: EDK2 asks for 65280", "[dhcp][reply]") {
    Message request = request_of(first, MessageType::request);
    CHECK(reply_size_limit(request) == 576 - 28);
    SECTION("too much") {
        request.options.append(option::maximum_message_size, rootstock::test::from_hex("ff00"));
        CHECK(reply_size_limit(request) == 1472 - 28);
    }
    SECTION("too little") {
        request.options.append(option::maximum_message_size, rootstock::test::from_hex("0010"));
        CHECK(reply_size_limit(request) == 576 - 28);
    }
}

TEST_CASE("A shorter lease is given when it is asked for, a longer one is not", "[dhcp][reply]") {
    Message request = request_of(first, MessageType::discover);
    const auto [wish, given] = GENERATE(std::pair(600U, 600s), std::pair(1U, 120s), std::pair(0xffffffffU, 7200s));
    request.options.add_u32(option::lease_time, wish);
    CHECK(lease_time_for(small_network(), request) == given);
}

TEST_CASE("A flood of made-up clients fills the pool, not the memory, and ends with the offers", "[dhcp][server]") {
    Bench bench;
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        const Output output = bench.feed(request_of(numbered_mac(i), MessageType::discover));
        CHECK((i < 4 || !reply_of(output)));
        CHECK(has_event(output, EventKind::pool_exhausted) == (i == 4)); // said once
    }
    bench.now += offer_hold;
    CHECK(bench.lease(first));
}

TEST_CASE("Leases of an earlier run are known again", "[dhcp][server]") {
    Bench bench;
    const auto lease = [&](const char* address, const Mac& client, std::chrono::hours left) {
        return Lease{ip(address), client, "", bench.now - 1h, bench.now + left};
    };
    bench.server.restore({lease("10.20.0.101", first, 1h), lease("10.20.0.102", second, -1h), lease("10.99.0.1", numbered_mac(1), 1h)}, bench.now);
    CHECK(bench.lease(second) == ip("10.20.0.102"));
    CHECK(bench.lease(first) == ip("10.20.0.101"));
    CHECK(bench.lease(numbered_mac(1)) == ip("10.20.0.100"));
}

TEST_CASE("Another server that answers on the link is named, once in a while", "[dhcp][server]") {
    Bench bench;
    Message offer;
    offer.op = Op::reply;
    offer.chaddr = first;
    offer.yiaddr = ip("10.20.0.200");
    offer.options.add_u8(option::message_type, static_cast<std::uint8_t>(MessageType::offer));
    offer.options.add_address(option::server_identifier, ip("10.20.0.9"));
    ByteVector payload;
    encode(offer, 1500, payload);
    const auto frame = build_udp_frame({mac("52:54:00:00:00:99"), ip("10.20.0.9"), 67}, {first, ip("10.20.0.200"), 68}, payload);
    bench.server.handle_foreign_frame(bench.now, frame);
    bench.server.handle_foreign_frame(bench.now, frame);
    Output output = bench.server.take_output();
    REQUIRE(output.events.size() == 1);
    CHECK(output.events[0].kind == EventKind::other_server_seen);
    CHECK(output.events[0].mac == mac("52:54:00:00:00:99"));
    CHECK(output.events[0].address == ip("10.20.0.9"));
    bench.now += report_interval;
    bench.server.handle_foreign_frame(bench.now, frame);
    CHECK(bench.server.take_output().events.size() == 1);
}

TEST_CASE("Stray messages change nothing", "[dhcp][server]") {
    Bench bench;
    Message stray = request_of(first, MessageType::discover);
    SECTION("a server's message in a request") { stray = request_of(first, MessageType::offer); }
    SECTION("a reply") { stray.op = Op::reply; }
    SECTION("a multicast sender") { stray.chaddr = mac("01:00:5e:00:00:01"); }
    SECTION("plain BOOTP") { stray.options = {}; }
    const Output output = bench.feed(stray);
    CHECK(has_event(output, EventKind::malformed));
    CHECK_FALSE(reply_of(output));
    CHECK(bench.server.pool().free_count() == 4);
}
