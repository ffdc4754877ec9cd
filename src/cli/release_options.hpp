// For whom a version is, and from when on: the options that `image publish`, `image promote` and `image release` share.
#pragma once

#include "cli/options.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace rootstock::cli {

struct ReleaseOptions {
    std::vector<std::string> machines;
    unsigned percent = 100;
    std::string at;
    unsigned minimum_boots = 0; // 0: the server's own
    int minimum_share = -1;     // -1: the server's own
    bool unwatched = false;
};

[[nodiscard]] std::shared_ptr<ReleaseOptions> add_release_options(CLI::App& command);
/// The members of the request's body.
[[nodiscard]] boost::json::object release_body(const ReleaseOptions& given);

/// "2026-12-01T06:00", local time, as milliseconds since 1970 UTC; seconds may follow.
[[nodiscard]] std::optional<std::int64_t> parse_local_time(std::string_view text);
/// "to all from 2026-12-01 06:00:00 on", of the API's release.
[[nodiscard]] std::string release_words(const boost::json::value& release);

} // namespace rootstock::cli
