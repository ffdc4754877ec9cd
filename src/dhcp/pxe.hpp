// What a request says of its sender, and what a booting client must be told: options 43, 60, 67, 77, 93, 97, 175
// (PXE 2.1, RFC 4578, UEFI 2.10 section 24.7, iPXE). Pure.
#pragma once

#include "dhcp/boot_policy.hpp"
#include "dhcp/message.hpp"

namespace rootstock::dhcp {

[[nodiscard]] ClientFacts read_client(const Message& request);

/// Options and header fields with which `client` boots `boot_file`. Does nothing for an empty one or a client that does not boot.
///
/// - firmware PXE: 60 = "PXEClient" together with 43 = discovery control 8. Without 43, EDK2 takes the offer for a BINL
///   server's, asks it on port 4011 and fails; without 60, BIOS ROMs of the old kind wait for a proxy.
/// - UEFI HTTP Boot: 60 = "HTTPClient", or the offer is ignored.
/// - iPXE: 175.176 = 1, or it waits seconds for a proxy. No 60 and no 43: they would start its PXE menu code.
void add_boot_options(const ClientFacts& client, const std::string& boot_file, Ipv4 server, Message& reply);

} // namespace rootstock::dhcp
