// Policy: what a PC that asks DHCP should boot (dhcp::BootPolicy). Firmware gets the loader of its
// architecture, iPXE the URL of its script.
//
//   who asks                         gets
//   PXE firmware                     loader by TFTP, by architecture (arch.hpp)
//   UEFI HTTP firmware               URL of that loader
//   iPXE with iSCSI and HTTP         URL of its script
//   iPXE without one of them,        the loader once, then the script (clients.hpp: cannot loop)
//     or any iPXE when always_chain
//   anything else (an OS)            an address and the machine's name
//
// Threads: as BootPolicy says (control shard, never blocks).
#pragma once

#include "boot/clients.hpp"
#include "boot/files.hpp"
#include "boot/settings.hpp"
#include "core/log.hpp"
#include "dhcp/boot_policy.hpp"
#include "fleet/registry.hpp"

namespace rootstock::boot {

class Policy final : public dhcp::BootPolicy {
  public:
    Policy(const Settings& settings,
           fleet::Registry& registry,
           const Files& files,
           Clients& clients,
           Log& log);

    [[nodiscard]] dhcp::BootDecision decide(const dhcp::ClientFacts& client) override;
    [[nodiscard]] bool is_reserved(Ipv4 address) const override;
    void seen_discover(const dhcp::ClientFacts& client) override;
    void seen_ack(const dhcp::ClientFacts& client, Ipv4 address) override;

  private:
    enum class Answer : std::uint8_t { silence, address_only, loader, script };
    struct Plan {
        Answer answer = Answer::address_only;
        std::string_view loader;  // for Answer::loader
        std::string_view missing; // the loader that this PC would need and we do not have
    };
    [[nodiscard]] Plan plan(const dhcp::ClientFacts& client, const fleet::MacOwner& owner) const;
    [[nodiscard]] Plan loader_for(const dhcp::ClientFacts& client) const;
    void remember_unknown(const dhcp::ClientFacts& client, std::optional<Ipv4> address);

    const Settings settings_;
    fleet::Registry& registry_;
    const Files& files_;
    Clients& clients_;
    Log& log_;
};

} // namespace rootstock::boot
