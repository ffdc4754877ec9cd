#include "ndp/advertisement.hpp"

#include "core/text.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace rootstock;
using namespace rootstock::ndp;
using rootstock::test::from_hex;
using rootstock::test::golden;

namespace {
const Ipv6 link_local{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x54, 0, 0xff, 0xfe, 0xe2, 0xe0, 0};
}

TEST_CASE("The solicitation of iPXE is understood", "[ndp]") {
    const auto solicitation = decode_solicitation(golden("ndp/ipxe-router-solicitation.hex"), link_local, 255);
    REQUIRE(solicitation);
    REQUIRE(solicitation->source_mac);
    CHECK(solicitation->source_mac->text() == "52:54:00:e2:e0:00");
}

TEST_CASE("RFC 4861 section 6.1.1: what is no valid solicitation is dropped", "[ndp]") {
    ByteVector message = golden("ndp/ipxe-router-solicitation.hex");
    Ipv6 source = link_local;
    int hop_limit = 255;
    SECTION("it was forwarded") { hop_limit = 254; }
    SECTION("code") { message[1] = 1; }
    SECTION("an advertisement") { message[0] = 134; }
    SECTION("an option of length zero") { message[9] = 0; }
    SECTION("an option that runs past the end") { message[9] = 2; }
    SECTION("half an option") { message.resize(9); }
    SECTION("short") { message.resize(7); }
    SECTION("no address, but a link-layer address") { source = {}; }
    CHECK_FALSE(decode_solicitation(message, source, hop_limit));
}

TEST_CASE("A host that has no address yet may ask, and is answered by multicast", "[ndp]") {
    CHECK(decode_solicitation(from_hex("85 00 0000 00000000"), Ipv6{}, 255));
    CHECK(answer_address(Ipv6{}) == all_nodes);
    CHECK(answer_address(link_local) == link_local);
}

TEST_CASE("The advertisement makes nobody use us as a router", "[ndp]") {
    // Section 4.2: lifetime 0, no M and O flags, no prefix; option 1 with our address.
    CHECK(hex(encode_advertisement(*Mac::parse("02:00:00:00:00:01"))) == "86000000" "00000000" "00000000" "00000000" "0101020000000001");
}
