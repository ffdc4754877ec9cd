#include "iscsi/session_registry.hpp"

#include <utility>

namespace rootstock::iscsi {

SessionRegistry::Admission SessionRegistry::admit(
    const LoginRequest& request, std::shared_ptr<SessionCounters> counters, WallTime now, End end, Ready ready) {
    Admission admission;
    std::shared_ptr<const End> end_older;
    {
        const std::lock_guard lock(mutex_);
        admission.tsih = free_tsih();
        if (admission.tsih == 0) {
            return admission;
        }
        admission.id = ++last_id_;
        Entry entry;
        entry.info = {admission.id, request.initiator_name, request.target_name, request.remote_address, request.portal_address,
                      request.isid, admission.tsih, now};
        entry.counters = std::move(counters);
        entry.end = std::make_shared<const End>(std::move(end));
        if (std::uint64_t& newest = newest_[port_of(entry.info)]; newest != 0) {
            entry.waits_for = std::exchange(newest, admission.id);
            entry.ready = std::move(ready);
            end_older = entries_.at(entry.waits_for).end;
        } else {
            newest = admission.id;
        }
        entries_.emplace(admission.id, std::move(entry));
    }
    if (end_older) {
        (*end_older)(EndReason::replaced_by_newer);
    } else {
        ready();
    }
    return admission;
}

void SessionRegistry::remove(std::uint64_t id) {
    std::vector<Ready> ready;
    {
        const std::lock_guard lock(mutex_);
        const auto gone = entries_.find(id);
        if (gone == entries_.end()) {
            return;
        }
        const std::uint64_t before = gone->second.waits_for;
        tsih_taken_.reset(gone->second.info.tsih);
        if (const auto newest = newest_.find(port_of(gone->second.info)); newest->second == id && before == 0) {
            newest_.erase(newest);
        } else if (newest->second == id) {
            newest->second = before;
        }
        entries_.erase(gone);
        for (auto& [other_id, entry] : entries_) {
            if (entry.waits_for != id) {
                continue;
            }
            entry.waits_for = before; // still waiting for an even older one, if the removed one was
            if (before == 0) {
                ready.push_back(std::exchange(entry.ready, nullptr));
            }
        }
    }
    for (const Ready& call : ready) {
        call();
    }
}

std::uint16_t SessionRegistry::free_tsih() {
    if (entries_.size() >= 0xffff) {
        return 0;
    }
    do {
        ++last_tsih_;
    } while (last_tsih_ == 0 || tsih_taken_[last_tsih_]);
    tsih_taken_.set(last_tsih_);
    return last_tsih_;
}

LoginStatus SessionRegistry::answer_for_tsih(std::uint16_t tsih, const LoginRequest& request) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : entries_) {
        if (entry.info.tsih == tsih && entry.info.initiator == request.initiator_name && entry.info.isid == request.isid &&
            entry.info.target == request.target_name) {
            return LoginStatus::too_many_connections;
        }
    }
    return LoginStatus::session_does_not_exist;
}

std::vector<SessionInfo> SessionRegistry::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<SessionInfo> sessions;
    sessions.reserve(entries_.size());
    for (const auto& [id, entry] : entries_) {
        SessionInfo info = entry.info;
        info.reads = entry.counters->reads.load(std::memory_order_relaxed);
        info.writes = entry.counters->writes.load(std::memory_order_relaxed);
        info.read_bytes = entry.counters->read_bytes.load(std::memory_order_relaxed);
        info.written_bytes = entry.counters->written_bytes.load(std::memory_order_relaxed);
        info.last_activity = wall_from_unix_ms(entry.counters->last_activity_ms.load(std::memory_order_relaxed));
        sessions.push_back(std::move(info));
    }
    return sessions;
}

std::size_t SessionRegistry::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

bool SessionRegistry::end(std::uint64_t id, EndReason reason) {
    std::shared_ptr<const End> end;
    {
        const std::lock_guard lock(mutex_);
        const auto found = entries_.find(id);
        if (found == entries_.end()) {
            return false;
        }
        end = found->second.end;
    }
    (*end)(reason);
    return true;
}

void SessionRegistry::end_all_of(const std::string& target, EndReason reason) {
    std::vector<std::shared_ptr<const End>> ends;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, entry] : entries_) {
            if (entry.info.target == target) {
                ends.push_back(entry.end);
            }
        }
    }
    for (const auto& end : ends) {
        (*end)(reason);
    }
}

} // namespace rootstock::iscsi
