#include "isns/message.hpp"

#include "isns/limits.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace rootstock;
using namespace rootstock::isns;
using rootstock::test::from_hex;
using rootstock::test::golden;
using namespace std::chrono_literals;

namespace {

const std::string name = "iqn.2026-01.t:a";
const Registration registration{name, "rs", true, true, 300s, {{*IpAddress::parse("10.20.0.1"), 3260, 1}}, {name}};

} // namespace

TEST_CASE("RFC 4171 section 5.6.5: a registration and a deregistration are these bytes", "[isns]") {
    CHECK(encode(registration, 7) == golden("isns/registration.hex"));
    CHECK(encode_deregistration(name, "rs", 8) == golden("isns/deregistration.hex"));
}

TEST_CASE("A further part of a registration names targets alone, and does not replace", "[isns]") {
    Registration part = registration;
    part.replace = part.describes_entity = false;
    ByteVector expected = golden("isns/registration.hex");
    expected.erase(expected.begin() + 12 + 44, expected.begin() + 12 + 44 + 72); // entity and portal
    expected[5] -= 72;
    expected[6] = 0x8c;
    CHECK(encode(part, 7) == expected);
}

TEST_CASE("Section 6.3.1: an IPv6 portal is its own address", "[isns]") {
    Registration six = registration;
    six.portals.front().address = *IpAddress::parse("fd00::1");
    const ByteVector message = encode(six, 7);
    const ByteVector address = from_hex("00000010 00000010 fd000000000000000000000000000001");
    CHECK(std::search(message.begin(), message.end(), address.begin(), address.end()) != message.end());
}

TEST_CASE("encoded_size() is what a target adds", "[isns]") {
    for (const std::string target : {"iqn.a", "iqn.ab", "iqn.abc", "iqn.abcd"}) { // every padding
        Registration more = registration;
        more.targets.push_back(target);
        CHECK(encode(more, 7).size() - encode(registration, 7).size() == encoded_size(target, 1));
    }
}

TEST_CASE("A response says status, transaction and period", "[isns]") {
    ResponseReader reader;
    const auto response = reader.take(golden("isns/response.hex"));
    REQUIRE(response);
    CHECK(*response == Response{1, 7, 0, 600s});
}

TEST_CASE("A response comes in pieces of any size", "[isns]") {
    ResponseReader reader;
    const ByteVector bytes = golden("isns/response.hex");
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        const auto response = reader.take(Bytes(bytes).subspan(at, 1));
        REQUIRE(response);
        CHECK(response->has_value() == (at + 1 == bytes.size()));
    }
}

TEST_CASE("Section 5.1.4: a response may be several PDUs", "[isns]") {
    ResponseReader reader;
    REQUIRE_FALSE(*reader.take(from_hex("0001 8001 0006 4400 0007 0000  00000000 0000")));
    const auto response = reader.take(from_hex("0001 8001 000a 4800 0007 0001  0006 00000004 0000000a"));
    REQUIRE(response);
    CHECK(*response == Response{1, 7, 0, 10s});
}

TEST_CASE("A refusal may be its status alone", "[isns]") {
    ResponseReader reader;
    CHECK(*reader.take(from_hex("0001 8001 0004 4c00 0007 0000 00000008")) == Response{1, 7, 8, {}});
    CHECK(describe_status(8) == "source unauthorized");
    CHECK(describe_status(999) == "status 999");
}

TEST_CASE("What is no response ends the conversation", "[isns]") {
    const auto error = [](const char* hex) { return ResponseReader().take(from_hex(hex)).error(); };
    CHECK(error("0002 8001 0004 4c00 0007 0000 00000000") == DecodeError::wrong_version);
    CHECK(error("0001 0001 0004 4c00 0007 0000 00000000") == DecodeError::not_a_response);
    CHECK(error("0001 8001 0004 4c00 0007 0001 00000000") == DecodeError::wrong_order); // its first has number 0
    CHECK(error("0001 8001 0004 4800 0007 0000 00000000") == DecodeError::wrong_order); // and says so
    CHECK(error("0001 8001 0003 4c00 0007 0000 000000") == DecodeError::malformed);
    CHECK(error("0001 8001 0010 4c00 0007 0000 00000000 00000006 00000008 0000000a") == DecodeError::malformed);
}

TEST_CASE("A response without end is cut off", "[isns]") {
    ResponseReader reader;
    ByteVector part = from_hex("0001 8001 fffc 4400 0007 0000");
    part.resize(12 + 0xfffc);
    for (std::size_t sent = 0xfffc; sent < response_bytes_max; sent += 0xfffc) {
        REQUIRE(reader.take(part));
        part[6] = 0x40;
        ++part[11];
    }
    CHECK(reader.take(part).error() == DecodeError::too_long);
}
