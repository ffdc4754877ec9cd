// Partition table: which part of a disk is what, for people: MBR with its chain of logical partitions, and GPT (UEFI specification 2.10, chapter 5).
// Reads a disk that a guest has written: whatever it holds costs a bounded number of reads and gives some list. Pure but for `read`.
#pragma once

#include "core/bytes.hpp"
#include "core/guid.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace rootstock::images {

struct Partition {
    std::uint32_t number = 0; // as systems count: slot of the table; logical ones from 5 on
    std::uint64_t offset = 0; // bytes, on the disk
    std::uint64_t size_bytes = 0;
    std::string type;         // "EFI system", "NTFS", or the number of the type
    std::string name;         // GPT alone
    bool operator==(const Partition&) const = default;
};

enum class PartitionScheme : std::uint8_t { none, mbr, gpt };

struct PartitionTable {
    PartitionScheme scheme = PartitionScheme::none;
    std::vector<Partition> partitions; // by offset
};

/// Fills `out` from the disk at `offset`, which lies within it. False: it cannot be read.
using ReadDisk = std::function<bool(std::uint64_t offset, MutableBytes out)>;

inline constexpr std::uint32_t gpt_entries_max = 1024;     // systems make 128
inline constexpr std::uint32_t logical_partitions_max = 64;

/// A GPT whose first header is damaged is read by the one at the disk's end. Entries that reach beyond the disk are left out.
[[nodiscard]] PartitionTable read_partition_table(const ReadDisk& read, std::uint64_t size_bytes, std::uint32_t sector_size);

} // namespace rootstock::images
