#include "boot/version_policy.hpp"

#include "boot/limits.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::boot;
using images::Audience;
using images::Release;
using images::ReleaseState;

namespace {

const WallTime monday = wall_from_unix_ms(1764568800000); // 2025-12-01 06:00 UTC

std::vector<images::ImageVersion> versions(std::uint32_t current, std::uint32_t newest = 3) {
    std::vector<images::ImageVersion> all;
    for (std::uint32_t number = 1; number <= newest; ++number) {
        images::ImageVersion version;
        version.image = "win11";
        version.number = number;
        version.current = number == current;
        all.push_back(version);
    }
    return all;
}

Release release(std::int64_t id, std::uint32_t version, Audience audience = Audience::all) {
    Release made;
    made.id = id;
    made.image = "win11";
    made.version = version;
    made.previous = 1;
    made.audience = audience;
    made.starts = monday;
    return made;
}
Release for_machines(std::int64_t id, std::uint32_t version, std::vector<std::string> machines) {
    Release made = release(id, version, Audience::machines);
    made.machines = std::move(machines);
    return made;
}
Release for_percent(std::int64_t id, std::uint32_t version, std::uint32_t percent) {
    Release made = release(id, version, Audience::percent);
    made.percent = percent;
    return made;
}
Release in_state(Release made, ReleaseState state) {
    made.state = state;
    return made;
}
Release of_image(Release made, const char* image) {
    made.image = image;
    return made;
}

fleet::Boot boot_on(std::uint32_t version, fleet::BootOutcome outcome, std::optional<fleet::Stage> last = fleet::Stage::login) {
    fleet::Boot made;
    made.image = "win11";
    made.version = version;
    made.started = monday;
    made.outcome = outcome;
    if (last) {
        made.stages = {{*last, monday, {}}};
    }
    return made;
}

} // namespace

TEST_CASE("A new disk stands on the newest release that has begun and is for its machine, else on the current version", "[boot][versions]") {
    struct Row {
        const char* what;
        std::vector<Release> releases;
        std::uint32_t expected;
        std::chrono::seconds at = std::chrono::seconds(0); // from Monday on
    };
    const std::vector<Row> rows = {
        {"no release", {}, 2},
        {"to all", {release(1, 3)}, 3},
        {"to all, not yet", {release(1, 3)}, 2, std::chrono::seconds(-1)},
        {"to this machine", {for_machines(1, 3, {"lab1-06", "lab1-07"})}, 3},
        {"to another machine", {for_machines(1, 3, {"lab1-06"})}, 2},
        {"to everybody by percent", {for_percent(1, 3, 100)}, 3},
        {"rolled back", {in_state(release(1, 3), ReleaseState::rolled_back)}, 2},
        {"ended", {in_state(release(1, 3), ReleaseState::ended)}, 2},
        {"of another image", {of_image(release(1, 3), "debian")}, 2},
        {"its version is not there", {release(1, 4)}, 2},
        {"the newest wins", {release(1, 3), release(2, 1)}, 1},
        {"the newest that is for it wins", {release(1, 3), for_machines(2, 1, {"lab1-06"})}, 3},
        {"of one version the newest alone counts", {release(1, 3), for_machines(2, 3, {"lab1-06"})}, 2},
        {"a newest one that has not begun takes nothing away",
         {for_machines(1, 3, {"lab1-07"}), [] { Release later = release(2, 3); later.starts += std::chrono::hours(1); return later; }()},
         3},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        CHECK(choose_version(versions(2), row.releases, "win11", "lab1-07", monday + row.at) == row.expected);
    }
    CHECK_FALSE(choose_version(versions(2), {}, "debian", "lab1-07", monday));
    CHECK(newest_version(versions(1, 5), "win11") == 5);
}

TEST_CASE("Percentages mean about as many machines, always the same, and more percent mean more of them", "[boot][versions]") {
    std::size_t tenth = 0;
    std::size_t half = 0;
    for (int i = 0; i < 1000; ++i) {
        const std::string name = "lab" + std::to_string(i / 100) + "-" + std::to_string(i % 100);
        const bool in_tenth = is_for(for_percent(1, 3, 10), name);
        const bool in_half = is_for(for_percent(1, 3, 50), name);
        CHECK((!in_tenth || in_half));
        CHECK(is_for(for_percent(1, 3, 100), name));
        tenth += in_tenth ? 1 : 0;
        half += in_half ? 1 : 0;
    }
    CHECK(tenth > 70);
    CHECK(tenth < 130);
    CHECK(half > 440);
    CHECK(half < 560);
    CHECK(percentile("lab1-07") == 44); // a release that is there must not move by an update of this program
}

TEST_CASE("Boots count by whether they reached running", "[boot][versions]") {
    using enum fleet::BootOutcome;
    struct Row {
        const char* what;
        fleet::Boot boot;
        BootCount expected;
    };
    const WallTime later = monday + std::chrono::minutes(1);
    const std::vector<Row> rows = {
        {"running", boot_on(3, running, fleet::Stage::running), {1, 0}},
        {"was running, is switched off", boot_on(3, ended, fleet::Stage::running), {1, 0}},
        {"ended before", boot_on(3, ended), {0, 1}},
        {"failed", boot_on(3, failed), {0, 1}},
        {"on its way", boot_on(3, in_progress), {0, 0}},
        {"refused: its PC was replaced", boot_on(3, refused), {0, 0}},
        {"another version", boot_on(2, failed), {0, 0}},
        {"never had a disk", boot_on(0, failed), {0, 0}},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        CHECK(count_boots(std::vector{row.boot}, "win11", 3, monday, later) == row.expected);
    }
    CHECK(count_boots(std::vector{boot_on(3, in_progress)}, "win11", 3, monday, monday + boot_patience + std::chrono::seconds(1)) == BootCount{0, 1});
    CHECK(count_boots(std::vector{boot_on(3, failed)}, "win11", 3, later, later) == BootCount{0, 0});
    CHECK(count_boots(std::vector{boot_on(3, failed)}, "debian", 3, monday, later) == BootCount{0, 0});
}

TEST_CASE("A release is taken back when enough boots are decided and too few of them were good", "[boot][versions]") {
    struct Row {
        BootCount now;
        BootCount before;
        Verdict expected;
        images::Watch watch = {};
    };
    const images::Watch off{false, 5, 80};
    const images::Watch never{true, 5, 0};
    const std::vector<Row> rows = {
        {{0, 0}, {}, Verdict::wait},
        {{0, 4}, {}, Verdict::wait},
        {{0, 5}, {}, Verdict::roll_back},
        {{3, 2}, {}, Verdict::roll_back},
        {{4, 1}, {}, Verdict::keep},
        {{79, 21}, {}, Verdict::roll_back},
        {{80, 20}, {}, Verdict::keep},
        {{3, 2}, {6, 4}, Verdict::keep},      // no worse than the version before
        {{2, 3}, {6, 4}, Verdict::roll_back}, // worse
        {{3, 2}, {1, 1}, Verdict::roll_back}, // too few boots to say how that did
        {{4, 1}, {5, 0}, Verdict::keep},      // a better one before asks for no more than the watch
        {{0, 5}, {}, Verdict::wait, off},
        {{0, 5}, {}, Verdict::keep, never},
    };
    for (const Row& row : rows) {
        INFO(row.now.good << " good, " << row.now.bad << " bad; before: " << row.before.good << ", " << row.before.bad);
        CHECK(judge(row.watch, row.now, row.before) == row.expected);
    }
    CHECK(reason_for(release(1, 3), {2, 3}, {}) == "3 of 5 boots on version 3 did not reach running (40 % did, 80 % are asked for)");
}

TEST_CASE("A version stays while anybody needs it", "[boot][versions]") {
    std::vector<images::VersionUse> uses;
    for (const images::ImageVersion& version : versions(4, 6)) {
        uses.push_back({version, 0, {}, {}});
    }
    uses[0].needed_by = {"lab1-07", "version 2"};
    Release waiting = release(1, 6);
    waiting.previous = 3;
    const std::vector<Release> releases = {waiting, in_state(release(2, 2), ReleaseState::ended)};
    const auto reason = [&](std::uint32_t number, std::uint32_t keep) { return reason_to_keep(uses, number - 1, releases, keep); };
    CHECK(reason(1, 1) == "it is needed by lab1-07, version 2");
    CHECK(reason(2, 1).empty());
    CHECK(reason(3, 1) == "a release is for it, or goes back to it");
    CHECK(reason(4, 1) == "it is the current one");
    CHECK(reason(5, 1).empty());
    CHECK(reason(5, 2) == "it is one of the newest 2");
    CHECK_FALSE(reason_to_keep(uses, 5, {}, 0).empty()); // its number would be used again
}
