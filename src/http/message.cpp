#include "http/message.hpp"

namespace rootstock::http {

Response text_response(unsigned status, std::string_view content_type, std::string text) {
    Response response;
    response.status = status;
    response.headers.emplace_back("Content-Type", content_type);
    response.headers.emplace_back("Cache-Control", "no-store");
    response.text = std::move(text);
    return response;
}

Response error_response(unsigned status,
                        std::string_view code,
                        std::string_view message,
                        std::string_view remedy) {
    return text_response(status,
                         "application/json",
                         "{\"error\":{\"code\":" + json_string(code) + ",\"message\":" +
                             json_string(message) + ",\"remedy\":" + json_string(remedy) + "}}\n");
}

std::string json_string(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string_view reason_phrase(unsigned status) {
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 416:
        return "Range Not Satisfiable";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return "Unknown";
    }
}

} // namespace rootstock::http
