#include "http/response_head.hpp"

#include <array>
#include <charconv>
#include <ctime>

namespace rootstock::http {

std::string
response_head(const Response& response, Framing framing, bool keep_alive, WallTime now) {
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       std::string(reason_phrase(response.status)) + "\r\n";
    const auto add = [&head](std::string_view name, std::string_view value) {
        head.append(name).append(": ").append(value).append("\r\n");
    };
    add("Date", http_date(now));
    for (const auto& [name, value] : response.headers) {
        add(name, value);
    }
    if (framing == Framing::chunked) {
        add("Transfer-Encoding", "chunked");
    } else if (framing == Framing::length && response.status != 204 && response.status != 304) {
        add("Content-Length", std::to_string(response.body().size()));
    }
    if (response.status == 200 && !response.bytes.empty()) {
        add("Accept-Ranges", "bytes");
    }
    add("Connection", keep_alive ? "keep-alive" : "close");
    return head + "\r\n";
}

std::string chunk(std::string_view data) {
    std::array<char, 16> digits{};
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), data.size(), 16).ptr;
    return std::string(digits.data(), end).append("\r\n").append(data).append("\r\n");
}

std::string http_date(WallTime time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 40> text{};
    const std::size_t size =
        std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return std::string(text.data(), size);
}

} // namespace rootstock::http
