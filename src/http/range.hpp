// Byte ranges and validators of a GET (RFC 9110 sections 13 and 14): turns the 200 with a whole
// body into 206, 304 or 416. Pure.
#pragma once

#include "http/message.hpp"

namespace rootstock::http {

struct ByteRange {
    std::size_t offset = 0;
    std::size_t length = 0;
    bool operator==(const ByteRange&) const = default;
};

enum class RangeResult : std::uint8_t { whole, part, unsatisfiable };

/// `value`: of the header Range. What is malformed, not in bytes, or several ranges at once is
/// ignored, as section 14.2 allows: the whole body.
[[nodiscard]] RangeResult parse_range(std::string_view value, std::size_t size, ByteRange& range);

/// Applies If-None-Match, Range and If-Range to a 200 that has a body (text or bytes) and perhaps
/// an ETag.
void apply_conditions(const Request& request, Response& response);

} // namespace rootstock::http
