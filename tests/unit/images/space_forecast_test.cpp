#include "images/space_forecast.hpp"

#include "images/fill_level.hpp"
#include "support/catch.hpp"

using namespace rootstock::images;

namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30U;

std::vector<DaySample> days(const std::vector<std::uint64_t>& used_gib) {
    std::vector<DaySample> samples;
    for (const std::uint64_t used : used_gib) {
        samples.push_back({20'000 + static_cast<std::int64_t>(samples.size()), used * gib});
    }
    return samples;
}

} // namespace

TEST_CASE("the growth of the last days says when it is full", "[images][space]") {
    struct Row {
        std::vector<std::uint64_t> used_gib; // one a day
        std::uint64_t limit_gib;
        std::optional<std::int64_t> days;
    };
    const std::vector<Row> rows = {
        {{10, 12, 14, 16}, 34, 9},                    // steady: 2 a day, 18 left
        {{10, 10, 10, 10}, 34, std::nullopt},         // nothing grows
        {{16, 14, 12, 10}, 34, std::nullopt},         // it shrinks
        {{10, 20}, 34, std::nullopt},                 // two days say nothing
        {{}, 34, std::nullopt},
        {{10, 51, 52, 53, 54, 55, 56}, 66, 10},       // an import on one day is no trend: 1 a day
        {{10, 11, 2, 13, 14, 15, 16}, 26, 10},        // nor is one odd day
        {{10, 11, 12}, 12, 0},                        // full
        {{10, 11, 12}, 11, 0},                        // more than full: the limit was lowered
        {{10, 11, 12}, 0, std::nullopt},              // no limit
        {{10, 11, 12}, 12 + 365, 365},
        {{10, 11, 12}, 12 + 366, std::nullopt},       // too far away to be said
    };
    for (const Row& row : rows) {
        INFO("limit " << row.limit_gib << ", " << row.used_gib.size() << " days");
        const auto samples = days(row.used_gib);
        CHECK(days_until_full(samples, samples.empty() ? 0 : samples.back().used_bytes, row.limit_gib * gib) == row.days);
    }
}

TEST_CASE("days without a sample count as days, and their order does not matter", "[images][space]") {
    std::vector<DaySample> samples = {{108, 18 * gib}, {100, 10 * gib}, {104, 14 * gib}};
    REQUIRE(growth_per_day(samples) == Approx(static_cast<double>(gib)));
    samples.push_back({104, 14 * gib}); // the same day twice adds nothing
    REQUIRE(growth_per_day(samples) == Approx(static_cast<double>(gib)));
}

TEST_CASE("an alarm rises at once and falls two points below", "[images][space]") {
    struct Row {
        unsigned before;
        std::uint64_t used;
        std::uint64_t limit;
        unsigned after;
    };
    const std::vector<Row> rows = {{0, 79, 100, 0},   {0, 80, 100, 80},  {80, 79, 100, 80}, {80, 78, 100, 80}, {80, 77, 100, 0},
                                   {80, 90, 100, 90}, {90, 88, 100, 90}, {90, 87, 100, 80}, {0, 99, 100, 95},  {95, 100, 100, 95},
                                   {95, 92, 100, 90}, {95, 0, 100, 0},   {95, 120, 100, 95}, {80, 99, 0, 0},   {0, 0, 100, 0}};
    for (const Row& row : rows) {
        INFO(row.before << " then " << row.used << " of " << row.limit);
        CHECK(fill_alarm(row.before, row.used, row.limit) == row.after);
    }
}
