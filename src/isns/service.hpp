// The edge of the registration with an iSNS server: one TCP connection at a time, on the control shard. Whatever that server does, nothing else
// waits for it. start() and stop() from outside of the runtime, publish() from any thread.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "isns/registrant.hpp"

#include <memory>

namespace rootstock::net {
class Runtime;
}

namespace rootstock::isns {

class Service {
  public:
    /// All references outlive the service.
    Service(net::Runtime& runtime, Log& log, const Clock& clock, IpEndpoint server, Identity identity);
    ~Service();

    void start();
    /// What is served from now on; sorted.
    void publish(std::vector<std::string> targets);
    /// Deregisters, which takes farewell_time at the most. Twice is harmless.
    void stop();

  private:
    class Edge;
    std::unique_ptr<Edge> edge_;
};

} // namespace rootstock::isns
