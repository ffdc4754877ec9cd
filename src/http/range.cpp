#include "http/range.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace rootstock::http {

namespace {

std::string_view header_of(const Response& response, std::string_view name) {
    const auto at = std::find_if(response.headers.begin(),
                                 response.headers.end(),
                                 [name](const auto& header) { return header.first == name; });
    return at == response.headers.end() ? std::string_view() : std::string_view(at->second);
}

/// If-None-Match compares weakly (RFC 9110 section 13.1.2).
bool names_etag(std::string_view list, std::string_view etag) {
    for (std::string_view entry : split(list, ',')) {
        entry = trim(entry);
        if (entry.starts_with("W/")) {
            entry.remove_prefix(2);
        }
        if (entry == "*" || entry == etag) {
            return true;
        }
    }
    return false;
}

void drop_body(Response& response) {
    response.text.clear();
    response.bytes = {};
    response.sent = nullptr;
}

} // namespace

RangeResult parse_range(std::string_view value, std::size_t size, ByteRange& range) {
    constexpr std::string_view unit = "bytes=";
    const std::size_t dash = value.find('-');
    if (!equals_ignoring_case(value.substr(0, unit.size()), unit) ||
        dash == std::string_view::npos || value.find(',') != std::string_view::npos) {
        return RangeResult::whole;
    }
    const std::string_view first_text = trim(value.substr(unit.size(), dash - unit.size()));
    const std::string_view last_text = trim(value.substr(dash + 1));
    const auto first = parse_number<std::uint64_t>(first_text);
    const auto last = parse_number<std::uint64_t>(last_text);
    if (first_text.empty()) { // the last so many bytes
        if (!last) {
            return RangeResult::whole;
        }
        if (*last == 0 || size == 0) {
            return RangeResult::unsatisfiable;
        }
        range.length = static_cast<std::size_t>(std::min<std::uint64_t>(*last, size));
        range.offset = size - range.length;
        return RangeResult::part;
    }
    if (!first || (!last && !last_text.empty()) || (last && *last < *first)) {
        return RangeResult::whole;
    }
    if (*first >= size) {
        return RangeResult::unsatisfiable;
    }
    range.offset = static_cast<std::size_t>(*first);
    range.length = static_cast<std::size_t>(
        std::min<std::uint64_t>(last.value_or(size - 1), size - 1) - *first + 1);
    return RangeResult::part;
}

void apply_conditions(const Request& request, Response& response) {
    if (response.status != 200 || response.stream) {
        return;
    }
    const std::string_view etag = header_of(response, "ETag");
    if (!etag.empty() && names_etag(request.header("if-none-match"), etag)) {
        response.status = 304;
        drop_body(response);
        return;
    }
    const std::string_view value = request.header("range");
    const std::string_view if_range = request.header("if-range");
    if (value.empty() || request.method != Method::get || (!if_range.empty() && if_range != etag)) {
        return;
    }
    const std::size_t size = response.body().size();
    ByteRange range;
    switch (parse_range(value, size, range)) {
    case RangeResult::whole:
        return;
    case RangeResult::unsatisfiable:
        response.status = 416;
        response.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
        drop_body(response);
        return;
    case RangeResult::part:
        break;
    }
    response.status = 206;
    response.headers.emplace_back("Content-Range",
                                  "bytes " + std::to_string(range.offset) + "-" +
                                      std::to_string(range.offset + range.length - 1) + "/" +
                                      std::to_string(size));
    if (response.bytes.empty()) {
        response.text = response.text.substr(range.offset, range.length);
    } else {
        response.bytes = response.bytes.subspan(range.offset, range.length);
    }
    if (range.offset + range.length != size) {
        response.sent = nullptr; // not yet the end of it
    }
}

} // namespace rootstock::http
