#include "dhcp/pxe.hpp"

#include "core/text.hpp"
#include "dhcp_support.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::dhcp;
using namespace rootstock::dhcp::test;

namespace {

struct Expected {
    const char* capture;
    std::optional<std::uint16_t> architecture;
    bool pxe, http, ipxe, iscsi;
};

Message offer_for(const ClientFacts& client, const std::string& boot_file) {
    Message reply;
    reply.op = Op::reply;
    add_boot_options(client, boot_file, ip("10.20.0.1"), reply);
    return reply;
}

} // namespace

TEST_CASE("Who asks is read from captures of real clients", "[dhcp][pxe]") {
    const auto expected = GENERATE(values<Expected>({
        {"edk2-pxe-discover", 7, true, false, false, false},
        {"edk2-http-discover", 16, false, true, false, false},
        {"ipxe-bios-discover", 0, true, false, true, true},
        {"undionly-discover", 0, true, false, true, true},
        {"ipxe-efi-discover", 7, true, false, true, true},
        {"linux-ipconfig-discover", std::nullopt, false, false, false, false},
    }));
    CAPTURE(expected.capture);
    const auto message = decode(golden(std::string("dhcp/") + expected.capture + ".hex"));
    REQUIRE(message);
    const ClientFacts client = read_client(*message);
    CHECK(client.architecture == expected.architecture);
    CHECK(client.is_pxe == expected.pxe);
    CHECK(client.is_http_client == expected.http);
    CHECK(client.is_ipxe == expected.ipxe);
    CHECK(client.ipxe_has_iscsi == expected.iscsi);
    CHECK(client.ipxe_has_http == expected.iscsi);
    CHECK(client.mac == mac("52:54:00:e2:e0:00"));
}

TEST_CASE("iPXE is known by its user class in both forms, or by option 175 alone", "[dhcp][pxe]") {
    Message message = request_of(mac("52:54:00:00:00:01"), MessageType::discover);
    CHECK_FALSE(read_client(message).is_ipxe);
    SECTION("bare") { message.options.add(option::user_class, "iPXE"); }
    SECTION("RFC 3004") { message.options.add(option::user_class, "\x04iPXE"); }
    SECTION("FlexBoot") { message.options.append(option::ipxe_encapsulated, rootstock::test::from_hex("13 01 01")); }
    CHECK(read_client(message).is_ipxe);
}

TEST_CASE("A UUID of zeros is none, and so is one of another type", "[dhcp][pxe]") {
    Message message = request_of(mac("52:54:00:00:00:01"), MessageType::discover);
    SECTION("zeros") { message.options.append(option::client_uuid, ByteVector(17)); }
    SECTION("type 1") { message.options.append(option::client_uuid, ByteVector(17, 1)); }
    SECTION("short") { message.options.append(option::client_uuid, ByteVector(16)); }
    CHECK_FALSE(read_client(message).uuid);
}

TEST_CASE("A UUID is taken in EFI byte order", "[dhcp][pxe]") {
    Message message = request_of(mac("52:54:00:00:00:01"), MessageType::discover);
    message.options.append(option::client_uuid, rootstock::test::from_hex("00 33221100 5544 7766 8899aabbccddeeff"));
    REQUIRE(read_client(message).uuid);
    CHECK(read_client(message).uuid->text() == "00112233-4455-6677-8899-aabbccddeeff");
}

TEST_CASE("Firmware PXE: 60 only together with 43, or EDK2 takes the offer for a BINL server's", "[dhcp][pxe]") {
    ClientFacts client;
    client.is_pxe = true;
    const Message offer = offer_for(client, "snponly.efi");
    CHECK(as_text(offer.options.get(option::vendor_class)) == "PXEClient");
    CHECK(hex(offer.options.get(option::vendor_specific)) == "060108ff");
    CHECK(as_text(offer.options.get(option::boot_file_name)) == "snponly.efi");
    CHECK(offer.file == "snponly.efi");
    CHECK(offer.siaddr == ip("10.20.0.1"));
    CHECK_FALSE(offer.options.has(option::ipxe_encapsulated));
}

TEST_CASE("UEFI HTTP Boot: 60 is HTTPClient and 67 the URL", "[dhcp][pxe]") {
    ClientFacts client;
    client.is_http_client = true;
    const Message offer = offer_for(client, "http://10.20.0.1:8080/boot/snponly.efi");
    CHECK(as_text(offer.options.get(option::vendor_class)) == "HTTPClient");
    CHECK(as_text(offer.options.get(option::boot_file_name)) == "http://10.20.0.1:8080/boot/snponly.efi");
    CHECK_FALSE(offer.options.has(option::vendor_specific));
}

TEST_CASE("iPXE: told not to wait for a proxy, and nothing that starts its PXE menu", "[dhcp][pxe]") {
    ClientFacts client;
    client.is_pxe = true;
    client.is_ipxe = true;
    const Message offer = offer_for(client, "http://10.20.0.1:8080/boot.ipxe");
    CHECK(hex(offer.options.get(option::ipxe_encapsulated)) == "b00101");
    CHECK_FALSE(offer.options.has(option::vendor_class));
    CHECK_FALSE(offer.options.has(option::vendor_specific));
}

TEST_CASE("A name that is too long for `file` goes into option 67 alone", "[dhcp][pxe]") {
    ClientFacts client;
    client.is_ipxe = true;
    const std::string name = "http://10.20.0.1/" + std::string(200, 'x');
    const Message offer = offer_for(client, name);
    CHECK(offer.file.empty());
    CHECK(as_text(offer.options.get(option::boot_file_name)) == name);
}

TEST_CASE("Who does not boot is given nothing to boot", "[dhcp][pxe]") {
    ClientFacts client;
    SECTION("an operating system") { CHECK(offer_for(client, "snponly.efi").options.count() == 0); }
    SECTION("no file for it") {
        client.is_pxe = true;
        CHECK(offer_for(client, "").options.count() == 0);
    }
}
