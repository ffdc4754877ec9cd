#include "cli/client.hpp"

#include "app/config.hpp"
#include "app/server.hpp"
#include "core/text.hpp"
#include "net/local_address.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>

namespace rootstock::cli {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace json = boost::json;
using Local = asio::local::stream_protocol;

constexpr std::uint64_t answer_limit = std::uint64_t{256} << 20U; // far above any list; streams are not held in memory

/// A connection of one request.
class Exchange {
  public:
    Result<void> send(const std::string& socket, http::verb verb, const std::string& target, const std::string& body) {
        const auto address = net::LocalAddress::of(socket);
        if (!address) {
            return address.error();
        }
        boost::system::error_code failure;
        socket_.connect(address->endpoint(), failure);
        if (failure) {
            return Error{failure, "the server does not answer on " + socket + ": " + failure.message()};
        }
        http::request<http::string_body> request(verb, target, 11);
        request.set(http::field::host, "localhost");
        request.set(http::field::connection, "close");
        if (verb != http::verb::get && verb != http::verb::delete_) {
            request.set(http::field::content_type, "application/json");
            request.body() = body;
        }
        request.prepare_payload();
        http::write(socket_, request, failure);
        if (failure) {
            return lost(failure);
        }
        return {};
    }

    Result<http::response<http::string_body>> receive() {
        boost::system::error_code failure;
        http::response_parser<http::string_body> parser;
        parser.body_limit(answer_limit);
        http::read(socket_, buffer_, parser, failure);
        if (failure) {
            return lost(failure);
        }
        return parser.release();
    }

    /// Gives the body in pieces as they come; `piece` returns false to stop.
    Result<void> receive_pieces(const std::function<bool(unsigned status, std::string_view)>& piece) {
        boost::system::error_code failure;
        http::response_parser<http::buffer_body> parser;
        parser.body_limit(boost::none);
        http::read_header(socket_, buffer_, parser, failure);
        std::array<char, 8192> part{};
        while (!failure && !parser.is_done()) {
            parser.get().body().data = part.data();
            parser.get().body().size = part.size();
            http::read_some(socket_, buffer_, parser, failure);
            if (failure == http::error::need_buffer) {
                failure = {};
            }
            const std::size_t used = part.size() - parser.get().body().size;
            if (used > 0 && !piece(parser.get().result_int(), {part.data(), used})) {
                return {};
            }
        }
        if (failure && failure != http::error::end_of_stream) {
            return lost(failure);
        }
        return {};
    }

  private:
    static Error lost(boost::system::error_code failure) {
        return {failure, "the server ended the connection in the middle of an answer (" + failure.message() +
                             "): look at its log, then try again"};
    }

    asio::io_context context_;
    Local::socket socket_{context_};
    boost::beast::flat_buffer buffer_;
};

/// The server's {"error": {...}} as one sentence.
Error error_of(unsigned status, const std::string& body) {
    boost::system::error_code failure;
    const json::value value = json::parse(body, failure);
    const json::object* error = nullptr;
    if (!failure && value.is_object()) {
        if (const json::value* found = value.as_object().if_contains("error"); found != nullptr && found->is_object()) {
            error = &found->as_object();
        }
    }
    if (error == nullptr) {
        return make_error(std::errc::protocol_error, "the server answered with status " + std::to_string(status) + ": " + body.substr(0, 200));
    }
    const auto text = [error](const char* key) {
        const json::value* found = error->if_contains(key);
        return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
    };
    std::string what = text("message");
    if (const std::string remedy = text("remedy"); !remedy.empty()) {
        what += ": " + remedy;
    }
    if (const json::value* problems = error->if_contains("problems"); problems != nullptr && problems->is_array()) {
        for (const json::value& problem : problems->as_array()) {
            what += "\n  " + (problem.is_string() ? std::string(problem.as_string()) : json::serialize(problem));
        }
    }
    return make_error(status == 404 ? std::errc::no_such_file_or_directory : std::errc::invalid_argument, what);
}

bool answers(const std::string& socket) {
    const auto address = net::LocalAddress::of(socket);
    if (!address) {
        return false;
    }
    asio::io_context context;
    Local::socket probe(context);
    boost::system::error_code failure;
    probe.connect(address->endpoint(), failure);
    return !failure;
}

Result<app::Config> config_of(const Options& options) {
    auto config = app::load_config(options.config);
    if (config) {
        return std::move(*config);
    }
    const auto& problems = config.error();
    return make_error(std::errc::invalid_argument, join(problems, "\n"));
}

} // namespace

std::string url_segment(std::string_view text) {
    constexpr std::string_view unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:";
    std::string out;
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos) {
            out += c;
        } else {
            const auto byte = static_cast<std::uint8_t>(c);
            out += '%' + hex(Bytes(&byte, 1));
        }
    }
    return out;
}

Client::Client(std::string socket, std::string data, std::unique_ptr<app::Server> local)
    : socket_(std::move(socket)), data_(std::move(data)), local_(std::move(local)) {}
Client::Client(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::open(const Options& options, bool needs_server) {
    Result<app::Config> config = config_of(options);
    if (!config) {
        return config.error();
    }
    const std::string socket = config->server.data + "/" + app::socket_name;
    if (answers(socket)) {
        return Client(socket, config->server.data, nullptr);
    }
    if (needs_server) {
        return make_error(std::errc::not_connected, "no server runs on " + config->server.data +
                                                        ": start it with `rootstock serve --config " + options.config + "`");
    }
    auto local = app::Server::open_offline(*config);
    if (!local) {
        if (answers(socket)) { // it was just starting
            return Client(socket, config->server.data, nullptr);
        }
        return local.error();
    }
    std::string local_socket = (*local)->socket_path();
    return Client(std::move(local_socket), config->server.data, std::move(*local));
}

Result<Reply> Client::request(const char* method, const std::string& target, const std::string& body) {
    Exchange exchange;
    if (auto sent = exchange.send(socket_, http::string_to_verb(method), target, body); !sent) {
        return sent.error();
    }
    auto answer = exchange.receive();
    if (!answer) {
        return answer.error();
    }
    if (answer->result_int() >= 400) {
        return error_of(answer->result_int(), answer->body());
    }
    Reply reply{answer->result_int(), std::move(answer->body()), nullptr};
    boost::system::error_code failure;
    if (!reply.text.empty()) {
        reply.value = json::parse(reply.text, failure);
    }
    if (failure) {
        return Error{failure, "the server's answer is not JSON: is something else listening on " + socket_ + "?"};
    }
    return reply;
}

Result<Reply> Client::get(const std::string& target) { return request("GET", target, {}); }
Result<Reply> Client::post(const std::string& target, const json::value& body) { return request("POST", target, json::serialize(body)); }
Result<Reply> Client::patch(const std::string& target, const json::value& body) { return request("PATCH", target, json::serialize(body)); }
Result<Reply> Client::remove(const std::string& target) { return request("DELETE", target, {}); }

Result<void> Client::stream(const std::string& target, const json::value& body, const OnLine& line) {
    Exchange exchange;
    const bool get = body.is_null();
    if (auto sent = exchange.send(socket_, get ? http::verb::get : http::verb::post, target, get ? "" : json::serialize(body)); !sent) {
        return sent.error();
    }
    std::string rest;
    unsigned status = 0;
    const auto received = exchange.receive_pieces([&](unsigned got, std::string_view piece) {
        status = got;
        rest += piece;
        for (auto end = rest.find('\n'); status < 400 && end != std::string::npos; end = rest.find('\n')) {
            const std::string whole = rest.substr(0, end);
            rest.erase(0, end + 1);
            if (!line(whole)) {
                return false;
            }
        }
        return true;
    });
    if (received && status >= 400) {
        return error_of(status, rest);
    }
    return received;
}

} // namespace rootstock::cli
