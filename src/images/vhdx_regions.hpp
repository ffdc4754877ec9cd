// The region table: where BAT and metadata lie ([MS-VHDX] 2.2.3). Pure.
#pragma once

#include "core/checked.hpp"
#include "core/result.hpp"
#include "images/vhdx_error.hpp"
#include "images/vhdx_layout.hpp"

namespace rootstock::images {

struct VhdxRegion {
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    [[nodiscard]] std::uint64_t end() const { return offset + length; }
    bool operator==(const VhdxRegion&) const = default;
};

struct VhdxRegions {
    VhdxRegion bat;
    VhdxRegion metadata;
    std::vector<VhdxRegion> others; // unknown and optional: left alone, but nothing else may lie there
    bool operator==(const VhdxRegions&) const = default;
};

/// One table from its 64 KiB: checksum, placement, overlap, required ones known, BAT and metadata there.
[[nodiscard]] Result<VhdxRegions, VhdxError> decode_region_table(Bytes table);
/// The first valid one of the two copies; the first one's error when none is.
[[nodiscard]] Result<VhdxRegions, VhdxError> choose_region_table(Bytes first, Bytes second);
/// Its 64 KiB, checksum included. `others` are not written: we never make any.
[[nodiscard]] ByteVector encode_region_table(const VhdxRegions& regions);

} // namespace rootstock::images
