// BootPolicy: what a client that asks for an address should boot. DHCP knows no iSCSI: it copies what it gets here.
#pragma once

#include "core/clock.hpp"
#include "core/guid.hpp"
#include "core/ipv4.hpp"
#include "core/mac.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rootstock::dhcp {

/// Who is asking, in typed values (options 60, 77, 93, 97, 175).
struct ClientFacts {
    Mac mac;
    std::optional<std::uint16_t> architecture; // RFC 4578 / IANA number
    std::optional<Guid> uuid;
    bool is_pxe = false;         // option 60 starts with PXEClient
    bool is_http_client = false; // option 60 starts with HTTPClient (UEFI HTTP Boot)
    bool is_ipxe = false;        // option 77 is "iPXE", or option 175 is there
    bool ipxe_has_iscsi = false; // option 175 sub-option 17
    bool ipxe_has_http = false;  // option 175 sub-option 19
    std::string vendor_class;    // option 60 as sent
};

struct BootDecision {
    bool answer = true;                  // false: stay silent ([unknown] action = "ignore")
    std::string boot_file;               // file name or URL for option 67; empty: none
    std::string host_name;               // option 12; empty: none
    std::optional<Ipv4> reserved;        // the machine's own address
    std::vector<Mac> predecessors;       // PCs that this one replaced: a lease that one of them still has on `reserved` ends
};

/// Called on the control shard; must not block.
class BootPolicy {
  public:
    virtual ~BootPolicy() = default;
    [[nodiscard]] virtual BootDecision decide(const ClientFacts& client) = 0;
    /// True when `address` belongs to some machine: nobody else is ever given it.
    [[nodiscard]] virtual bool is_reserved(Ipv4) const { return false; }
    /// Tells what was sent, for the boot record: stage "discover" (a DISCOVER came), "offer" (our ACK is on its way).
    virtual void seen_discover(const ClientFacts& client) = 0;
    virtual void seen_ack(const ClientFacts& client, Ipv4 address) = 0;
};

} // namespace rootstock::dhcp
