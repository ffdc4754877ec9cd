#include "cli/release_options.hpp"

#include "cli/output.hpp"
#include "support/catch.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <ctime>

using namespace rootstock;
using namespace rootstock::cli;

namespace {

/// The body that a command line asks for; what is wrong with the line otherwise.
std::string body_of(std::vector<std::string> words) {
    CLI::App app;
    const auto given = add_release_options(app);
    std::reverse(words.begin(), words.end());
    try {
        app.parse(words);
    } catch (const CLI::ParseError& error) {
        return error.what();
    }
    return boost::json::serialize(release_body(*given));
}

} // namespace

TEST_CASE("A release's time is local", "[cli][release]") {
    ::setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    ::tzset();
    CHECK(parse_local_time("2026-12-01T06:00") == 1796101200000);
    CHECK(parse_local_time("2026-07-01T06:00:30") == 1782878430000); // summer time
    for (const char* wrong : {"", "06:00", "2026-12-01", "2026-12-01 06:00", "2026-13-01T06:00", "2026-12-01T06:00Z", "tomorrow"}) {
        INFO(wrong);
        CHECK_FALSE(parse_local_time(wrong));
    }
    ::unsetenv("TZ");
    ::tzset();
}

TEST_CASE("For whom a version is, as the API is told", "[cli][release]") {
    CHECK(body_of({}) == "{}");
    CHECK(body_of({"--for", "lab1-06,lab1-07"}) == R"({"machines":["lab1-06","lab1-07"]})");
    CHECK(body_of({"--percent", "10", "--min-boots", "3", "--min-share", "70"}) == R"({"percent":10,"minimum_boots":3,"minimum_share":70})");
    CHECK(body_of({"--no-watch"}) == R"({"watch":false})");
    CHECK_THAT(body_of({"--at", "tomorrow"}), Catch::Contains("2026-12-01T06:00"));
    CHECK_THAT(body_of({"--for", "lab1-06", "--percent", "10"}), Catch::Contains("excludes"));
    CHECK_THAT(body_of({"--percent", "0"}), Catch::Contains("1"));
}
