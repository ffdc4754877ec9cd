#include "core/ip_address.hpp"

#include "support/catch.hpp"

using namespace rootstock;

TEST_CASE("An IP address is read and written in its shortest form", "[core][ip]") {
    CHECK(IpAddress::parse("10.20.0.7")->text() == "10.20.0.7");
    CHECK(IpAddress::parse("fd00:0:0::7")->text() == "fd00::7");
    CHECK(IpAddress::parse("fe80::7%eth1")->text() == "fe80::7");
    for (const char* wrong : {"", "10.20.0", "10.20.0.256", "fd00:::7", "lab1-07", "52:54:00:aa:00:07", "10.20.0.7%eth1"}) {
        CAPTURE(wrong);
        CHECK_FALSE(IpAddress::parse(wrong));
    }
}

TEST_CASE("A prefix contains what agrees in its bits, of its own version", "[core][ip]") {
    struct Row {
        const char* prefix;
        const char* address;
        bool contains;
    };
    const Row rows[] = {
        {"10.20.0.0/16", "10.20.255.1", true}, {"10.20.0.0/16", "10.21.0.1", false}, {"10.20.0.0/15", "10.21.0.1", true},
        {"10.20.0.7", "10.20.0.7", true},      {"10.20.0.7", "10.20.0.6", false},    {"0.0.0.0/0", "192.0.2.1", true},
        {"fd00::/64", "fd00::1:2:3:4", true},  {"fd00::/64", "fd00:0:0:1::1", false}, {"0.0.0.0/0", "fd00::1", false},
        {"::/0", "10.20.0.7", false},          {"fd00::7", "fd00::7", true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.prefix, row.address);
        CHECK(IpPrefix::parse(row.prefix)->contains(*IpAddress::parse(row.address)) == row.contains);
    }
    for (const char* wrong : {"10.20.0.1/16", "10.20.0.0/33", "fd00::/129", "10.20.0.0/", "/16", "10.20.0.0/-1"}) {
        CAPTURE(wrong);
        CHECK_FALSE(IpPrefix::parse(wrong));
    }
}

TEST_CASE("IpEndpoint: an address with a port or without, IPv6 in brackets", "[core][ip]") {
    struct Row {
        const char* text;
        const char* full; // null: is none
    };
    for (const Row& row : {Row{"10.20.0.1", "10.20.0.1:3260"}, {"10.20.0.1:80", "10.20.0.1:80"}, {"[fd00::1]", "[fd00::1]:3260"},
                           {"[FD00:0::1]:65535", "[fd00::1]:65535"}, {"fd00::1", nullptr}, {"[10.20.0.1]", nullptr}, {"[fd00::1", nullptr},
                           {"10.20.0.1:", nullptr}, {"10.20.0.1:0", nullptr}, {"10.20.0.1:65536", nullptr}, {"[fd00::1]3260", nullptr},
                           {"host:3260", nullptr}, {"[", nullptr}, {"", nullptr}}) {
        CAPTURE(row.text);
        const auto endpoint = IpEndpoint::parse(row.text, 3260);
        CHECK((endpoint ? endpoint->text() : "") == std::string(row.full != nullptr ? row.full : ""));
    }
}
