// The edge of the DHCP server: UDP port 67 on one interface, the raw link, and the lease store behind the offload threads.
//
// Lives on the control shard. start() and stop() from outside of the runtime. Requests that come while a save is under way share
// the next one. ACKs leave after their lease is durable; everything else at once.
#pragma once

#include "core/log.hpp"
#include "dhcp/config.hpp"
#include "dhcp/lease_store.hpp"

#include <memory>

namespace rootstock::net {
class Offload;
class Runtime;
} // namespace rootstock::net

namespace rootstock::dhcp {

class BootPolicy;

class Service {
  public:
    /// All references outlive the service.
    Service(net::Runtime& runtime,
            net::Offload& offload,
            Log& log,
            const Clock& clock,
            DhcpConfig config,
            BootPolicy& policy,
            LeaseStore& store);
    ~Service();

    /// Checks the configuration, takes port and link; what comes in waits until start(). Blocks; after an error nothing is left open.
    [[nodiscard]] Result<void> open();
    /// Loads the leases and serves; opens first when nobody did. Blocks.
    [[nodiscard]] Result<void> start();
    /// Twice is harmless.
    void stop();

  private:
    class Edge;
    std::unique_ptr<Edge> edge_;
};

} // namespace rootstock::dhcp
