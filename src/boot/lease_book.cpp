#include "boot/lease_book.hpp"

namespace rootstock::boot {

void LeaseBook::note(const std::vector<dhcp::Lease>& leases) {
    std::lock_guard lock(mutex_);
    for (const dhcp::Lease& lease : leases) {
        owners_[lease.address] = lease.mac;
    }
}

Result<std::vector<dhcp::Lease>> LeaseBook::load() {
    auto leases = store_.load();
    if (leases) {
        note(*leases);
    }
    return leases;
}

Result<void> LeaseBook::save(const std::vector<dhcp::Lease>& leases) {
    auto saved = store_.save(leases);
    if (saved) {
        note(leases);
    }
    return saved;
}

Result<void> LeaseBook::remove(Ipv4 address) {
    auto removed = store_.remove(address);
    if (removed) {
        std::lock_guard lock(mutex_);
        owners_.erase(address);
    }
    return removed;
}

std::optional<Mac> LeaseBook::owner_of(Ipv4 address) const {
    std::lock_guard lock(mutex_);
    const auto at = owners_.find(address);
    return at == owners_.end() ? std::nullopt : std::optional(at->second);
}

} // namespace rootstock::boot
