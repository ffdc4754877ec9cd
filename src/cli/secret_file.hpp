// A secret from a file or standard input. Not from the command line: everybody on the host can read that.
#pragma once

#include "core/result.hpp"

#include <string>

namespace rootstock::cli {

/// The first line of `path` ("-": standard input), without its end. Its length is the server's business.
[[nodiscard]] Result<std::string> read_secret(const std::string& path);

} // namespace rootstock::cli
