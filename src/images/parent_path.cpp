#include "images/parent_path.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace rootstock::images {
namespace {

constexpr std::string_view verbatim_prefix = "//?/";
constexpr std::string_view volume_prefix = "Volume{";

/// With `/`, and without drive and prefixes.
std::string host_path(std::string path) {
    std::ranges::replace(path, '\\', '/');
    if (path.starts_with(verbatim_prefix)) {
        path.erase(0, verbatim_prefix.size());
        if (path.starts_with(volume_prefix)) {
            path.erase(0, std::min(path.size(), path.find('/')));
        }
    }
    if (path.size() > 2 && path[1] == ':' && path[2] == '/') {
        path.erase(0, 2);
    }
    return path;
}

} // namespace

std::vector<std::string> parent_candidates(const std::string& child, const std::vector<std::string>& stored) {
    const std::filesystem::path directory = std::filesystem::path(child).parent_path();
    std::vector<std::string> candidates;
    const auto add = [&](const std::filesystem::path& path) {
        const std::string text = path.lexically_normal().string();
        if (!path.filename().empty() && std::ranges::find(candidates, text) == candidates.end()) {
            candidates.push_back(text);
        }
    };
    for (const std::string& path : stored) {
        add(directory / host_path(path)); // an absolute path stands alone
    }
    for (const std::string& path : stored) {
        add(directory / std::filesystem::path(host_path(path)).filename());
    }
    return candidates;
}

} // namespace rootstock::images
