#include "http/limits.hpp"
#include "http/uri.hpp"
#include "support/catch.hpp"

using namespace rootstock::http;

TEST_CASE("Targets: path and query are split and decoded", "[http][uri]") {
    const auto target = parse_target("/boot.ipxe?mac=52%3A54%3A00%3aaa%3A00%3A07&wait=1&product="
                                     "Standard%20PC+(Q35)&empty=&bare");
    REQUIRE(target);
    CHECK(target->path == "/boot.ipxe");
    CHECK(target->query == Pairs{{"mac", "52:54:00:aa:00:07"},
                                 {"wait", "1"},
                                 {"product", "Standard PC (Q35)"},
                                 {"empty", ""},
                                 {"bare", ""}});
}

TEST_CASE("Targets: the absolute form means the same", "[http][uri]") {
    CHECK(parse_target("http://10.20.0.1:8080/a/b")->path == "/a/b");
    CHECK(parse_target("http://10.20.0.1")->path == "/");
    CHECK(parse_target("/go?to=http://elsewhere/x")->path == "/go");
}

TEST_CASE("Targets: what is malformed or climbs is refused", "[http][uri]") {
    for (const char* target : {"",
                               "x",
                               "*",
                               "/%",
                               "/%4",
                               "/%zz",
                               "/%00",
                               "/a/../b",
                               "/..",
                               "/./a",
                               "/%2e%2e/etc",
                               "/x?a=%",
                               "/x?%00=1",
                               "example:80"}) {
        INFO(target);
        CHECK_FALSE(parse_target(target));
    }
    std::string many = "/x?";
    for (std::size_t i = 0; i <= query_values_max; ++i) {
        many += "a=1&";
    }
    CHECK_FALSE(parse_target(many));
}

TEST_CASE("Percent-decoding: plus is a space in queries only", "[http][uri]") {
    CHECK(*percent_decode("a+b%2B", false) == "a+b+");
    CHECK(*percent_decode("a+b%2B", true) == "a b+");
}
