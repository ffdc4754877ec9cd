#include "assets/assets.hpp"

#include <algorithm>

namespace rootstock::assets {

std::optional<Bytes> find(std::string_view name) {
    const auto assets = all();
    const auto at = std::lower_bound(assets.begin(), assets.end(), name, [](const Asset& asset, std::string_view wanted) {
        return asset.name < wanted;
    });
    if (at == assets.end() || at->name != name) {
        return std::nullopt;
    }
    return at->bytes;
}

} // namespace rootstock::assets
