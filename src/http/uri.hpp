// Request targets (RFC 9112 section 3.2) and percent-encoding (RFC 3986 section 2.1). Pure.
#pragma once

#include "http/message.hpp"

namespace rootstock::http {

/// %41 -> A; `plus_is_space` for form-encoded queries. Nothing on a broken escape or an encoded
/// zero byte.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

struct Target {
    std::string path;
    Pairs query;
};
/// Origin form ("/path?query") or absolute form ("http://host/path?query"). Nothing when it is
/// malformed, has "." or ".." segments, or too many values (limits.hpp).
[[nodiscard]] std::optional<Target> parse_target(std::string_view target);

} // namespace rootstock::http
