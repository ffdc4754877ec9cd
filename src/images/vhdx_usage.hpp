// What of a VHDX file's space is used for what ([MS-VHDX] 2.1): the ranges of its structures, and space that nothing uses. Blocking.
#pragma once

#include "images/slot_pool.hpp"
#include "images/vhdx_image.hpp"

namespace rootstock::images {

/// Headers, log, regions and sector bitmap blocks. `bat`: checked.
[[nodiscard]] std::vector<FileRange> metadata_ranges(const VhdxImage& image, const std::vector<std::uint64_t>& bat);

/// Bytes that take space on disk and belong to no structure and to no block: what a crash leaves until the disk is opened again.
[[nodiscard]] Result<std::uint64_t> unused_bytes(File& file, const VhdxImage& image);

} // namespace rootstock::images
