// Router: which handler answers which path. Built once, then only read (any thread).
#pragma once

#include "http/message.hpp"

namespace rootstock::http {

using Handler = std::function<Reply(const Request&)>;

/// Where a handler runs: one that may block (database, disk) in the offload pool, any other on the
/// connection's shard.
enum class Runs : std::uint8_t { here, in_offload };

class Router {
  public:
    /// `pattern`: "/api/v1/machines/{name}"; {...} stands for one segment that is not empty. HEAD
    /// is answered by GET's handler.
    Router& add(Method method, std::string_view pattern, Runs runs, Handler handler);
    /// For GET of every path that no pattern matches.
    Router& otherwise(Handler handler);
    /// Looks at each request before its handler; what it returns is the answer instead.
    using Gate = std::function<std::optional<Response>(const Request&)>;
    Router& gate(Gate gate);

    struct Match {
        const Handler* handler = nullptr; // null: `refusal` says why
        Runs runs = Runs::here;
        std::vector<std::string> captures;
        Response refusal;
    };
    [[nodiscard]] Match match(const Request& request) const;

    /// The whole way, here and now: for tests and for callers that may block.
    [[nodiscard]] Reply handle(Request request) const;

  private:
    struct Route {
        Method method{};
        std::vector<std::string> segments;
        Runs runs{};
        Handler handler;
    };
    [[nodiscard]] static std::optional<std::vector<std::string>> captures_of(const Route& route,
                                                                             std::string_view path);

    std::vector<Route> routes_;
    Handler otherwise_;
    Gate gate_;
};

} // namespace rootstock::http
