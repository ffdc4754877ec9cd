#include "boot/arch.hpp"

#include <algorithm>
#include <array>

namespace rootstock::boot {

namespace {

constexpr std::string_view bios_loader = "undionly.kpxe";
constexpr std::string_view x64_loader = "snponly.efi";
constexpr std::string_view ia32_loader =
    "snponly-i386.efi"; // not in Debian's package: only from the override folder
constexpr std::string_view arm64_loader = "snponly-arm64.efi";
constexpr std::string_view arm32_loader = "snponly-arm32.efi";

constexpr std::array architectures = {
    Architecture{0, "x86 BIOS", Firmware::bios, bios_loader},
    Architecture{6, "x86 UEFI", Firmware::uefi, ia32_loader},
    Architecture{7, "x86-64 UEFI", Firmware::uefi, x64_loader},
    Architecture{9,
                 "x86-64 UEFI (EBC)",
                 Firmware::uefi,
                 x64_loader}, // the RFC had 7 and 9 the wrong way round
    Architecture{10, "ARM32 UEFI", Firmware::uefi, arm32_loader},
    Architecture{11, "ARM64 UEFI", Firmware::uefi, arm64_loader},
    // Some x86-64 firmwares ask for HTTP under the 32-bit number; a true 32-bit one refuses the
    // file with a clear message of its own.
    Architecture{15, "x86 UEFI HTTP", Firmware::uefi, ia32_loader, x64_loader},
    Architecture{16, "x86-64 UEFI HTTP", Firmware::uefi, x64_loader},
    Architecture{18, "ARM32 UEFI HTTP", Firmware::uefi, arm32_loader},
    Architecture{19, "ARM64 UEFI HTTP", Firmware::uefi, arm64_loader},
};

} // namespace

const Architecture* find_architecture(std::uint16_t number) {
    const auto at =
        std::find_if(architectures.begin(), architectures.end(), [number](const Architecture& row) {
            return row.number == number;
        });
    return at == architectures.end() ? nullptr : &*at;
}

std::string_view architecture_name(std::optional<std::uint16_t> number) {
    const Architecture* row = find_architecture(number.value_or(default_architecture));
    return row == nullptr ? "unknown architecture" : row->name;
}

} // namespace rootstock::boot
