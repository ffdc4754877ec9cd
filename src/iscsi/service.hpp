// Service: the Asio edge of the target. Listens on its portals, gives each connection to a shard, moves bytes between socket and Connection,
// runs jobs in the offload pool, and opens targets. No protocol rule lives here.
//
// Threads: start(), stop() and the destructor from outside of the runtime; the rest from any thread. Order: made after Runtime and Offload,
// stopped before both.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/random.hpp"
#include "iscsi/limits.hpp"
#include "iscsi/session_registry.hpp"

namespace rootstock::net {
class Offload;
class Runtime;
} // namespace rootstock::net

namespace rootstock::iscsi {

struct ServiceConfig {
    struct Portal {
        std::string address = "0.0.0.0"; // or "::", or one of the host's own
        std::uint16_t port = 3260;       // 0: any (tests)
        std::uint16_t group_tag = 1;     // also the relative target port: one for each, so that a host sees each as a path of its own
    };
    std::vector<Portal> portals = {Portal{}};
    Limits limits;
};

/// What the edge did, over all shards, since the start. System calls per I/O are asserted from these.
struct ServiceCounters {
    std::uint64_t receives = 0;
    std::uint64_t sends = 0;
    std::uint64_t waits = 0; // a wait for the socket: one epoll_ctl each
    std::uint64_t jobs = 0;  // calls that left the shard
    std::uint64_t received_bytes = 0;
    std::uint64_t sent_bytes = 0;
};

class Service {
  public:
    Service(net::Runtime& runtime, net::Offload& offload, Log& log, const Clock& clock, Random& random, ServiceConfig config,
            TargetProvider& provider);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    /// Takes the ports; initiators that connect wait until start().
    [[nodiscard]] Result<void> open();
    /// Serves; opens first when nobody did.
    [[nodiscard]] Result<void> start();
    /// Asks every initiator to log out, waits for at most `deadline`, ends the rest. Returns when every lease is destroyed.
    void stop(std::chrono::milliseconds deadline);

    /// Of the first portal.
    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] std::vector<SessionInfo> sessions() const;
    /// False: no such session.
    bool end_session(std::uint64_t id);
    [[nodiscard]] ServiceCounters counters() const;

  private:
    class Core;
    std::shared_ptr<Core> core_;
};

} // namespace rootstock::iscsi
