// LeaseStore: where leases survive. A lease is durable before its ACK is sent.
#pragma once

#include "core/clock.hpp"
#include "core/ipv4.hpp"
#include "core/mac.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace rootstock::dhcp {

struct Lease {
    Ipv4 address;
    Mac mac;                 // leases are keyed by hardware address: firmware, iPXE, initramfs and OS get the same one
    std::string host_name;   // what the client calls itself, or the machine's name
    WallTime granted;
    WallTime expires;
};

/// An address that somebody else was found to use (DECLINE); not offered before `until`.
struct DeclinedAddress {
    Ipv4 address;
    WallTime until;
};

class LeaseStore {
  public:
    virtual ~LeaseStore() = default;
    [[nodiscard]] virtual Result<std::vector<Lease>> load() = 0;
    /// Blocks until the rows are durable. Several at once make one transaction.
    [[nodiscard]] virtual Result<void> save(const std::vector<Lease>& leases) = 0;
    [[nodiscard]] virtual Result<void> remove(Ipv4 address) = 0;
};

} // namespace rootstock::dhcp
