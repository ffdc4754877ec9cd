// CRC32C (Castagnoli), the checksum of iSCSI digests (RFC 7143 section 13.1) and of VHDX structures ([MS-VHDX] 2.2). By ISA-L.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"

namespace rootstock {

/// Loads ISA-L; says which package is missing. main() calls it first; crc32c() itself aborts with that text when it was not there.
[[nodiscard]] Result<void> load_crc32c();

/// The finished checksum of `bytes`. `previous`: a finished checksum to continue, for data in pieces.
[[nodiscard]] std::uint32_t crc32c(Bytes bytes, std::uint32_t previous = 0);

} // namespace rootstock
