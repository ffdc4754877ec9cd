// CRC32 of Ethernet and of the GUID partition table (UEFI specification 2.10, 5.3.2). Bit by bit: for tables of some KiB, not for a data path.
#pragma once

#include "core/bytes.hpp"

namespace rootstock {

[[nodiscard]] inline std::uint32_t crc32(Bytes bytes) {
    std::uint32_t crc = ~0U;
    for (const std::uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
        }
    }
    return ~crc;
}

} // namespace rootstock
