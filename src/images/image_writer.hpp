// ImageWriter: a new disk image of one format, filled in the order of the disk. The writers of all native formats (raw, VHD, VHDX) and what they share.
// Blocking; one thread.
#pragma once

#include "images/file.hpp"

namespace rootstock::images {

/// What is handed to a writer at once: a block of the formats that have blocks.
inline constexpr std::uint64_t writer_block_size = std::uint64_t{2} << 20U;

struct DiskShape {
    std::uint64_t size_bytes = 0;
    std::uint32_t logical_sector_size = 512;
    std::uint32_t physical_sector_size = 4096;
};

class ImageWriter {
  public:
    virtual ~ImageWriter() = default;

    /// Bytes that the file takes on disk with `data_blocks` blocks of data.
    [[nodiscard]] virtual std::uint64_t needed_bytes(std::uint64_t data_blocks) const = 0;
    /// A block with data in it: `offset` is a multiple of writer_block_size, `data` that long or up to the end of the disk. Offsets ascend; what is left out
    /// reads as zeros.
    [[nodiscard]] virtual Result<void> write_block(std::uint64_t offset, Bytes data) = 0;
    /// Everything but the data, and the file's size. Nothing is synced.
    [[nodiscard]] virtual Result<void> finish() = 0;
};

} // namespace rootstock::images
