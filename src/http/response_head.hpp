// The head of a response as bytes (RFC 9112 sections 4 and 6). Pure.
#pragma once

#include "core/clock.hpp"
#include "http/message.hpp"

namespace rootstock::http {

/// How the body's end is told.
enum class Framing : std::uint8_t { length, chunked, close };

[[nodiscard]] std::string
response_head(const Response& response, Framing framing, bool keep_alive, WallTime now);

/// One chunk of a chunked body, with its size; the last one is empty.
[[nodiscard]] std::string chunk(std::string_view data);

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
[[nodiscard]] std::string http_date(WallTime time);

} // namespace rootstock::http
