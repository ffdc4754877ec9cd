// The parts of `rootstock volume` and what they share; volume.cpp makes the group and joins them.
#pragma once

#include "cli/options.hpp"
#include "core/result.hpp"

#include <boost/json/object.hpp>

namespace rootstock::cli {

void add_volume_set(CLI::App& group, Options& options, Action& chosen);
void add_volume_move(CLI::App& group, Options& options, Action& chosen);

inline constexpr const char* volumes_url = "/api/v1/volumes";
[[nodiscard]] std::string volume_url(const std::string& name);

inline constexpr const char* initiator_help =
    "who may log in: an initiator name, a machine name, an address like 10.20.0.0/16 or a MAC (may be repeated)";

struct ChapOptions {
    std::string user, secret_file;
};

/// Adds `key` to the body of a request, when its secret was given.
[[nodiscard]] Result<void> add_chap(boost::json::object& body, const char* key, const ChapOptions& given);

/// As the server needs it, whose working directory is another one.
[[nodiscard]] std::string absolute_path(const std::string& path);

/// "disk", "disk, read-only", "volatile", "cdrom".
[[nodiscard]] std::string kind_of(const boost::json::value& volume);

} // namespace rootstock::cli
