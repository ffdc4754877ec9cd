#include "cli/release_options.hpp"

#include "cli/output.hpp"

#include <CLI/CLI.hpp>

#include <ctime>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

std::string check_time(const std::string& text) {
    return parse_local_time(text) ? "" : "'" + text + "' is no time; write it like 2026-12-01T06:00, in local time";
}

} // namespace

std::shared_ptr<ReleaseOptions> add_release_options(CLI::App& command) {
    auto given = std::make_shared<ReleaseOptions>();
    auto* machines = command.add_option("--for", given->machines, "only for these machines, separated by commas")->delimiter(',');
    command.add_option("--percent", given->percent, "only for so many percent of the machines, always the same ones")->check(CLI::Range(1, 100))->excludes(machines);
    command.add_option("--at", given->at, "from this local time on, like 2026-12-01T06:00; without it at once")->check(check_time);
    command.add_option("--min-boots", given->minimum_boots, "boots to wait for before it is judged (5)")->check(CLI::Range(1U, 100000U));
    command.add_option("--min-share", given->minimum_share, "percent of them that must reach running, else it is rolled back (80)")->check(CLI::Range(0, 100));
    command.add_flag("--no-watch", given->unwatched, "never roll it back by itself");
    return given;
}

json::object release_body(const ReleaseOptions& given) {
    json::object body;
    if (!given.machines.empty()) {
        body["machines"] = array_of(given.machines);
    } else if (given.percent < 100) {
        body["percent"] = given.percent;
    }
    if (const auto at = parse_local_time(given.at)) {
        body["at"] = *at;
    }
    if (given.minimum_boots != 0) {
        body["minimum_boots"] = given.minimum_boots;
    }
    if (given.minimum_share >= 0) {
        body["minimum_share"] = given.minimum_share;
    }
    if (given.unwatched) {
        body["watch"] = false;
    }
    return body;
}

std::optional<std::int64_t> parse_local_time(std::string_view text) {
    const std::string whole(text);
    for (const char* format : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"}) {
        std::tm parts{};
        parts.tm_isdst = -1; // whatever holds on that day
        const char* end = ::strptime(whole.c_str(), format, &parts);
        if (end == nullptr || *end != '\0') {
            continue;
        }
        const std::time_t seconds = std::mktime(&parts);
        return seconds == -1 ? std::nullopt : std::optional(std::int64_t{seconds} * 1000);
    }
    return std::nullopt;
}

std::string release_words(const json::value& release) {
    const std::string audience = text_of(release, "audience");
    const std::string whom = audience == "machines"  ? words_of(release, "machines")
                             : audience == "percent" ? text_of(release, "percent") + " % of the machines"
                                                     : "all";
    return "to " + whom + " from " + time_of(release, "starts") + " on";
}

} // namespace rootstock::cli
