// Master: one immutable version of an image, a VHDX opened read-only and shared by every machine on it. Gives its extents, its resident
// mapping, and a Loader that brings chunks into memory once for all who wait.
#pragma once

#include "block/block_device.hpp"
#include "core/guid.hpp"
#include "images/file.hpp"

namespace rootstock::images {

/// What the catalogue remembers of a master file, to notice a changed, truncated or swapped one ([MS-VHDX] 2.2.2.1 DataWriteGuid).
struct MasterIdentity {
    Guid data_write_guid;
    std::uint64_t virtual_size = 0;
    std::uint64_t file_size = 0;
    bool operator==(const MasterIdentity&) const = default;
};

/// A BlockDevice (read_only) that overlays read through. Thread-safe, immutable.
class Master : public block::BlockDevice {
  public:
    [[nodiscard]] virtual const MasterIdentity& identity() const = 0;
    [[nodiscard]] virtual const std::string& path() const = 0;
    /// Notices chunks that the kernel has evicted, and a file that was changed or truncated behind our back (every read then says `gone`).
    /// Blocks for milliseconds: call it off the shards, about once a second.
    virtual void refresh() = 0;
};

/// Opens and checks. `expected` (from the catalogue): anything that differs is refused, saying what and naming the file.
[[nodiscard]] Result<std::shared_ptr<Master>> open_master(FileSystem& files, const std::string& path,
                                                          const std::optional<MasterIdentity>& expected);

} // namespace rootstock::images
