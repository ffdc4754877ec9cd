// Client system architectures (DHCP option 93; RFC 4578 section 2.1 and the IANA registry
// "Processor Architecture Types") and the loader that each can run. A table, no behaviour.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rootstock::boot {

enum class Firmware : std::uint8_t { bios, uefi };

struct Architecture {
    std::uint16_t number = 0;
    std::string_view name; // as people read it: "x86-64 UEFI"
    Firmware firmware = Firmware::bios;
    std::string_view loader;         // its iPXE; empty: there is none
    std::string_view other_loader{}; // taken when `loader` is not there; empty: none
};

/// Nothing for numbers that we do not know.
[[nodiscard]] const Architecture* find_architecture(std::uint16_t number);

/// What a client that boots but sends no option 93 is: RFC 4578 makes it mandatory, the oldest PXE
/// ROMs are all BIOS.
inline constexpr std::uint16_t default_architecture = 0;

/// For lists and records: its name, or "unknown architecture".
[[nodiscard]] std::string_view architecture_name(std::optional<std::uint16_t> number);

} // namespace rootstock::boot
