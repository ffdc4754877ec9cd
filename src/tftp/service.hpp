// The edge of the TFTP server: port 69 for requests, and a port of its own on one of the shards for each transfer.
// start() and stop() from outside of the runtime.
#pragma once

#include "core/ipv4.hpp"
#include "core/log.hpp"
#include "core/result.hpp"

#include <memory>

namespace rootstock::net {
class Runtime;
}

namespace rootstock::tftp {

class FileSource;

struct TftpConfig {
    Ipv4 address;            // where requests are answered: the server's own address
    std::uint16_t port = 69; // 0: any, for tests
};

class Service {
  public:
    /// All references outlive the service. `files` is asked on any shard.
    Service(net::Runtime& runtime, Log& log, const Clock& clock, TftpConfig config, FileSource& files);
    ~Service();

    [[nodiscard]] Result<void> start();
    /// Ends all transfers. Twice is harmless.
    void stop();
    /// The port that is listened on, after start().
    [[nodiscard]] std::uint16_t port() const;

  private:
    class Edge;
    std::unique_ptr<Edge> edge_;
};

} // namespace rootstock::tftp
