// Shell completion scripts, made from the command tree itself, so that they never lag behind it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace rootstock::cli {

/// `shell`: "bash", "zsh" or "fish"; nothing for another one.
[[nodiscard]] std::optional<std::string> completion_script(const CLI::App& root, std::string_view shell);

} // namespace rootstock::cli
