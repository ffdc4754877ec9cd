// LeaseBook: a LeaseStore that remembers whose lease each address is, so that who looks at a login need not wait for the database.
// Threads: thread-safe; the LeaseStore calls block as those of the store inside, owner_of() does not.
#pragma once

#include "dhcp/lease_store.hpp"

#include <mutex>
#include <optional>
#include <unordered_map>

namespace rootstock::boot {

class LeaseBook final : public dhcp::LeaseStore {
  public:
    explicit LeaseBook(dhcp::LeaseStore& store) : store_(store) {}

    Result<std::vector<dhcp::Lease>> load() override;
    Result<void> save(const std::vector<dhcp::Lease>& leases) override;
    Result<void> remove(Ipv4 address) override;

    /// Also of a lease that has run out: its address is nobody else's yet.
    [[nodiscard]] std::optional<Mac> owner_of(Ipv4 address) const;

  private:
    void note(const std::vector<dhcp::Lease>& leases);

    dhcp::LeaseStore& store_;
    mutable std::mutex mutex_; // guards owners_
    std::unordered_map<Ipv4, Mac> owners_;
};

} // namespace rootstock::boot
