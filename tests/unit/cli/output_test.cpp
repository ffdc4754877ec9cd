// Tables, values of the API for people, URL segments.
#include "cli/client.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "support/catch.hpp"

#include <boost/json/parse.hpp>

using namespace rootstock::cli;

TEST_CASE("Table: columns are as wide as their widest cell, by characters", "[cli]") {
    Table table({"NAME", "STATE"});
    CHECK(table.empty());
    table.add({"lab1-07", "running"});
    table.add({"\xc3\xa4", "off"});
    CHECK_FALSE(table.empty());
    CHECK(table.text() == "NAME     STATE\n"
                          "lab1-07  running\n"
                          "\xc3\xa4        off\n");
}

TEST_CASE("API values: what is missing, null or empty is a dash", "[cli]") {
    const auto value = boost::json::parse(R"({"a": "x", "b": "", "c": null, "n": 2, "macs": ["1", "2"], "none": [], "size": 1536})");
    CHECK(text_of(value, "a") == "x");
    CHECK(text_of(value, "b") == "-");
    CHECK(text_of(value, "c") == "-");
    CHECK(text_of(value, "d") == "-");
    CHECK(text_of(value, "n") == "2");
    CHECK(words_of(value, "macs") == "1, 2");
    CHECK(words_of(value, "none") == "-");
    CHECK(size_of(value, "size") == "1.5 KiB");
    CHECK(time_of(value, "c") == "-");
    CHECK(list_of(value, "a").empty());
}

TEST_CASE("url_segment: whatever a user types stays one path segment", "[cli]") {
    CHECK(url_segment("lab1-07") == "lab1-07");
    CHECK(url_segment("52:54:00:aa:00:07") == "52:54:00:aa:00:07");
    CHECK(url_segment("../x?y#z %") == "..%2fx%3fy%23z%20%25");
}
