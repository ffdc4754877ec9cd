// SessionRegistry: all sessions of the target, over all shards. Reinstatement (RFC 7143 section 6.3.5), TSIHs, ending from outside, and the
// list that people see.
// Threads: everything is thread-safe; no callback runs under the lock.
#pragma once

#include "core/clock.hpp"
#include "iscsi/target_provider.hpp"

#include <atomic>
#include <bitset>
#include <map>
#include <mutex>
#include <tuple>

namespace rootstock::iscsi {

/// Written by the session's shard, read by anyone: relaxed.
struct SessionCounters {
    std::atomic<std::uint64_t> reads{0}, writes{0}, read_bytes{0}, written_bytes{0};
    std::atomic<std::int64_t> last_activity_ms{0}; // unix_ms
};

struct SessionInfo {
    std::uint64_t id = 0;
    std::string initiator;
    std::string target; // empty: discovery
    std::string address;
    std::string portal;
    Isid isid{};
    std::uint16_t tsih = 0;
    WallTime since{};
    std::uint64_t reads = 0, writes = 0, read_bytes = 0, written_bytes = 0;
    WallTime last_activity{};
};

class SessionRegistry {
  public:
    using End = std::function<void(EndReason)>;
    using Ready = std::function<void()>;

    struct Admission {
        std::uint64_t id = 0;
        std::uint16_t tsih = 0; // 0: none is free
    };

    /// Enters a session. An older one of the same initiator port and target is told to end; `ready` is called once when no such is left, at
    /// once (before the return) when there was none, otherwise on the thread that removes it. `end`: from any thread, until remove().
    [[nodiscard]] Admission
    admit(const LoginRequest& request, std::shared_ptr<SessionCounters> counters, WallTime now, End end, Ready ready);
    /// The session is over: all its I/O has ended and its lease is destroyed.
    void remove(std::uint64_t id);

    /// What a login with this TSIH (not 0) gets: one connection is all that a session may have.
    [[nodiscard]] LoginStatus answer_for_tsih(std::uint16_t tsih, const LoginRequest& request) const;

    [[nodiscard]] std::vector<SessionInfo> list() const;
    [[nodiscard]] std::size_t size() const;
    /// False: no such session.
    bool end(std::uint64_t id, EndReason reason);
    /// Ends every session of `target` (TARGET COLD RESET).
    void end_all_of(const std::string& target, EndReason reason);

  private:
    struct Entry {
        SessionInfo info;
        std::shared_ptr<SessionCounters> counters;
        std::shared_ptr<const End> end;
        Ready ready;                // not empty: waits
        std::uint64_t waits_for = 0;
    };
    using Port = std::tuple<std::string, Isid, std::string>; // initiator, ISID, target: one session at a time

    [[nodiscard]] static Port port_of(const SessionInfo& info) { return {info.initiator, info.isid, info.target}; }
    [[nodiscard]] std::uint16_t free_tsih();

    mutable std::mutex mutex_;
    std::map<std::uint64_t, Entry> entries_; // by id: in the order of admission
    std::map<Port, std::uint64_t> newest_;   // ids; older ones of the port are on their way out
    std::uint64_t last_id_ = 0;
    std::uint16_t last_tsih_ = 0;
    std::bitset<0x10000> tsih_taken_;
};

} // namespace rootstock::iscsi
