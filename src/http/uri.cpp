#include "http/uri.hpp"

#include "core/text.hpp"
#include "http/limits.hpp"

namespace rootstock::http {

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            decoded += ' ';
        } else if (text[i] != '%') {
            decoded += text[i];
        } else {
            if (text.size() - i < 3) {
                return std::nullopt;
            }
            const auto value = parse_hex<unsigned>(text.substr(i + 1, 2));
            if (!value || *value == 0) {
                return std::nullopt;
            }
            decoded += static_cast<char>(*value);
            i += 2;
        }
    }
    return decoded;
}

namespace {

std::optional<Pairs> parse_query(std::string_view query) {
    Pairs pairs;
    for (const std::string_view part : split(query, '&')) {
        if (part.empty()) {
            continue;
        }
        if (pairs.size() == query_values_max) {
            return std::nullopt;
        }
        const std::size_t equals = part.find('=');
        auto name = percent_decode(part.substr(0, equals), true);
        auto value = equals == std::string_view::npos
                         ? std::optional<std::string>("")
                         : percent_decode(part.substr(equals + 1), true);
        if (!name || !value) {
            return std::nullopt;
        }
        pairs.emplace_back(std::move(*name), std::move(*value));
    }
    return pairs;
}

} // namespace

std::optional<Target> parse_target(std::string_view target) {
    if (const std::size_t scheme = target.find("://");
        scheme != std::string_view::npos && !target.starts_with('/')) {
        const std::size_t slash = target.find('/', scheme + 3);
        target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    if (!target.starts_with('/')) {
        return std::nullopt;
    }
    const std::size_t question = target.find('?');
    auto path = percent_decode(target.substr(0, question), false);
    auto query = question == std::string_view::npos ? std::optional<Pairs>(Pairs())
                                                    : parse_query(target.substr(question + 1));
    if (!path || !query) {
        return std::nullopt;
    }
    for (const std::string_view segment : split(*path, '/')) {
        if (segment == "." || segment == "..") {
            return std::nullopt;
        }
    }
    return Target{std::move(*path), std::move(*query)};
}

} // namespace rootstock::http
