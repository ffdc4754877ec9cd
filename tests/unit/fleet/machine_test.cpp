#include "fleet/limits.hpp"
#include "fleet/machine.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::fleet;

TEST_CASE("Machine names are DNS labels in lower case", "[fleet]") {
    for (const char* good : {"a", "lab1-07", "7", "a--b", "x23456789012345678901234567890123456789012345678901234567890123"}) {
        CAPTURE(good);
        CHECK(is_valid_machine_name(good));
    }
    for (const char* bad : {"", "-a", "a-", "Lab", "a_b", "a.b", "a b", "a/b", "..", "\xc3\xa4",
                            "x234567890123456789012345678901234567890123456789012345678901234"}) {
        CAPTURE(bad);
        CHECK_FALSE(is_valid_machine_name(bad));
    }
}

TEST_CASE("Image and volume names may hold dots and underscores, but name no other folder", "[fleet]") {
    CHECK(is_valid_store_name("win11_lab-v1.2"));
    for (const char* bad : {"", ".", "..", ".hidden", "a/b", "a.", "_a"}) {
        CAPTURE(bad);
        CHECK_FALSE(is_valid_store_name(bad));
    }
}

TEST_CASE("Every mode, stage and outcome is found by its own name", "[fleet]") {
    for (const Mode mode : {Mode::persistent, Mode::reset, Mode::maintenance}) {
        CHECK(parse_mode(mode_name(mode)) == mode);
    }
    for (std::size_t stage = 0; stage < stage_count; ++stage) {
        CHECK(parse_stage(stage_name(Stage(stage))) == Stage(stage));
    }
    for (const BootOutcome outcome : {BootOutcome::in_progress, BootOutcome::running, BootOutcome::ended, BootOutcome::failed, BootOutcome::refused}) {
        CHECK(parse_outcome(outcome_name(outcome)) == outcome);
    }
    CHECK_FALSE(parse_mode("Maintenance"));
    CHECK_FALSE(parse_stage(""));
    CHECK_FALSE(parse_outcome("Running"));
}

TEST_CASE("Text from the network is kept printable and short", "[fleet]") {
    CHECK(plain_text("OptiPlex 7010\n\x1b[31m") == "OptiPlex 7010??[31m");
    CHECK(plain_text(std::string(5000, 'x')).size() == text_bytes_max);
}
