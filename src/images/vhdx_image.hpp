// Opening a VHDX file: headers, regions, metadata and BAT, each checked against every MUST of [MS-VHDX], log replayed. What masters, overlays
// and `check` share. Blocking.
#pragma once

#include "images/vhdx_bat.hpp"
#include "images/vhdx_headers.hpp"
#include "images/vhdx_log.hpp"
#include "images/vhdx_regions.hpp"

namespace rootstock::images {

/// What a VHDX file says of itself. Where the log was not empty, everything is as after its replay.
struct VhdxImage {
    CurrentHeader current;
    VhdxRegions regions;
    VhdxMetadata metadata;
    std::optional<VhdxReplay> replay; // a file with a log that was opened read-only: read() lays it over
    std::uint64_t file_size = 0;      // now: what a replay of a read-only file would add is not there to be read

    [[nodiscard]] BatGeometry geometry() const { return BatGeometry(metadata); }
    /// Bytes of BAT or metadata as they are after the replay.
    Result<void> read(File& file, std::uint64_t offset, MutableBytes out) const;
};

/// Never writes.
[[nodiscard]] Result<VhdxImage> open_vhdx_read_only(File& file);
/// Replays a non-empty log into the file: new FileWriteGuid first, then the changes, then a header without LogGuid, each synced.
[[nodiscard]] Result<VhdxImage> open_vhdx_writable(File& file, Random& random);

/// The table's entries in host order, sector bitmap entries included: geometry().entry_count() of them, checked by check_bat().
[[nodiscard]] Result<std::vector<std::uint64_t>> read_bat(File& file, const VhdxImage& image);

/// Every entry's state is known, its reserved bits are zero, its block lies in the file, behind the header section, and over nothing else; partially
/// present blocks have a sector bitmap block.
[[nodiscard]] Result<void, VhdxError> check_bat(std::span<const std::uint64_t> entries, const VhdxImage& image);

} // namespace rootstock::images
