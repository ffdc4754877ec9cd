// Requests and replies as plain values, so that what decides (handlers, router, ranges) is pure and
// knows neither Asio nor Beast.
//
// A reply is a Response, or a Held one that comes later (long poll). The body of a Response is a
// text, shared bytes, or a Stream (server-sent events, progress).
#pragma once

#include "core/bytes.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rootstock::http {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, other };

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Request {
    Method method = Method::get;
    std::string path; // decoded, begins with a slash, without the query
    Pairs query;      // decoded
    Pairs headers;    // names in lower case
    std::string body;
    std::vector<std::string> captures; // what the route's {...} stand for, in order
    std::string remote_address;        // "10.20.0.107"; empty on the UNIX socket
    bool local = false;                // it came over the UNIX socket

    /// Empty when it is not there.
    [[nodiscard]] std::string_view header(std::string_view lower_case_name) const {
        return value(headers, lower_case_name);
    }
    [[nodiscard]] std::string_view query_value(std::string_view name) const {
        return value(query, name);
    }

  private:
    [[nodiscard]] static std::string_view value(const Pairs& pairs, std::string_view name) {
        for (const auto& [key, text] : pairs) {
            if (key == name) {
                return text;
            }
        }
        return {};
    }
};

/// Calls it to say "there is something new"; from any thread, as often as one likes, even when
/// nobody waits any more.
using Wake = std::function<void()>;

/// A body that grows while it is sent. Lives as long as the connection takes it; destroyed when the
/// peer has gone.
class Stream {
  public:
    virtual ~Stream() = default;
    /// Once, before the first next().
    virtual void on_ready(Wake wake) = 0;
    /// Called after each wake, and when patience() has passed without one. In the offload pool: may
    /// block. Empty: nothing new; no value: the end.
    [[nodiscard]] virtual std::optional<std::string> next() = 0;
    [[nodiscard]] virtual std::chrono::milliseconds patience() const = 0;
};

struct Response {
    unsigned status = 200;
    Pairs headers;    // without Content-Length, Date, Connection
    std::string text; // the body, unless one of the next two is set
    Bytes bytes;      // shared: kept alive by `owner` (null: lives as long as the process)
    std::shared_ptr<const void> owner;
    std::shared_ptr<Stream> stream;
    std::function<void()> sent; // the body went out, whole

    [[nodiscard]] Bytes body() const { return bytes.empty() ? as_bytes(text) : bytes; }
};

/// A reply that waits for something to happen.
class Held {
  public:
    virtual ~Held() = default;
    virtual void on_ready(Wake wake) = 0;
    /// It is finished at the latest after this.
    [[nodiscard]] virtual std::chrono::milliseconds patience() const = 0;
    /// Once. In the offload pool: may block. Not called when the peer has gone.
    [[nodiscard]] virtual Response finish() = 0;
};

/// The response now, or later when `held` is set.
struct Reply {
    Reply() = default;
    Reply(Response now) : response(std::move(now)) {}
    Reply(std::shared_ptr<Held> later) : held(std::move(later)) {}

    Response response;
    std::shared_ptr<Held> held;
};

[[nodiscard]] Response
text_response(unsigned status, std::string_view content_type, std::string text);

/// {"error":{"code":...,"message":...,"remedy":...}}: the one shape of every error (docs/api.md).
[[nodiscard]] Response error_response(unsigned status,
                                      std::string_view code,
                                      std::string_view message,
                                      std::string_view remedy = {});

/// `text` as a JSON string with its quotes.
[[nodiscard]] std::string json_string(std::string_view text);

/// "Not Found"; for the status line.
[[nodiscard]] std::string_view reason_phrase(unsigned status);

} // namespace rootstock::http
