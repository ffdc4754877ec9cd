// What must hold between the values of a configuration: no name, MAC or address twice, what one section asks of another. And the forms of names.
#pragma once

#include "app/config.hpp"
#include "app/config_reader.hpp"

namespace rootstock::app {

/// `document`: where the values stand, for the messages. `config`: as read so far; values that were wrong are empty.
void check_config(const TomlNode& document, const Config& config, Problems& problems);

/// DNS labels with dots between them.
[[nodiscard]] bool is_valid_domain(std::string_view name);

} // namespace rootstock::app
