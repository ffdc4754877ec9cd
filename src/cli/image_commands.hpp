// The parts of `rootstock image`, one file each; image.cpp makes the group and joins them.
#pragma once

#include "cli/options.hpp"

#include <boost/json/value.hpp>

#include <string>

namespace rootstock::cli {

inline constexpr const char* images_url = "/api/v1/images";

void add_image_import(CLI::App& group, Options& options, Action& chosen);
void add_image_verify(CLI::App& group, Options& options, Action& chosen);
void add_image_warm(CLI::App& group, Options& options, Action& chosen);
void add_image_export(CLI::App& group, Options& options, Action& chosen);
void add_image_show(CLI::App& group, Options& options, Action& chosen);
void add_image_version_commands(CLI::App& group, Options& options, Action& chosen); // update, release, rollback, prune
void add_image_publish(CLI::App& group, Options& options, Action& chosen);          // publish, promote
void add_image_file_commands(CLI::App& group, Options& options, Action& chosen); // check, convert

/// How much of a warm version is where: "78 MiB in memory, pinned".
[[nodiscard]] std::string warm_words(const boost::json::value& warm);

} // namespace rootstock::cli
