#include "tftp/admission.hpp"

#include "tftp/limits.hpp"

namespace rootstock::tftp {

Admission::Answer Admission::enter(Ipv4 client, std::uint16_t port) {
    std::lock_guard lock(mutex_);
    const auto known = transfers_.find(client);
    if (known != transfers_.end() && known->second.contains(port)) {
        return Answer::repeated;
    }
    if (known != transfers_.end() && known->second.size() >= transfers_per_client_limit) {
        return Answer::client_limit;
    }
    if (count_ >= transfers_limit) {
        return Answer::total_limit;
    }
    transfers_[client].insert(port);
    ++count_;
    return Answer::admitted;
}

void Admission::leave(Ipv4 client, std::uint16_t port) {
    std::lock_guard lock(mutex_);
    const auto known = transfers_.find(client);
    if (known == transfers_.end() || known->second.erase(port) == 0) {
        return;
    }
    --count_;
    if (known->second.empty()) {
        transfers_.erase(known);
    }
}

std::size_t Admission::count() const {
    std::lock_guard lock(mutex_);
    return count_;
}

} // namespace rootstock::tftp
