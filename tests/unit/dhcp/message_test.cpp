#include "dhcp/message.hpp"

#include "dhcp_support.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::dhcp;
using namespace rootstock::dhcp::test;

namespace {
const std::vector<const char*> captures{
    "edk2-pxe-discover", "edk2-pxe-request",   "edk2-pxe-ack-by-dnsmasq",   "edk2-http-discover",      "edk2-http-request",      "edk2-http-ack-by-dnsmasq",
    "ipxe-bios-discover", "ipxe-bios-request", "ipxe-bios-ack-by-dnsmasq",  "ipxe-efi-discover",       "ipxe-efi-request",       "ipxe-efi-ack-by-dnsmasq",
    "undionly-discover",  "undionly-request",  "undionly-ack-by-dnsmasq",   "linux-ipconfig-discover", "linux-ipconfig-request", "linux-ipconfig-ack-by-dnsmasq"};

ByteVector header_with(std::uint8_t overload, std::string_view options_hex) {
    Message message = request_of(mac("52:54:00:00:00:01"), MessageType::discover);
    if (overload != 0) {
        message.options.add_u8(option::overload, overload);
    }
    ByteVector packet;
    encode(message, 1500, packet);
    packet.resize(240);
    const auto tail = rootstock::test::from_hex(options_hex);
    packet.insert(packet.end(), tail.begin(), tail.end());
    return packet;
}
} // namespace

TEST_CASE("Captured messages survive decoding and encoding", "[dhcp][message]") {
    const std::string name = GENERATE(from_range(captures));
    CAPTURE(name);
    const auto message = decode(golden("dhcp/" + name + ".hex"));
    REQUIRE(message);
    ByteVector packet;
    encode(*message, 1500, packet);
    const auto again = decode(packet);
    REQUIRE(again);
    CHECK(*again == *message);
    CHECK(packet.size() >= 300);
}

TEST_CASE("Every truncation of a captured message fails cleanly or lacks only options", "[dhcp][message]") {
    const std::string name = GENERATE(from_range(captures));
    const ByteVector whole = golden("dhcp/" + name + ".hex");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto message = decode(Bytes(whole).first(size));
        CHECK((message.has_value() || size < 240 || message.error() == DecodeError::bad_options));
        CHECK_FALSE((message.has_value() && size < 240));
    }
}

TEST_CASE("What EDK2 says of itself is read", "[dhcp][message]") {
    const auto message = decode(golden("dhcp/edk2-pxe-discover.hex"));
    REQUIRE(message);
    CHECK(message->type() == MessageType::discover);
    CHECK(message->wants_broadcast());
    CHECK(message->options.get_u16(option::maximum_message_size) == 1472);
    CHECK(as_text(message->options.get(option::vendor_class)) == "PXEClient:Arch:00007:UNDI:003000");
}

TEST_CASE("RFC 3396: a repeated option is one long value", "[dhcp][message]") {
    const auto message = decode(header_with(0, "35 01 01  43 03 61 62 63  0c 01 78  43 02 64 65  ff"));
    REQUIRE(message);
    CHECK(as_text(message->options.get(option::boot_file_name)) == "abcde");
}

TEST_CASE("RFC 3396: a value above 255 bytes is split and comes back whole", "[dhcp][message]") {
    Message message = request_of(mac("52:54:00:00:00:01"), MessageType::discover);
    message.options.add(option::vendor_specific, std::string(600, 'v'));
    ByteVector packet;
    encode(message, 1500, packet);
    const auto again = decode(packet);
    REQUIRE(again);
    CHECK(*again == message);
}

TEST_CASE("Option 52: file and sname carry options when it says so", "[dhcp][message]") {
    ByteVector packet = header_with(0, "35 01 01  34 01 03  ff");
    const auto in_sname = rootstock::test::from_hex("0c 03 70 63 31 ff");
    const auto in_file = rootstock::test::from_hex("43 02 68 69 ff");
    std::copy(in_sname.begin(), in_sname.end(), packet.begin() + 44);
    std::copy(in_file.begin(), in_file.end(), packet.begin() + 108);
    const auto message = decode(packet);
    REQUIRE(message);
    CHECK(as_text(message->options.get(option::host_name)) == "pc1");
    CHECK(as_text(message->options.get(option::boot_file_name)) == "hi");
    CHECK(message->file.empty());
    CHECK(message->sname.empty());
}

TEST_CASE("Without option 52 the same fields are text", "[dhcp][message]") {
    ByteVector packet = header_with(0, "35 01 01 ff");
    packet[108] = 'f';
    packet[44] = 's';
    const auto message = decode(packet);
    REQUIRE(message);
    CHECK(message->file == "f");
    CHECK(message->sname == "s");
}

TEST_CASE("Messages that are none are told apart", "[dhcp][message]") {
    CHECK(decode(Bytes{}).error() == DecodeError::too_short);
    CHECK(decode(ByteVector(239)).error() == DecodeError::too_short);
    CHECK(decode(ByteVector(300)).error() == DecodeError::not_dhcp);
    auto packet = header_with(0, "35 01 01 ff");
    packet[2] = 16;
    CHECK(decode(packet).error() == DecodeError::not_ethernet);
    CHECK(decode(header_with(0, "35 02 01")).error() == DecodeError::bad_options);
    CHECK(decode(header_with(0, "35")).error() == DecodeError::bad_options);
    CHECK(decode(header_with(0, "35 01 01"))); // no END: some clients leave it out
}

TEST_CASE("An option that does not fit is left out; option 82 never is, and goes last", "[dhcp][message]") {
    Message message = request_of(mac("52:54:00:00:00:01"), MessageType::discover);
    message.options.add(option::relay_agent_information, "relay");
    message.options.add(option::vendor_specific, std::string(200, 'v'));
    message.options.add(option::boot_file_name, std::string(200, 'f'));
    message.options.add(option::domain_name, "d");
    ByteVector packet;
    encode(message, 548, packet);
    CHECK(packet.size() <= 548);
    const auto cut = decode(packet);
    REQUIRE(cut);
    CHECK(cut->options.has(option::vendor_specific));
    CHECK_FALSE(cut->options.has(option::boot_file_name));
    CHECK(cut->options.has(option::domain_name));
    CHECK(std::prev(cut->options.end())->code == option::relay_agent_information);
}

TEST_CASE("A pad follows option 67, because EDK2 writes its NUL there", "[dhcp][message]") {
    Message message = request_of(mac("52:54:00:00:00:01"), MessageType::offer);
    message.options.add(option::boot_file_name, "ab");
    message.options.add(option::domain_name, "d");
    ByteVector packet;
    encode(message, 1500, packet);
    CHECK(ByteVector(packet.begin() + 243, packet.begin() + 252) == rootstock::test::from_hex("43 02 61 62 00 0f 01 64 ff"));
}
