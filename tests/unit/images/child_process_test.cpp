#include "images/child_process.hpp"

#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::images;

TEST_CASE("A program's words, output and exit code pass unchanged, and no shell sees them", "[images][process]") {
    const auto end = run_program({"sh", "-c", "printf %s \"$1\"; echo told >&2; exit 7", "sh", "a  $HOME 'b'"}, {});
    REQUIRE(end);
    CHECK(end->status == 7);
    CHECK(end->output == "a  $HOME 'b'");
    CHECK(end->error_output == "told\n");
}

TEST_CASE("A program's standard input is empty", "[images][process]") {
    const auto end = run_program({"cat"}, {});
    REQUIRE(end);
    CHECK(end->status == 0);
    CHECK(end->output.empty());
}

TEST_CASE("A program that is not there is an error", "[images][process]") {
    const auto end = run_program({"rootstock-no-such-program"}, {});
    REQUIRE_FALSE(end);
    CHECK(end.error().code == std::errc::no_such_file_or_directory);
}

TEST_CASE("A program is asked about while it runs, and ends when it is not wanted", "[images][process]") {
    int asked = 0;
    const auto end = run_program({"sleep", "600"}, [&](std::string_view) { return ++asked < 3; });
    REQUIRE_FALSE(end);
    CHECK(end.error().code == std::errc::operation_canceled);
    CHECK(asked == 3);
}

TEST_CASE("Of a flood of output the end is kept", "[images][process]") {
    const auto end = run_program({"sh", "-c", "seq 1 100000"}, {});
    REQUIRE(end);
    CHECK(end->output.size() <= 65536);
    CHECK(end->output.ends_with("\n100000\n"));
}
