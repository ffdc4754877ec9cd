// DiskChanges: what a disk holds that another one does not, by partition: the proof that `image publish` shows before machines move, and what decides
// whether an overlay may change its base. Reads only what the disk's own layers hold. Blocking.
#pragma once

#include "images/image_copy.hpp"
#include "images/partition_table.hpp"

namespace rootstock::images {

struct PartitionChange {
    Partition partition;
    std::uint64_t changed_bytes = 0;
};

struct DiskChanges {
    std::uint64_t written_bytes = 0; // that its own layers hold
    std::uint64_t changed_bytes = 0; // of these, in sectors that differ
    PartitionScheme scheme = PartitionScheme::none;
    std::vector<PartitionChange> partitions; // of the disk as it is now, by offset
    std::uint64_t outside_bytes = 0;         // changed in no partition: boot code, partition table, gaps
};

/// `disk`: a file that nobody writes. Its own layers are those above the one with the identity `base`. They are compared with the disk of the file
/// `with`. Disks of other sizes or sectors are not compared: errc::invalid_argument.
[[nodiscard]] Result<DiskChanges> compare_disks(FileSystem& files, const std::string& disk, const Guid& base, const std::string& with,
                                                const ProgressCallback& progress);

} // namespace rootstock::images
