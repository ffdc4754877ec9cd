// Leases in SQLite. The only SQL about them.
#pragma once

#include "db/writer.hpp"
#include "dhcp/lease_store.hpp"

namespace rootstock::db {

class LeaseStore final : public dhcp::LeaseStore {
  public:
    explicit LeaseStore(Writer& writer) : writer_(writer) {}

    Result<std::vector<dhcp::Lease>> load() override;
    Result<void> save(const std::vector<dhcp::Lease>& leases) override;
    Result<void> remove(Ipv4 address) override;

  private:
    Writer& writer_;
};

} // namespace rootstock::db
