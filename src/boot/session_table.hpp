// SessionTable: the iSCSI sessions that are logged in to our disks: who, from where, to what, of
// which boot. Lists them, ends them, and waits until those of one disk are gone. Threads:
// thread-safe. Only wait_until_gone() blocks. The functions that end a session are called without a
// lock held.
#pragma once

#include "boot/names.hpp"
#include "iscsi/target_provider.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>

namespace rootstock::boot {

using SessionId = std::int64_t;

struct Session {
    SessionId id = 0;
    Names::TargetName disk;        // machine or volume
    std::string target, initiator; // full names
    std::string address, portal;
    iscsi::Isid isid{};
    std::optional<fleet::MachineId> machine; // whose initiator name it is, also on a volume
    std::uint32_t generation = 0;            // of that machine
    fleet::BootId boot = 0;                  // 0: a volume
    WallTime since;
};

class SessionTable {
  public:
    using Which = std::function<bool(const Session&)>;
    using EndFunction = std::function<void(iscsi::EndReason)>;
    [[nodiscard]] static Which on_disk(Names::TargetName disk);

    /// Gives its id. From now on it uses the disk, until remove().
    SessionId add(Session session);
    /// It is in full feature phase; `end` ends it. Called at once when somebody asked for its end
    /// in the meantime.
    void started(SessionId id, EndFunction end);
    /// The session as it was.
    std::optional<Session> remove(SessionId id);

    /// Tells those sessions to end; they are gone a little later. Gives them.
    std::vector<Session> end(const Which& which, iscsi::EndReason reason);
    /// False: some are still there after `most`.
    [[nodiscard]] bool wait_until_gone(const Which& which, std::chrono::milliseconds most);

    /// Oldest first.
    [[nodiscard]] std::vector<Session> all() const;
    [[nodiscard]] std::optional<Session> find(SessionId id) const;
    [[nodiscard]] bool any(const Which& which) const;

  private:
    struct Entry {
        Session session;
        EndFunction end;
        std::optional<iscsi::EndReason> ending;
    };
    mutable std::mutex mutex_; // guards all below
    std::condition_variable removed_;
    std::map<SessionId, Entry> entries_;
    SessionId last_id_ = 0;
};

} // namespace rootstock::boot
