// The names that tie a boot together: target and initiator IQNs, CHAP users, the script's URL. One
// place, because DHCP, the script, the login and discovery must agree on them.
//
//   target     PREFIX:machine.NAME                 LUN 0 is the machine's disk; stable over
//   replacement target     PREFIX:volume.NAME                  LUN 0 is the volume initiator
//   PREFIX:initiator.GENERATION:NAME    from the script into the iBFT, so that the OS logs in with
//   it, too; a session that names an older
//                                                  generation is fenced (login status 0x0202)
//   CHAP user  NAME.BOOT                           names the boot: the secret is made for each
//   boot, and "reset" means a new boot, not a reconnect
#pragma once

#include "fleet/machine.hpp"

namespace rootstock::boot {

struct Names {
    std::string iqn_prefix = "iqn.2026-01.internal.rootstock";

    [[nodiscard]] std::string machine_target(std::string_view machine) const;
    [[nodiscard]] std::string volume_target(std::string_view volume) const;
    [[nodiscard]] std::string initiator(const fleet::Machine& machine) const;

    struct TargetName {
        enum class Kind : std::uint8_t { machine, volume } kind{};
        std::string name;
        bool operator==(const TargetName&) const = default;
    };
    [[nodiscard]] std::optional<TargetName> parse_target(std::string_view iqn) const;

    struct InitiatorName {
        std::string machine;
        std::uint32_t generation = 0;
    };
    [[nodiscard]] std::optional<InitiatorName> parse_initiator(std::string_view iqn) const;
};

[[nodiscard]] std::string chap_user(std::string_view machine, fleet::BootId boot);
[[nodiscard]] std::optional<fleet::BootId> boot_of_chap_user(std::string_view user,
                                                             std::string_view machine);

} // namespace rootstock::boot
