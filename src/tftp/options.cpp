#include "tftp/options.hpp"

#include "core/text.hpp"
#include "tftp/limits.hpp"

#include <algorithm>

namespace rootstock::tftp {

namespace {

/// The number that is answered, if the option is accepted.
std::optional<std::uint64_t> accept(std::string_view name, std::uint64_t value, std::uint64_t file_size, Negotiated& result) {
    if (name == "blksize" && value >= block_size_minimum) {
        result.block_size = static_cast<std::uint32_t>(std::min<std::uint64_t>(value, block_size_maximum));
        return result.block_size;
    }
    if (name == "windowsize" && value >= 1) {
        result.window_size = static_cast<std::uint32_t>(std::min<std::uint64_t>(value, window_size_maximum));
        return result.window_size;
    }
    if (name == "timeout" && value >= timeout_minimum_s && value <= timeout_maximum_s) {
        result.timeout = std::chrono::seconds(value);
        return value; // must be the same (RFC 2349)
    }
    if (name == "tsize") {
        return file_size; // the client sends 0
    }
    return std::nullopt;
}

} // namespace

Negotiated negotiate(const OptionList& requested, std::uint64_t file_size) {
    Negotiated result;
    for (const auto& [name, text] : requested) {
        const auto is_same = [&name = name](const auto& entry) { return entry.first == name; };
        const bool repeated = std::any_of(result.accepted.begin(), result.accepted.end(), is_same);
        const auto value = parse_number<std::uint64_t>(text);
        if (repeated || !value) {
            continue;
        }
        if (const auto answer = accept(name, *value, file_size, result)) {
            result.accepted.emplace_back(name, std::to_string(*answer));
        }
    }
    return result;
}

} // namespace rootstock::tftp
