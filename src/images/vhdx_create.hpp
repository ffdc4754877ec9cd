// New VHDX files ([MS-VHDX] 2.1): where everything lies, and the file itself, made under a temporary name, synced, renamed, directory synced.
//
//   1 MiB header section | log | metadata 1 MiB | BAT | sector bitmap blocks (differencing) | payload from a multiple of the block size on
#pragma once

#include "core/random.hpp"
#include "images/file.hpp"
#include "images/vhdx_bat.hpp"
#include "images/vhdx_headers.hpp"
#include "images/vhdx_regions.hpp"

namespace rootstock::images {

/// Where things lie in a new file. All but the payload is there from the start; the file is sparse, so what is not written takes no space.
struct VhdxPlan {
    VhdxRegion log;
    VhdxRegions regions;
    std::uint64_t bitmap_offset = 0;  // of the sector bitmap block of chunk 0; the others follow
    std::uint64_t payload_offset = 0; // the first payload block; a multiple of the block size
};

inline constexpr std::uint32_t vhdx_log_length_master = 1U << 20U;   // the least there can be: it stays empty
inline constexpr std::uint32_t vhdx_log_length_writable = 8U << 20U; // 2000 pages in one entry

/// `growth_bytes`: the table gets room for a disk of that size, so that it may grow in place.
[[nodiscard]] VhdxPlan plan_vhdx(const VhdxMetadata& metadata, std::uint32_t log_length, std::uint64_t growth_bytes = 0);

/// Everything in front of the payload but the BAT, for a file whose log is empty: headers with `header`'s GUIDs, region tables, metadata.
[[nodiscard]] Result<void> write_vhdx_front(File& file, const VhdxPlan& plan, const VhdxMetadata& metadata, const VhdxHeader& header);

/// Makes `file`, which is empty and writable, an empty disk with `metadata` (a parent makes it differencing; its sector bitmap blocks are allocated).
/// metadata.virtual_disk_id and the header's GUIDs are drawn from `random`. Syncs nothing.
[[nodiscard]] Result<void> write_vhdx(File& file, VhdxMetadata metadata, Random& random, std::uint64_t growth_bytes = 0);
/// The same in a new file at `path`, which must not exist. Durable when it returns; a crash leaves at most `path` + temporary_suffix.
[[nodiscard]] Result<void> create_vhdx(FileSystem& files, const std::string& path, const VhdxMetadata& metadata, Random& random,
                                       std::uint64_t growth_bytes = 0);

// A new file takes its name only when it is whole:
/// `path` + temporary_suffix, new and empty. An error when `path` exists.
[[nodiscard]] Result<std::unique_ptr<File>> create_temporary(FileSystem& files, const std::string& path);
/// Syncs `file` (from create_temporary), gives it its name, syncs the directory.
[[nodiscard]] Result<void> publish_file(FileSystem& files, File& file, const std::string& path);
/// Gives up: removes the temporary file.
void discard_temporary(FileSystem& files, const std::string& path);

} // namespace rootstock::images
