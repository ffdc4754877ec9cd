// The HTTP server: listens on TCP and on a UNIX socket, and serves each connection on a shard
// within limits.hpp. start() and stop() from outside of the runtime.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/result.hpp"
#include "http/router.hpp"
#include "net/offload.hpp"
#include "net/runtime.hpp"

namespace rootstock::http {

struct Config {
    std::vector<std::string> addresses; // "10.20.0.1"; several are allowed
    std::uint16_t port = 8080;          // 0: any (tests)
    std::string socket_path;            // the UNIX socket, made with mode 0600; empty: none
};

class Service {
  public:
    Service(net::Runtime& runtime,
            net::Offload& offload,
            Log& log,
            const Clock& clock,
            Config config,
            Router router);
    ~Service();

    /// Takes the ports; who connects waits until start(). The error says what is taken, and by whom.
    [[nodiscard]] Result<void> open();
    /// Serves; opens first when nobody did.
    [[nodiscard]] Result<void> start();
    [[nodiscard]] std::uint16_t port() const;
    /// Ends all connections, held requests and streams, too. Twice is harmless.
    void stop();

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace rootstock::http
