// Import: a raw file (sparse, of any size) becomes a master: dynamic VHDX, blocks in LBA order, payload aligned to 2 MiB, mode 0444. Written under a
// temporary name, synced, renamed: cancelled or killed at any point it leaves nothing that looks like a master.
#pragma once

#include "images/master.hpp"

#include <functional>

namespace rootstock::images {

struct ImportProgress {
    std::uint64_t done_bytes = 0;   // of the source's virtual size
    std::uint64_t total_bytes = 0;
    std::uint64_t stored_bytes = 0; // payload written so far; zeros are not stored
};

/// Called a few times a second at most; false cancels (errc::operation_canceled).
using ProgressCallback = std::function<bool(const ImportProgress&)>;

/// `source`: a raw image (a file whose size is not a multiple of 512 is padded with zeros to the next MiB). `target`: must not exist.
/// Free space is checked first. Refuses what is recognisably another format (VHD, VHDX, qcow2, VMDK, VDI), naming it and the conversion to use.
[[nodiscard]] Result<MasterIdentity> import_raw(FileSystem& files, const std::string& source, const std::string& target,
                                                const ProgressCallback& progress);

} // namespace rootstock::images
