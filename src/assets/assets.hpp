// Files inside the binary: iPXE loaders ("ipxe/undionly.kpxe"), the web page ("web/index.html"), the database schema
// ("schema/0001_initial.sql"). One file is the whole deployment; a folder can override the loaders at run time.
#pragma once

#include "core/bytes.hpp"

#include <optional>

namespace rootstock::assets {

struct Asset {
    std::string_view name;
    Bytes bytes; // lives as long as the process
};

/// All assets, sorted by name.
[[nodiscard]] std::span<const Asset> all();
[[nodiscard]] std::optional<Bytes> find(std::string_view name);

} // namespace rootstock::assets
