// Boost.JSON for the API: reading a request's body with errors that help, and the values that every
// resource shares.
#pragma once

#include "core/clock.hpp"
#include "core/ipv4.hpp"
#include "core/mac.hpp"
#include "core/result.hpp"
#include "http/message.hpp"
#include "images/volume.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace rootstock::api {

namespace json = boost::json;

/// The body of a change as an object; an empty body is {}. Errors: no object, a key that is none of
/// `allowed` (names the nearest one).
[[nodiscard]] Result<json::object> read_body(const http::Request& request,
                                             const std::vector<std::string>& allowed);

// A member of the body as a value. Absent: nothing. Of another type or malformed: an error that
// says what is expected.
[[nodiscard]] Result<std::optional<std::string>> text_of(const json::object& body, const char* key);
/// null is an empty text.
[[nodiscard]] Result<std::optional<std::string>> text_or_null_of(const json::object& body,
                                                                 const char* key);
[[nodiscard]] Result<std::optional<std::vector<std::string>>>
texts_of(const json::object& body, const char* key, std::size_t most);
/// An empty optional inside: null was given.
[[nodiscard]] Result<std::optional<std::optional<Ipv4>>> address_of(const json::object& body,
                                                                    const char* key);
/// "20G", "none" (0) or a number of bytes; an empty optional inside: null was given.
[[nodiscard]] Result<std::optional<std::optional<std::uint64_t>>>
quota_of(const json::object& body, const char* key);
/// "10G" or a number of bytes.
[[nodiscard]] Result<std::optional<std::uint64_t>> size_of(const json::object& body,
                                                           const char* key);
/// A whole number from `least` to `most`.
[[nodiscard]] Result<std::optional<std::uint64_t>>
number_of(const json::object& body, const char* key, std::uint64_t least, std::uint64_t most);
[[nodiscard]] Result<std::optional<bool>> truth_of(const json::object& body, const char* key);
/// {"user": "backup", "secret": "..."}; null takes it away: an empty identity.
[[nodiscard]] Result<std::optional<images::ChapIdentity>> chap_of(const json::object& body,
                                                                  const char* key);
[[nodiscard]] Result<Mac> parse_mac(std::string_view text);

[[nodiscard]] inline std::int64_t time_json(WallTime time) {
    return unix_ms(time);
}
[[nodiscard]] json::value optional_text(const std::optional<std::string>& text);

[[nodiscard]] http::Response no_content();
[[nodiscard]] http::Response json_response(const json::value& value, unsigned status = 200);

} // namespace rootstock::api
