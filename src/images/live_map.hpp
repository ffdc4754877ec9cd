// LiveMap: `PATH.live` beside an open disk: the changes of ownership (which block lies where, which sectors are the overlay's) that no flush has
// made durable yet, in a shared file mapping. It survives the death of this process at any instruction, and not that of the host.
//
//   4 KiB header                          magic, version, kernel boot id, DataWriteGuid of the disk's session, active half
//   two halves of 8-byte changes          a change is one aligned store; the first zero word ends a half
//
// A change goes to the active half: data first, then the change here, then the answer to the guest. A flush flips the halves, makes the changes of
// the older one durable in the disk's own file, then empties it. Reopening applies the older half, then the active one; applying a change again
// that the file already holds does no harm (ExtentMap::apply).
// Another boot id (power loss) or another DataWriteGuid (the disk was changed since): the changes mean nothing and are ignored.
//
// Threads: one owner, under the disk's lock.
#pragma once

#include "core/guid.hpp"
#include "images/file.hpp"

namespace rootstock::images {

enum class OwnershipChange : std::uint8_t {
    own_sectors = 1, // sectors of a block whose place in the file is known
    assign_partial,  // a block that read from the parent lies at `file_offset` now, and owns no sector yet
    assign_full,     // a block lies at `file_offset` and owns all of its sectors
    zero_blocks,     // blocks read as zeros
};

/// One change, as it is applied to the map in memory and kept in the live map.
struct LiveChange {
    OwnershipChange kind{};
    std::uint64_t block = 0;
    std::uint64_t first = 0;       // own_sectors: the first sector within the block
    std::uint64_t count = 0;       // own_sectors: sectors; zero_blocks: blocks
    std::uint64_t file_offset = 0; // assign_*: a multiple of 1 MiB
    bool operator==(const LiveChange&) const = default;
};

/// kind (3 bits) | block (25) | own_sectors: first (12), count - 1 (12); zero_blocks: count - 1 (25); assign_*: file offset in MiB (32). Never zero.
[[nodiscard]] std::uint64_t encode_change(const LiveChange& change);
/// Nothing for an unknown kind.
[[nodiscard]] std::optional<LiveChange> decode_change(std::uint64_t word);

inline constexpr std::uint64_t live_max_blocks = std::uint64_t{1} << 25U;        // 64 TiB of 2 MiB blocks
inline constexpr std::uint64_t live_max_sectors_per_block = 4096;
inline constexpr std::size_t live_half_changes = std::size_t{16} << 10U;         // 128 KiB a half
inline constexpr std::size_t live_header_size = 4096;
inline constexpr std::size_t live_file_size = live_header_size + 2 * live_half_changes * sizeof(std::uint64_t);

class LiveMap {
  public:
    [[nodiscard]] static std::string path_of(const std::string& disk_path) { return disk_path + ".live"; }

    /// The changes that a dead process left for the disk whose header says `session`, oldest first. None when there is no map, or one of another
    /// boot or session. A map with our header but senseless contents is an error: changes would be lost silently.
    [[nodiscard]] static Result<std::vector<LiveChange>> left_behind(FileSystem& files, const std::string& disk_path, const Guid& session);

    /// An empty map with its space on disk reserved, in place of what is there.
    [[nodiscard]] static Result<std::unique_ptr<LiveMap>> create(FileSystem& files, const std::string& disk_path, const Guid& session);

    /// Changes that still fit into the active half.
    [[nodiscard]] std::size_t room() const { return live_half_changes - used_; }
    /// No change since the last begin_flush().
    [[nodiscard]] bool empty() const { return used_ == 0; }
    /// The caller has checked room().
    void append(const LiveChange& change);
    /// A flush takes all changes so far; new ones go to the other half, which is empty.
    void begin_flush();
    /// What begin_flush() took is durable.
    void end_flush();

  private:
    explicit LiveMap(std::unique_ptr<Mapping> mapping) : mapping_(std::move(mapping)) {}
    [[nodiscard]] std::uint64_t* half(std::size_t index);
    std::unique_ptr<Mapping> mapping_;
    std::size_t active_ = 0;
    std::size_t used_ = 0;       // changes in the active half
    std::size_t flushing_ = 0;   // changes in the other one
    LiveChange last_;            // the newest change, if used_ > 0
};

} // namespace rootstock::images
