#include "http/request_reader.hpp"

#include "core/text.hpp"
#include "http/limits.hpp"
#include "http/uri.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace rootstock::http {

namespace beast = boost::beast;

namespace {

Method method_of(beast::http::verb verb) {
    switch (verb) {
    case beast::http::verb::get:
        return Method::get;
    case beast::http::verb::head:
        return Method::head;
    case beast::http::verb::post:
        return Method::post;
    case beast::http::verb::put:
        return Method::put;
    case beast::http::verb::patch:
        return Method::patch;
    case beast::http::verb::delete_:
        return Method::delete_;
    default:
        return Method::other;
    }
}

Response refusal_for(const beast::error_code& error) {
    if (error == beast::http::error::header_limit) {
        return error_response(
            431, "too_large", "the request's header is too large", "the limit is 16 KiB");
    }
    if (error == beast::http::error::body_limit) {
        return error_response(
            413, "too_large", "the request's body is too large", "the limit is 64 KiB");
    }
    if (error == beast::http::error::bad_version) {
        return error_response(505, "invalid", "this server speaks HTTP/1.1");
    }
    return error_response(400, "invalid", "the request is malformed: " + error.message());
}

} // namespace

struct RequestReader::Parser {
    Parser() {
        parser.header_limit(header_bytes_max);
        parser.body_limit(body_bytes_max);
        parser.eager(true);
    }
    beast::http::request_parser<beast::http::string_body> parser;
};

RequestReader::RequestReader() : parser_(std::make_unique<Parser>()) {}
RequestReader::~RequestReader() = default;

MutableBytes RequestReader::window() {
    buffer_.resize(used_ + read_buffer_bytes);
    return {reinterpret_cast<std::uint8_t*>(buffer_.data()) + used_, read_buffer_bytes};
}

RequestReader::Status RequestReader::commit(std::size_t count) {
    RS_ASSERT(used_ + count <= buffer_.size());
    used_ += count;
    return parse();
}

RequestReader::Status RequestReader::resume() {
    return used_ == 0 ? Status::need_more : parse();
}

/// Beast takes as many bytes as it understands and wants the rest again, together with more.
RequestReader::Status RequestReader::parse() {
    auto& parser = parser_->parser;
    while (used_ > 0 && !parser.is_done()) {
        beast::error_code error;
        const std::size_t taken =
            parser.put(boost::asio::const_buffer(buffer_.data(), used_), error);
        buffer_.erase(0, taken);
        used_ -= taken;
        if (error == beast::http::error::need_more) {
            break;
        }
        if (error) {
            refusal_ = refusal_for(error);
            return Status::failed;
        }
        if (taken == 0) {
            break;
        }
    }
    return parser.is_done() ? Status::ready : Status::need_more;
}

bool RequestReader::in_request() const {
    return used_ > 0 || parser_->parser.got_some();
}

bool RequestReader::wants_continue() {
    const auto& parser = parser_->parser;
    if (continued_ || !parser.is_header_done() || parser.is_done()) {
        return false;
    }
    continued_ = beast::iequals(parser.get()[beast::http::field::expect], "100-continue");
    return continued_;
}

std::variant<RequestReader::Taken, Response> RequestReader::take() {
    const auto message = parser_->parser.release();
    parser_ = std::make_unique<Parser>();
    continued_ = false;
    Taken taken;
    taken.version = message.version();
    taken.keep_alive = message.keep_alive();
    if (message.count(beast::http::field::host) != 1 && message.version() >= 11) {
        return error_response(400, "invalid", "the request must have exactly one Host header");
    }
    auto target = parse_target(message.target());
    if (!target) {
        return error_response(400, "invalid", "the request's target is malformed");
    }
    Request& request = taken.request;
    request.method = method_of(message.method());
    request.path = std::move(target->path);
    request.query = std::move(target->query);
    for (const auto& field : message) {
        request.headers.emplace_back(to_lower(field.name_string()), field.value());
    }
    request.body = message.body();
    return taken;
}

} // namespace rootstock::http
