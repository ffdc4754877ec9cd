// The checksum that headers, region tables and log entries carry: CRC32C over the whole structure with the field itself as zero
// ([MS-VHDX] 2.2.2). It is the le32 at byte 4 of all three.
#pragma once

#include "core/crc32c.hpp"
#include "images/vhdx_layout.hpp"

namespace rootstock::images {

inline constexpr std::size_t vhdx_checksum_offset = 4;

[[nodiscard]] inline std::uint32_t vhdx_checksum(Bytes structure) {
    const le32 zero(0);
    std::uint32_t sum = crc32c(structure.first(vhdx_checksum_offset));
    sum = crc32c(object_bytes(zero), sum);
    return crc32c(structure.subspan(vhdx_checksum_offset + sizeof zero), sum);
}

[[nodiscard]] inline bool vhdx_checksum_matches(Bytes structure) {
    return from_bytes<le32>(structure.subspan(vhdx_checksum_offset)) == vhdx_checksum(structure);
}

inline void put_vhdx_checksum(MutableBytes structure) {
    const le32 sum(vhdx_checksum(structure));
    std::memcpy(structure.data() + vhdx_checksum_offset, &sum, sizeof sum);
}

} // namespace rootstock::images
