#include "http/fetch_service.hpp"

#include "core/version.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <algorithm>

namespace rootstock::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using boost::system::error_code;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using Parser = bhttp::response_parser<bhttp::buffer_body>;

constexpr std::size_t buffer_bytes = std::size_t{256} << 10U;
constexpr std::uint32_t head_bytes_max = 16384;
constexpr std::chrono::milliseconds slice{200}; // how often somebody may say "stop"
constexpr std::chrono::milliseconds pause_max{16000};

std::string text_of(beast::string_view text) { return {text.data(), text.size()}; }

FetchHead head_of(const Parser& parser) {
    const auto& message = parser.get();
    FetchHead head;
    head.status = message.result_int();
    if (const auto length = parser.content_length()) {
        head.content_length = *length;
    }
    head.etag = text_of(message[bhttp::field::etag]);
    head.last_modified = text_of(message[bhttp::field::last_modified]);
    head.content_range = text_of(message[bhttp::field::content_range]);
    head.content_encoding = text_of(message[bhttp::field::content_encoding]);
    head.location = text_of(message[bhttp::field::location]);
    return head;
}

bhttp::request<bhttp::empty_body> request_of(const FetchPlan& plan) {
    bhttp::request<bhttp::empty_body> request(bhttp::verb::get, plan.url().target, 11);
    request.set(bhttp::field::host, plan.url().authority());
    request.set(bhttp::field::user_agent, "rootstock/" + std::string(version()));
    request.set(bhttp::field::accept_encoding, "identity");
    request.set(bhttp::field::connection, "close");
    if (const std::string range = plan.range(); !range.empty()) {
        request.set(bhttp::field::range, range);
        request.set(bhttp::field::if_range, plan.if_range());
    }
    return request;
}

class Fetcher {
  public:
    Fetcher(const FetchOptions& options, FetchSink& sink, const FetchProgress& progress, const Url& url)
        : options_(options), sink_(sink), progress_(progress), plan_(url) {}

    Result<void> run() {
        if (Result<void> trusted = trust(); !trusted) {
            return trusted;
        }
        while (!whole_) {
            if (Result<void> done = attempt(); !done) {
                return done;
            }
        }
        return {};
    }

  private:
    Result<void> trust() {
        error_code failure;
        if (options_.ca_file.empty()) {
            tls_.set_default_verify_paths(failure);
        } else {
            tls_.load_verify_file(options_.ca_file, failure);
        }
        tls_.set_verify_mode(asio::ssl::verify_peer);
        return failure ? make_error(std::errc::invalid_argument, options_.ca_file + " is no file of certificate authorities (PEM): " + failure.message())
                       : Result<void>();
    }

    /// One connection and its answer. What breaks on the way is the plan's business; an error here is the end.
    Result<void> attempt() {
        TlsStream stream(context_, tls_);
        current_ = &stream;
        const error_code failure = connect(stream);
        Result<void> done = stopped_ ? stopped() : Result<void>();
        if (done && failure) {
            done = broken(failure);
        } else if (done) {
            done = plan_.url().tls ? converse(stream) : converse(stream.next_layer());
        }
        beast::get_lowest_layer(stream).close();
        current_ = nullptr;
        return done;
    }

    /// Starts an operation and runs it to its end, which comes when its stream's time is over, at the latest.
    template <class Start> error_code wait(Start start) {
        std::optional<error_code> result;
        start([&result](error_code failure, auto&&...) { result = failure; });
        while (!result) {
            context_.restart();
            context_.run_for(slice);
            if (!result && !stopped_ && !tell()) {
                stopped_ = true;
                cancel();
            }
        }
        return *result;
    }

    void cancel() {
        resolver_.cancel();
        pause_.cancel();
        if (current_ != nullptr) {
            beast::get_lowest_layer(*current_).close();
        }
    }

    error_code connect(TlsStream& stream) {
        const Url& url = plan_.url();
        asio::ip::tcp::resolver::results_type found;
        error_code failure = wait([&](auto done) {
            resolver_.async_resolve(url.host, std::to_string(url.port), [&found, done](error_code error, asio::ip::tcp::resolver::results_type results) {
                found = std::move(results);
                done(error);
            });
        });
        beast::tcp_stream& tcp = beast::get_lowest_layer(stream);
        if (!failure) {
            tcp.expires_after(options_.round);
            failure = wait([&](auto done) { tcp.async_connect(found, done); });
        }
        if (failure || !url.tls) {
            return failure;
        }
        stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
        if (static_cast<void>(asio::ip::make_address(url.host, failure)); failure) { // the name for servers of many hosts; an address is none (RFC 6066 section 3)
            std::string name = url.host;
            ::SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
        }
        return wait([&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, done); });
    }

    template <class Stream> Result<void> converse(Stream& stream) {
        const auto request = request_of(plan_);
        Parser parser;
        parser.header_limit(head_bytes_max);
        parser.body_limit(fetch_size_max);
        beast::flat_buffer buffer;
        beast::get_lowest_layer(stream).expires_after(options_.round);
        error_code failure = wait([&](auto done) { bhttp::async_write(stream, request, done); });
        if (!failure) {
            failure = wait([&](auto done) { bhttp::async_read_header(stream, buffer, parser, done); });
        }
        if (stopped_ || failure) {
            return stopped_ ? stopped() : broken(failure);
        }
        const auto next = plan_.on_head(head_of(parser));
        if (!next) {
            return next.error();
        }
        switch (*next) {
        case FetchPlan::Next::ask_again: return {};
        case FetchPlan::Next::wait: return rest();
        case FetchPlan::Next::body: break;
        }
        if (plan_.position() == 0) {
            if (Result<void> begun = sink_.begin(plan_.size()); !begun) {
                return begun;
            }
        }
        return read_body(stream, buffer, parser);
    }

    template <class Stream> Result<void> read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser) {
        std::uint64_t in_round = 0;
        while (!parser.is_done()) {
            parser.get().body().data = bytes_.data();
            parser.get().body().size = bytes_.size();
            error_code failure = wait([&](auto done) { bhttp::async_read_some(stream, buffer, parser, done); });
            const std::size_t got = bytes_.size() - parser.get().body().size;
            if (Result<void> kept = keep(Bytes(bytes_).first(got)); !kept) {
                return kept;
            }
            if (failure == bhttp::error::need_buffer) {
                failure = {};
            }
            if (stopped_ || failure) {
                return stopped_ ? stopped() : broken(failure);
            }
            in_round += got;
            if (in_round >= fetch_progress_min) {
                in_round = 0;
                beast::get_lowest_layer(stream).expires_after(options_.round);
            }
        }
        const Result<void> ended = plan_.on_end();
        whole_ = ended && plan_.is_whole();
        return ended;
    }

    Result<void> keep(Bytes data) {
        if (data.empty()) {
            return {};
        }
        const std::uint64_t position = plan_.position();
        if (Result<void> allowed = plan_.on_bytes(data.size()); !allowed) {
            return allowed;
        }
        if (Result<void> written = sink_.write_at(position, data); !written) {
            return written;
        }
        return tell() ? Result<void>() : stopped();
    }

    [[nodiscard]] bool tell() const { return progress_(plan_.position(), plan_.size().value_or(0)); }

    Result<void> broken(const error_code& failure) {
        if (failure.category() == asio::error::get_ssl_category()) { // a certificate that is not trusted will not be next time
            return make_error(std::errc::permission_denied, plan_.url().shown() + ": " + failure.message() +
                                                                "; name the authority of its certificate (--ca FILE) if it is not one of the system's");
        }
        const Result<void> again = plan_.on_broken(failure.message());
        return again ? rest() : again;
    }

    /// Between two attempts.
    Result<void> rest() {
        const auto factor = plan_.fruitless() == 0 ? 1U : 1U << std::min(plan_.fruitless() - 1, 8U);
        pause_.expires_after(std::min(pause_max, options_.pause * factor));
        static_cast<void>(wait([this](auto done) { pause_.async_wait(done); }));
        return stopped_ ? stopped() : Result<void>();
    }

    [[nodiscard]] Result<void> stopped() const { return make_error(std::errc::operation_canceled, "fetching " + plan_.url().shown() + " was cancelled"); }

    const FetchOptions& options_;
    FetchSink& sink_;
    const FetchProgress& progress_;
    FetchPlan plan_;
    asio::io_context context_{1};
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    asio::ip::tcp::resolver resolver_{context_};
    asio::steady_timer pause_{context_};
    TlsStream* current_ = nullptr; // of the attempt under way
    ByteVector bytes_ = ByteVector(buffer_bytes);
    bool stopped_ = false;
    bool whole_ = false;
};

} // namespace

Result<void> fetch(const Url& url, const FetchOptions& options, FetchSink& sink, const FetchProgress& progress) {
    return Fetcher(options, sink, progress, url).run();
}

} // namespace rootstock::http
