#include "api/json.hpp"

#include "core/text.hpp"
#include "fleet/machine.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace rootstock::api {

namespace {

constexpr std::size_t nesting_max = 8;

Error invalid(std::string what) {
    return make_error(std::errc::invalid_argument, std::move(what));
}

Error expected(const char* key, std::string_view what) {
    return invalid("\"" + std::string(key) + "\" must be " + std::string(what));
}

} // namespace

Result<json::object> read_body(const http::Request& request,
                               const std::vector<std::string>& allowed) {
    if (trim(request.body).empty()) {
        return json::object();
    }
    json::error_code error;
    json::parse_options options;
    options.max_depth = nesting_max;
    json::value value = json::parse({request.body.data(), request.body.size()}, error, {}, options);
    if (error) {
        return invalid("the body is not JSON: " + error.message());
    }
    if (!value.is_object()) {
        return invalid("the body must be a JSON object");
    }
    for (const auto& member : value.as_object()) {
        const std::string key(member.key());
        if (std::find(allowed.begin(), allowed.end(), key) != allowed.end()) {
            continue;
        }
        const auto nearest = nearest_word(key, allowed);
        return invalid("unknown key \"" + key + "\"" +
                       (nearest           ? "; did you mean \"" + *nearest + "\"?"
                        : allowed.empty() ? "; none is expected"
                                          : "; allowed: " + join(allowed, ", ")));
    }
    return std::move(value.as_object());
}

Result<std::optional<std::string>> text_of(const json::object& body, const char* key) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr) {
        return std::optional<std::string>();
    }
    if (!value->is_string()) {
        return expected(key, "a text");
    }
    return std::optional(std::string(value->as_string()));
}

Result<std::optional<std::string>> text_or_null_of(const json::object& body, const char* key) {
    const json::value* value = body.if_contains(key);
    return value != nullptr && value->is_null() ? std::optional(std::string()) : text_of(body, key);
}

Result<std::optional<std::vector<std::string>>>
texts_of(const json::object& body, const char* key, std::size_t most) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr) {
        return std::optional<std::vector<std::string>>();
    }
    if (!value->is_array() || value->as_array().size() > most) {
        return expected(key, "a list of at most " + std::to_string(most) + " texts");
    }
    std::vector<std::string> texts;
    for (const json::value& element : value->as_array()) {
        if (!element.is_string()) {
            return expected(key, "a list of texts");
        }
        texts.emplace_back(element.as_string());
    }
    return std::optional(std::move(texts));
}

Result<std::optional<std::optional<Ipv4>>> address_of(const json::object& body, const char* key) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr) {
        return std::optional<std::optional<Ipv4>>();
    }
    if (value->is_null()) {
        return std::optional(std::optional<Ipv4>());
    }
    const auto address =
        value->is_string() ? Ipv4::parse(std::string_view(value->as_string())) : std::nullopt;
    if (!address) {
        return expected(key, "an IPv4 address like \"10.20.0.107\", or null");
    }
    return std::optional(std::optional(*address));
}

Result<std::optional<std::optional<std::uint64_t>>> quota_of(const json::object& body,
                                                             const char* key) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr) {
        return std::optional<std::optional<std::uint64_t>>();
    }
    if (value->is_null()) {
        return std::optional(std::optional<std::uint64_t>());
    }
    std::optional<std::uint64_t> bytes;
    if (value->is_string()) {
        bytes = fleet::parse_quota(std::string_view(value->as_string()));
    } else if (value->is_int64() && value->as_int64() >= 0) {
        bytes = static_cast<std::uint64_t>(value->as_int64());
    }
    if (!bytes) {
        return expected(key, "a size like \"20G\", \"none\", a number of bytes, or null");
    }
    return std::optional(bytes);
}

Result<std::optional<std::uint64_t>> size_of(const json::object& body, const char* key) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr) {
        return std::optional<std::uint64_t>();
    }
    if (value->is_string()) {
        if (const auto size = parse_size(std::string_view(value->as_string()))) {
            return std::optional(*size);
        }
    } else if (value->is_int64() && value->as_int64() > 0) {
        return std::optional(static_cast<std::uint64_t>(value->as_int64()));
    }
    return expected(key, "a size like \"10G\", or a number of bytes");
}

Result<std::optional<std::uint64_t>>
number_of(const json::object& body, const char* key, std::uint64_t least, std::uint64_t most) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr) {
        return std::optional<std::uint64_t>();
    }
    const bool whole = value->is_int64() && value->as_int64() >= 0;
    const auto number = whole ? static_cast<std::uint64_t>(value->as_int64()) : 0;
    if (!whole || number < least || number > most) {
        return expected(key, "a number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return std::optional(number);
}

Result<std::optional<bool>> truth_of(const json::object& body, const char* key) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr) {
        return std::optional<bool>();
    }
    if (!value->is_bool()) {
        return expected(key, "true or false");
    }
    return std::optional(value->as_bool());
}

Result<std::optional<images::ChapIdentity>> chap_of(const json::object& body, const char* key) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr) {
        return std::optional<images::ChapIdentity>();
    }
    if (value->is_null()) {
        return std::optional(images::ChapIdentity());
    }
    const json::object* object = value->if_object();
    const json::value* user = object != nullptr ? object->if_contains("user") : nullptr;
    const json::value* secret = object != nullptr ? object->if_contains("secret") : nullptr;
    if (user == nullptr || secret == nullptr || object->size() != 2 || !user->is_string() ||
        !secret->is_string() || user->as_string().empty()) {
        return expected(key, R"({"user": "backup", "secret": "at least 12 bytes"}, or null)");
    }
    return std::optional(images::ChapIdentity{std::string(user->as_string()),
                                              std::string(secret->as_string())});
}

Result<Mac> parse_mac(std::string_view text) {
    const auto mac = Mac::parse(text);
    if (!mac || !mac->is_station()) {
        return invalid("\"" + std::string(text) +
                       "\" is no hardware address of a PC; expected one like 52:54:00:aa:00:07");
    }
    return *mac;
}

json::value optional_text(const std::optional<std::string>& text) {
    return text ? json::value(*text) : json::value(nullptr);
}

http::Response no_content() {
    http::Response response;
    response.status = 204;
    return response;
}

http::Response json_response(const json::value& value, unsigned status) {
    return http::text_response(status, "application/json", json::serialize(value) + "\n");
}

} // namespace rootstock::api
