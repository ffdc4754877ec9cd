// The command line's way to the HTTP API (docs/api.md): over DATA/rootstock.sock to the running server or, when none runs, to the same API
// inside this process, over the same files and without a network. One code path either way.
#pragma once

#include "cli/options.hpp"
#include "core/result.hpp"

#include <boost/json/value.hpp>

#include <memory>
#include <string>

namespace rootstock::app {
class Server;
}

namespace rootstock::cli {

/// An answer with a status below 400; every other one becomes an Error with the server's message and remedy.
struct Reply {
    unsigned status = 0;
    std::string text;            // the body as sent
    boost::json::value value;    // parsed; null when the body is empty
};

class Client {
  public:
    /// Which data directory: the one of the configuration file. `needs_server`: an error when no server runs (sessions, events).
    [[nodiscard]] static Result<Client> open(const Options& options, bool needs_server = false);
    Client(Client&&) noexcept;
    ~Client();

    [[nodiscard]] Result<Reply> get(const std::string& target);
    [[nodiscard]] Result<Reply> post(const std::string& target, const boost::json::value& body);
    [[nodiscard]] Result<Reply> patch(const std::string& target, const boost::json::value& body);
    [[nodiscard]] Result<Reply> remove(const std::string& target);

    /// For answers without an end: calls `line` for each line until it gives false or the server closes. `body` null: GET, else POST.
    using OnLine = std::function<bool(std::string_view line)>;
    [[nodiscard]] Result<void> stream(const std::string& target, const boost::json::value& body, const OnLine& line);

    /// True when a server answers, false when this process does.
    [[nodiscard]] bool server_runs() const { return local_ == nullptr; }
    [[nodiscard]] const std::string& data_directory() const { return data_; }

  private:
    Client(std::string socket, std::string data, std::unique_ptr<app::Server> local);
    [[nodiscard]] Result<Reply> request(const char* method, const std::string& target, const std::string& body);

    std::string socket_;
    std::string data_;
    std::unique_ptr<app::Server> local_;
};

/// A path segment of a URL: everything but unreserved characters (RFC 3986 section 2.3) and colons is escaped.
[[nodiscard]] std::string url_segment(std::string_view text);

} // namespace rootstock::cli
