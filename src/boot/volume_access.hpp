// Who may use a volume: the entries of its list, and how a login is compared with them. An entry is one of
//   "*"                              anyone
//   "lab1-07"                        the machine, by the initiator name of its present PC
//   "iqn.2004-10.org.example:pc"     an initiator name, also of the types eui and naa
//   "10.20.0.7", "fd00::/64"         an address or a prefix
//   "52:54:00:aa:00:07"              a network card, by the lease that its address is from
// Names and addresses are what the initiator says or has; who must be sure asks for CHAP.
#pragma once

#include "core/ip_address.hpp"
#include "core/ipv4.hpp"
#include "core/mac.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace rootstock::boot {

[[nodiscard]] bool is_valid_initiator_entry(std::string_view entry);
/// "iqn.2026-01.org.example" and longer (RFC 7143 section 4.2.7.3), in lower case.
[[nodiscard]] bool is_valid_iqn(std::string_view name);

/// Whose lease that address is; must not block.
using LeaseOwner = std::function<std::optional<Mac>(Ipv4)>;

struct Visitor {
    std::string_view initiator; // in lower case
    std::string_view machine;   // whose present initiator name that is, or empty
    std::string_view address;
};

[[nodiscard]] bool is_listed(const std::vector<std::string>& entries, const Visitor& visitor, const LeaseOwner& owner);

} // namespace rootstock::boot
