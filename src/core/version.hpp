// The program's version, one source: project(VERSION) in CMakeLists.txt. `--version` and the API report it.
#pragma once

#include <string_view>

namespace rootstock {
[[nodiscard]] std::string_view version();
} // namespace rootstock
