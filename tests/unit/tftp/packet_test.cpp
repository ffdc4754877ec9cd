#include "tftp/packet.hpp"

#include "core/text.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "tftp/limits.hpp"
#include "tftp/options.hpp"

using namespace rootstock;
using namespace rootstock::tftp;
using rootstock::test::from_hex;
using rootstock::test::golden;

namespace {

Result<Request, DecodeError> decode_request(Bytes packet) {
    const auto decoded = decode(packet);
    if (!decoded) {
        return decoded.error();
    }
    return std::get<Request>(*decoded);
}

using namespace std::string_literals;

ByteVector text_packet(const std::string& rest) {
    const std::string whole = "\0\1"s + rest;
    return {whole.begin(), whole.end()};
}

} // namespace

TEST_CASE("Requests of real clients are read", "[tftp][packet]") {
    const auto probe = decode_request(golden("tftp/edk2-size-probe.hex"));
    REQUIRE(probe);
    CHECK(*probe == Request{false, "snponly.efi", "octet", {{"tsize", "0"}, {"blksize", "1468"}, {"windowsize", "4"}}});
    const auto ipxe = decode_request(golden("tftp/ipxe-read-request.hex"));
    REQUIRE(ipxe);
    CHECK(*ipxe == Request{false, "undionly.kpxe", "octet", {{"blksize", "1432"}, {"tsize", "0"}}});
}

TEST_CASE("ACK and ERROR of real clients are read", "[tftp][packet]") {
    CHECK(std::get<Ack>(*decode(golden("tftp/edk2-ack-of-oack.hex"))) == Ack{0});
    CHECK(std::get<Ack>(*decode(golden("tftp/ipxe-ack.hex"))) == Ack{1});
    CHECK(std::get<PeerError>(*decode(golden("tftp/edk2-size-probe-abort.hex"))) ==
          PeerError{ErrorCode::option_refused, "User aborted the transfer"});
}

TEST_CASE("Every truncation of a request fails or asks for less", "[tftp][packet]") {
    const auto whole = golden("tftp/edk2-size-probe.hex");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto cut = decode(Bytes(whole).first(size));
        CHECK((!cut.has_value() || std::get<Request>(*cut).options.size() < 3));
    }
}

TEST_CASE("Requests that cannot be read", "[tftp][packet]") {
    CHECK(decode(Bytes{}).error() == DecodeError::too_short);
    CHECK(decode(from_hex("00 04 00")).error() == DecodeError::too_short);
    CHECK(decode(from_hex("00 03 00 01 61")).error() == DecodeError::unexpected);
    CHECK(decode(text_packet("name")).error() == DecodeError::unterminated);
    CHECK(decode(text_packet("name\0octet"s)).error() == DecodeError::unterminated);
    CHECK(decode(text_packet("name\0octet\0blksize\0"s)).error() == DecodeError::no_value);
    CHECK(decode(text_packet(std::string(600, 'x'))).error() == DecodeError::too_long);
}

TEST_CASE("Padding behind a request is no option", "[tftp][packet]") {
    const auto request = decode_request(text_packet("name\0OcTeT\0\0\0\0"s));
    REQUIRE(request);
    CHECK(request->mode == "octet");
    CHECK(request->options.empty());
}

TEST_CASE("Text of a peer is made harmless for the log", "[tftp][packet]") {
    const auto error = decode(from_hex("00 05 00 00 1b 5b 32 4a 61 00"));
    CHECK(std::get<PeerError>(*error).message == "?[2Ja");
}

TEST_CASE("Packets that are sent have the bytes of RFC 1350 and RFC 2347", "[tftp][packet]") {
    CHECK(hex(make_data(0x1234, {}).head) == "00031234");
    const auto options = encode_options({{"blksize", "1432"}, {"tsize", "74213"}});
    const OutPacket oack = make_option_ack(options);
    auto packet = ByteVector(oack.head.begin(), oack.head.begin() + oack.head_size);
    packet.insert(packet.end(), oack.body.begin(), oack.body.end());
    CHECK(hex(packet) == hex(golden("tftp/oack-by-dnsmasq.hex")));
    CHECK(hex(encode_error(ErrorCode::file_not_found, "no")) == "000500016e6f00");
}

TEST_CASE("Options: accepted, lowered, or left out", "[tftp][options]") {
    struct Row {
        OptionList requested;
        OptionList accepted;
    };
    const auto row = GENERATE(values<Row>({
        {{}, {}},
        {{{"blksize", "1468"}, {"windowsize", "4"}}, {{"blksize", "1468"}, {"windowsize", "4"}}},
        {{{"tsize", "0"}}, {{"tsize", "1000"}}},
        {{{"blksize", "7"}}, {}},
        {{{"blksize", "100000"}}, {{"blksize", "65464"}}},
        {{{"windowsize", "0"}}, {}},
        {{{"windowsize", "65535"}}, {{"windowsize", "64"}}},
        {{{"timeout", "0"}}, {}},
        {{{"timeout", "256"}}, {}},
        {{{"timeout", "3"}}, {{"timeout", "3"}}},
        {{{"blksize", "abc"}, {"tsize", ""}, {"windowsize", "-1"}}, {}},
        {{{"blksize", "99999999999999999999"}}, {}},
        {{{"blksize", "512"}, {"blksize", "1024"}}, {{"blksize", "512"}}},
        {{{"multicast", ""}, {"tsize", "0"}}, {{"tsize", "1000"}}},
    }));
    CHECK(negotiate(row.requested, 1000).accepted == row.accepted);
}
