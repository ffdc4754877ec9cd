#include "http/session.hpp"

#include "http/limits.hpp"
#include "http/range.hpp"
#include "http/request_reader.hpp"
#include "http/response_head.hpp"
#include "net/offload_await.hpp"

#include <array>
#include <sys/socket.h>

namespace rootstock::http {

namespace {

namespace asio = net::asio;
using net::as_tuple_awaitable;
using net::Awaitable;

/// A socket with a deadline and a wake-up. Shared with the handlers of both, which may run after
/// the coroutine has ended.
template <class Socket> struct Line : std::enable_shared_from_this<Line<Socket>> {
    Line(Socket connected, asio::io_context& context)
        : home(context), socket(std::move(connected)), deadline(context), patience(context) {}

    /// The operation that begins now ends with an error, and `too_late` is set, when it takes
    /// longer than `limit`.
    void arm(net::Timer::duration limit) {
        deadline.expires_after(limit);
        deadline.async_wait(
            [self = this->shared_from_this()](const boost::system::error_code& error) {
                if (!error && self->deadline.expiry() <= net::Timer::clock_type::now()) {
                    self->too_late = true;
                    self->cancel();
                }
            });
    }
    void disarm() { deadline.expires_at(net::Timer::time_point::max()); }
    void cancel() {
        boost::system::error_code
            ignored; // there is nothing under way, or the socket is closed: both are what we want
        socket.cancel(ignored);
    }

    /// From any thread.
    Wake make_wake() {
        return [weak = this->weak_from_this(), context = &home] {
            asio::post(*context, [weak] {
                if (const auto self = weak.lock()) {
                    self->woken = true;
                    self->patience.cancel();
                }
            });
        };
    }
    /// Sets `peer_gone` and wakes when the peer closes or resets while nothing is read from it.
    void watch_peer() {
        socket.async_wait(
            Socket::wait_read,
            [self = this->shared_from_this()](const boost::system::error_code& error) {
                if (!error) {
                    std::uint8_t byte = 0;
                    const auto got =
                        ::recv(self->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
                    self->peer_gone = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
                    if (self->peer_gone) { // else it is the next request already: it has to wait
                        self->patience.cancel();
                    }
                }
            });
    }

    asio::io_context& home;
    Socket socket;
    net::Timer deadline;
    net::Timer patience;
    bool too_late = false;
    bool woken = false;
    bool peer_gone = false;
};

template <class Socket> class Session {
  public:
    Session(const SessionContext& context,
            asio::io_context& home,
            Socket socket,
            std::string remote_address,
            bool local)
        : context_(context), home_(home),
          line_(std::make_shared<Line<Socket>>(std::move(socket), home)),
          remote_address_(std::move(remote_address)), local_(local) {}
    ~Session() {
        line_->deadline.cancel();
        line_->cancel();
        boost::system::error_code ignored; // the peer may have closed already
        line_->socket.close(ignored);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Awaitable<> run() {
        for (std::size_t count = 0; count < requests_per_connection_max && open_; ++count) {
            const bool got = co_await read_request();
            if (!got) {
                break;
            }
            co_await answer(count + 1 < requests_per_connection_max);
        }
    }

  private:
    /// False: the connection is over (after a refusal, if there is one to be told).
    Awaitable<bool> read_request() {
        using Status = RequestReader::Status;
        Status status = reader_.resume();
        bool begun = reader_.in_request();
        line_->arm(begun ? request_time_max : keep_alive_max);
        while (status == Status::need_more) {
            const MutableBytes window = reader_.window();
            auto [error, count] = co_await line_->socket.async_read_some(
                asio::buffer(window.data(), window.size()), as_tuple_awaitable);
            if (error) {
                if (line_->too_late && begun) {
                    const Response late =
                        error_response(408, "invalid", "the request took too long");
                    co_await refuse(late);
                }
                co_return false;
            }
            status = reader_.commit(count);
            if (!begun) {
                begun = true;
                line_->arm(request_time_max);
            }
            if (status == Status::need_more && reader_.wants_continue()) {
                const Bytes no_body;
                const bool told = co_await write("HTTP/1.1 100 Continue\r\n\r\n", no_body);
                if (!told) {
                    co_return false;
                }
                line_->arm(request_time_max);
            }
        }
        line_->disarm();
        if (status == Status::failed) {
            co_await refuse(reader_.refusal());
            co_return false;
        }
        co_return true;
    }

    Awaitable<> answer(bool may_keep_alive) {
        auto taken = reader_.take();
        if (auto* refusal = std::get_if<Response>(&taken)) {
            co_await refuse(*refusal);
            co_return;
        }
        auto& [request, keep_alive, version] = std::get<RequestReader::Taken>(taken);
        request.remote_address = remote_address_;
        request.local = local_;
        keep_alive_ = keep_alive && may_keep_alive;
        version_ = version;
        std::optional<Response> response = co_await reply_to(request);
        if (!response) {
            open_ = false;
            co_return;
        }
        apply_conditions(request, *response);
        if (response->stream && request.method != Method::head) {
            co_await send_stream(*response);
        } else {
            co_await send(*response, request.method == Method::head);
        }
    }

    /// Nothing: the peer has gone.
    Awaitable<std::optional<Response>> reply_to(Request& request) {
        Router::Match match = context_.router.match(request);
        if (match.handler == nullptr) {
            co_return std::move(match.refusal);
        }
        request.captures = std::move(match.captures);
        Reply reply;
        if (match.runs == Runs::here) {
            reply = call(*match.handler, request);
        } else {
            std::function<Reply()> work = [this, &match, &request] {
                return call(*match.handler, request);
            };
            auto result = co_await net::offload_async(context_.offload, home_, std::move(work));
            if (!result) {
                co_return busy();
            }
            reply = std::move(*result);
        }
        if (reply.held) {
            std::optional<Response> finished = co_await finish_held(*reply.held);
            co_return finished;
        }
        co_return std::move(reply.response);
    }

    Reply call(const Handler& handler, const Request& request) const {
        try {
            return handler(request);
        } catch (const std::exception& error) {
            context_.log.error("http.handler.failed",
                               {{"path", request.path}, {"reason", error.what()}});
            return error_response(500,
                                  "internal",
                                  "the server failed to answer",
                                  "its log has the event http.handler.failed");
        }
    }
    static Response busy() {
        return error_response(
            503, "busy", "the server has too much to do", "try again in a moment");
    }

    Awaitable<std::optional<Response>> finish_held(Held& held) {
        held.on_ready(line_->make_wake());
        co_await wait_for_wake(held.patience());
        if (line_->peer_gone) {
            co_return std::nullopt;
        }
        std::function<Response()> work = [&held] { return held.finish(); };
        std::optional<Response> response =
            co_await net::offload_async(context_.offload, home_, std::move(work));
        co_return response ? std::move(*response) : busy();
    }

    /// Until a wake-up, the peer's end, or `most`.
    Awaitable<> wait_for_wake(std::chrono::milliseconds most) {
        if (!line_->woken) {
            line_->patience.expires_after(most);
            line_->watch_peer();
            co_await line_->patience.async_wait(as_tuple_awaitable);
            line_->cancel(); // the watch
        }
        line_->woken = false;
    }

    Awaitable<> send(const Response& response, bool head_only) {
        const std::string head =
            response_head(response, Framing::length, keep_alive_, context_.clock.wall());
        const Bytes body = head_only ? Bytes() : response.body();
        const bool written = co_await write(head, body);
        open_ = written && keep_alive_;
        if (written && response.sent && !head_only) {
            response.sent();
        }
    }

    Awaitable<> send_stream(const Response& response) {
        const Framing framing = version_ >= 11 ? Framing::chunked : Framing::close;
        keep_alive_ = keep_alive_ && framing == Framing::chunked;
        const std::string head =
            response_head(response, framing, keep_alive_, context_.clock.wall());
        Stream& stream = *response.stream;
        const Bytes no_body;
        stream.on_ready(line_->make_wake());
        open_ = co_await write(head, no_body);
        while (open_) {
            std::function<std::optional<std::string>()> work = [&stream] { return stream.next(); };
            auto next = co_await net::offload_async(context_.offload, home_, std::move(work));
            if (next && !*next) {
                break;
            }
            if (next && !(*next)->empty()) {
                const std::string piece = framing == Framing::chunked ? chunk(**next) : **next;
                open_ = co_await write(piece, no_body);
                continue;
            }
            co_await wait_for_wake(stream.patience());
            open_ = !line_->peer_gone;
        }
        if (open_ && framing == Framing::chunked) {
            const std::string last = chunk({});
            open_ = co_await write(last, no_body);
        }
        open_ = open_ && keep_alive_;
    }

    Awaitable<> refuse(const Response& response) {
        keep_alive_ = false;
        line_->too_late = false;
        co_await send(response, false);
        // Closing with unread bytes would reset the connection before the peer has read why.
        boost::system::error_code ignored;
        line_->socket.shutdown(asio::socket_base::shutdown_send, ignored);
        line_->arm(std::chrono::seconds(1));
        std::array<std::uint8_t, read_buffer_bytes> dropped{};
        for (int i = 0; i < 64; ++i) {
            auto [error, count] =
                co_await line_->socket.async_read_some(asio::buffer(dropped), as_tuple_awaitable);
            if (error) {
                break;
            }
        }
        open_ = false;
    }

    /// False: the peer does not take it.
    Awaitable<bool> write(std::string_view head, Bytes body) {
        line_->arm(write_time_min + std::chrono::seconds(body.size() / write_bytes_per_second));
        while (!head.empty() || !body.empty()) {
            const std::array<asio::const_buffer, 2> pieces = {
                asio::buffer(head.data(), head.size()), asio::buffer(body.data(), body.size())};
            auto [error, count] =
                co_await line_->socket.async_write_some(pieces, as_tuple_awaitable);
            if (error) {
                co_return false;
            }
            const std::size_t of_head = std::min(count, head.size());
            head.remove_prefix(of_head);
            body = body.subspan(count - of_head);
        }
        line_->disarm();
        co_return true;
    }

    const SessionContext& context_;
    asio::io_context& home_;
    std::shared_ptr<Line<Socket>> line_;
    const std::string remote_address_;
    const bool local_;
    RequestReader reader_;
    bool open_ = true;
    bool keep_alive_ = false;
    unsigned version_ = 11;
};

} // namespace

Awaitable<> serve_connection(const SessionContext& context,
                             asio::io_context& home,
                             net::TcpSocket socket,
                             std::string remote_address) {
    Session<net::TcpSocket> session(
        context, home, std::move(socket), std::move(remote_address), false);
    co_await session.run();
}

Awaitable<>
serve_local(const SessionContext& context, asio::io_context& home, net::LocalSocket socket) {
    Session<net::LocalSocket> session(context, home, std::move(socket), {}, true);
    co_await session.run();
}

} // namespace rootstock::http
