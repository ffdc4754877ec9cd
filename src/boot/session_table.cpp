#include "boot/session_table.hpp"

#include <algorithm>

namespace rootstock::boot {

SessionTable::Which SessionTable::on_disk(Names::TargetName disk) {
    return [disk = std::move(disk)](const Session& session) { return session.disk == disk; };
}

SessionId SessionTable::add(Session session) {
    std::lock_guard lock(mutex_);
    session.id = ++last_id_;
    const SessionId id = session.id;
    entries_.emplace(id, Entry{std::move(session), {}, {}});
    return id;
}

void SessionTable::started(SessionId id, EndFunction end) {
    std::optional<iscsi::EndReason> ending;
    {
        std::lock_guard lock(mutex_);
        Entry& entry = entries_.at(id);
        entry.end = end;
        ending = entry.ending;
    }
    if (ending) {
        end(*ending);
    }
}

std::optional<Session> SessionTable::remove(SessionId id) {
    std::optional<Session> session;
    {
        std::lock_guard lock(mutex_);
        if (auto node = entries_.extract(id)) {
            session = std::move(node.mapped().session);
        }
    }
    removed_.notify_all();
    return session;
}

std::vector<Session> SessionTable::end(const Which& which, iscsi::EndReason reason) {
    std::vector<Session> ended;
    std::vector<EndFunction> calls;
    {
        std::lock_guard lock(mutex_);
        for (auto& [id, entry] : entries_) {
            if (!entry.ending && which(entry.session)) {
                entry.ending = reason;
                ended.push_back(entry.session);
                if (entry.end) {
                    calls.push_back(entry.end);
                }
            }
        }
    }
    for (const EndFunction& call : calls) {
        call(reason);
    }
    return ended;
}

bool SessionTable::wait_until_gone(const Which& which, std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    return removed_.wait_for(lock, most, [&] {
        return std::none_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
            return which(entry.second.session);
        });
    });
}

std::vector<Session> SessionTable::all() const {
    std::lock_guard lock(mutex_);
    std::vector<Session> sessions;
    sessions.reserve(entries_.size());
    for (const auto& [id, entry] : entries_) {
        sessions.push_back(entry.session);
    }
    return sessions;
}

std::optional<Session> SessionTable::find(SessionId id) const {
    std::lock_guard lock(mutex_);
    const auto at = entries_.find(id);
    return at == entries_.end() ? std::nullopt : std::optional(at->second.session);
}

bool SessionTable::any(const Which& which) const {
    std::lock_guard lock(mutex_);
    return std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return which(entry.second.session);
    });
}

} // namespace rootstock::boot
