#include "images/release.hpp"

#include <algorithm>
#include <array>

namespace rootstock::images {
namespace {

constexpr std::array<std::string_view, 3> audience_names = {"all", "machines", "percent"};
constexpr std::array<std::string_view, 3> state_names = {"active", "rolled_back", "ended"};

template <class Enum, std::size_t count> std::optional<Enum> parse(const std::array<std::string_view, count>& names, std::string_view name) {
    const auto at = std::find(names.begin(), names.end(), name);
    return at == names.end() ? std::nullopt : std::optional(static_cast<Enum>(at - names.begin()));
}

} // namespace

std::string_view audience_name(Audience audience) { return audience_names.at(static_cast<std::size_t>(audience)); }
std::optional<Audience> parse_audience(std::string_view name) { return parse<Audience>(audience_names, name); }
std::string_view state_name(ReleaseState state) { return state_names.at(static_cast<std::size_t>(state)); }
std::optional<ReleaseState> parse_release_state(std::string_view name) { return parse<ReleaseState>(state_names, name); }

} // namespace rootstock::images
