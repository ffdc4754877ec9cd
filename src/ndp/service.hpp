// The edge of the router advertisements: a raw ICMPv6 socket on one interface, member of ff02::2. Lives on the control shard.
// start() and stop() from outside of the runtime.
#pragma once

#include "core/log.hpp"
#include "core/result.hpp"

#include <memory>

namespace rootstock::net {
class Runtime;
}

namespace rootstock::ndp {

class Service {
  public:
    /// All references outlive the service.
    Service(net::Runtime& runtime, Log& log, std::string interface);
    ~Service();

    /// An interface without IPv6 is no error: nobody solicits there.
    [[nodiscard]] Result<void> start();
    /// Twice is harmless.
    void stop();

  private:
    class Edge;
    std::unique_ptr<Edge> edge_;
};

} // namespace rootstock::ndp
