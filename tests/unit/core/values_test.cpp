// Value types: MAC, IPv4, GUID, text and sizes.
#include "core/crc32.hpp"
#include "core/guid.hpp"
#include "core/ipv4.hpp"
#include "core/log.hpp"
#include "core/mac.hpp"
#include "core/random.hpp"
#include "core/text.hpp"
#include "core/unicode.hpp"
#include "support/catch.hpp"

using namespace rootstock;

TEST_CASE("Mac: three spellings, one normal form", "[core][mac]") {
    for (const char* text : {"52:54:00:AA:00:07", "52-54-00-aa-00-07", "525400aa0007"}) {
        CAPTURE(text);
        const auto mac = Mac::parse(text);
        REQUIRE(mac.has_value());
        CHECK(mac->text() == "52:54:00:aa:00:07");
    }
}

TEST_CASE("Mac: anything else is refused", "[core][mac]") {
    for (const char* text : {"", "52:54:00:aa:00", "52:54:00:aa:00:0g", "52:54-00:aa:00:07", "52.54.00.aa.00.07", "+2:54:00:aa:00:07",
                             "52:54:00:aa:00:071"}) {
        CAPTURE(text);
        CHECK_FALSE(Mac::parse(text).has_value());
    }
}

TEST_CASE("Mac: group and zero addresses belong to no station", "[core][mac]") {
    CHECK(Mac::parse("52:54:00:aa:00:07")->is_station());
    CHECK_FALSE(Mac::parse("ff:ff:ff:ff:ff:ff")->is_station());
    CHECK_FALSE(Mac::parse("01:00:5e:00:00:01")->is_station());
    CHECK_FALSE(Mac{}.is_station());
}

TEST_CASE("Ipv4: text and network arithmetic", "[core][ipv4]") {
    const auto address = Ipv4::parse("10.20.3.250");
    REQUIRE(address.has_value());
    CHECK(address->value == 0x0a1403faU);
    CHECK(address->text() == "10.20.3.250");
    CHECK_FALSE(Ipv4::parse("10.20.3").has_value());
    CHECK_FALSE(Ipv4::parse("10.20.3.256").has_value());

    const Ipv4Network network{*Ipv4::parse("10.20.0.1"), 22};
    CHECK(network.mask().text() == "255.255.252.0");
    CHECK(network.broadcast().text() == "10.20.3.255");
    CHECK(network.contains(*address));
    CHECK_FALSE(network.contains(*Ipv4::parse("10.20.4.1")));
    CHECK(Ipv4Network{*address, 0}.contains(Ipv4{}));
    CHECK(Ipv4Network{*address, 32}.broadcast() == *address);
}

TEST_CASE("Guid: the first three fields are little-endian on disk ([MS-DTYP] 2.3.4.2)", "[core][guid]") {
    const auto guid = Guid::parse("{2DC27766-F623-4200-9D64-115E9BFD4A08}"); // the BAT region's GUID
    REQUIRE(guid.has_value());
    CHECK(hex(guid->bytes) == "6677c22d23f600429d64115e9bfd4a08");
    CHECK(guid->text() == "2dc27766-f623-4200-9d64-115e9bfd4a08");
    CHECK_FALSE(Guid::parse("2dc27766-f623-4200-9d64115e9bfd4a08-").has_value());
}

TEST_CASE("Guid: random ones carry version 4 and its variant", "[core][guid]") {
    SeededRandom random(7);
    const Guid guid = Guid::random(random);
    CHECK(guid.text()[14] == '4');
    CHECK((guid.bytes[8] & 0xc0) == 0x80);
    CHECK(Guid::parse(guid.text()) == guid);
    CHECK(Guid::random(random) != guid);
}

TEST_CASE("parse_size: binary multiples", "[core][text]") {
    CHECK(parse_size("512") == 512U);
    CHECK(parse_size("20K") == 20480U);
    CHECK(parse_size("1G") == 1073741824U);
    CHECK(parse_size("1.5 GiB") == 1610612736U);
    CHECK(parse_size("2tb") == 2199023255552U);
    for (const char* text : {"", "G", "-1", "1X", "1GG", "0.3", "nan", "1e30"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text).has_value());
    }
}

TEST_CASE("format_size: short and readable", "[core][text]") {
    CHECK(format_size(0) == "0 B");
    CHECK(format_size(1536) == "1.5 KiB");
    CHECK(format_size(std::uint64_t{40} << 30) == "40 GiB");
}

TEST_CASE("nearest_word: a typing error is found, a stranger is not", "[core][text]") {
    const std::vector<std::string> words = {"interface", "data", "name"};
    CHECK(nearest_word("interfce", words) == "interface");
    CHECK(nearest_word("dat", words) == "data");
    CHECK_FALSE(nearest_word("zzzzzz", words).has_value());
}

TEST_CASE("split and trim", "[core][text]") {
    CHECK(split("a,b,,c", ',') == std::vector<std::string_view>{"a", "b", "", "c"});
    CHECK(split("", ',') == std::vector<std::string_view>{""});
    CHECK(trim(" \t x y \r\n") == "x y");
    CHECK(trim(" \n").empty());
}

TEST_CASE("UTF-16LE: what goes in comes out, also beyond the BMP", "[core][unicode]") {
    const std::string text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\xb1";
    const auto wide = utf16le_from_utf8(text);
    REQUIRE(wide.has_value());
    CHECK(wide->size() == 10);
    CHECK(utf8_from_utf16le(*wide) == text);
}

TEST_CASE("UTF-8: overlong, surrogate, truncated and stray bytes are refused", "[core][unicode]") {
    for (const char* text : {"\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "\x80", "\xf4\x90\x80\x80", "\xff"}) {
        CHECK_FALSE(utf16le_from_utf8(text).has_value());
    }
    CHECK_FALSE(utf8_from_utf16le(ByteVector{0x00, 0xd8}).has_value());
    CHECK_FALSE(utf8_from_utf16le(ByteVector{0x00, 0xdc, 0x41, 0x00}).has_value());
    CHECK_FALSE(utf8_from_utf16le(ByteVector{0x41}).has_value());
}

TEST_CASE("Log fields: what a peer wrote cannot break the line", "[core][log]") {
    CHECK(format_fields({{"initiator", "iqn.x:y"}, {"tsih", 7}, {"ok", true}}) == "initiator=iqn.x:y tsih=7 ok=true");
    CHECK(format_fields({{"name", "a b\n\"c\""}}) == "name=\"a b\\x0a\\\"c\\\"\"");
    CHECK(format_fields({{"empty", ""}}) == "empty=\"\"");
}

TEST_CASE("Log times are ISO 8601 in UTC with milliseconds", "[core][log]") {
    CHECK(format_time(wall_from_unix_ms(1234567890123)) == "2009-02-13T23:31:30.123Z");
}

TEST_CASE("CRC32 of the check value that everybody gives", "[core]") {
    constexpr std::string_view digits = "123456789";
    CHECK(crc32(as_bytes(digits)) == 0xcbf43926U);
}
