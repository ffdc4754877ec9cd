// SlotPool: where the payload blocks of an open VHDX disk lie in its file, which places are free, and when one that was given up may be used again.
//
//   in use -> retire()                     its block no longer points here in memory
//          -> taken by a flush             the block's new state is durable: nothing points here after a power loss either
//          -> no I/O from before is left   a late read or write of the old owner cannot touch the next one's data
//          -> hole punched -> free         reads zeros, as a fresh block must
//
// I/O announces itself by enter() and leave(). Does no I/O itself. Threads: leave() from any; everything else under the disk's lock.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace rootstock::images {

struct FileRange {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool operator==(const FileRange&) const = default;
};

class SlotPool {
  public:
    static constexpr std::uint64_t growth = std::uint64_t{64} << 20U; // the file grows by this; it is sparse

    /// `occupied`: everything that lies in the file, in any order.
    SlotPool(std::uint64_t block_size, std::vector<FileRange> occupied);

    /// End of what is used: where the file may be cut.
    [[nodiscard]] std::uint64_t used_end() const { return next_; }
    /// The file's size as this pool knows it.
    [[nodiscard]] std::uint64_t file_size() const { return file_size_; }
    /// After a take-over: places that only the durable table still names come free at the next opening.
    void set_used_end(std::uint64_t end) { next_ = std::max(next_, end); }
    void set_file_size(std::uint64_t size) { file_size_ = size; }

    /// A place that reads zeros; nothing when the file must grow first: to grown_size().
    [[nodiscard]] std::optional<std::uint64_t> take();
    [[nodiscard]] std::uint64_t grown_size() const { return next_ + growth; }

    /// Begins an I/O on places that are looked up under the same hold of the lock. The ticket goes to leave().
    [[nodiscard]] unsigned enter();
    void leave(unsigned ticket) { active_[ticket].fetch_sub(1, std::memory_order_release); }
    [[nodiscard]] bool busy() const { return active_[0].load(std::memory_order_acquire) + active_[1].load(std::memory_order_acquire) != 0; }

    void retire(std::uint64_t offset) { retired_.push_back(offset); }
    /// All that was retired so far; to be handed back to released() once what replaced them is durable, or to retire() again.
    [[nodiscard]] std::vector<std::uint64_t> take_retired() { return std::exchange(retired_, {}); }
    void released(const std::vector<std::uint64_t>& offsets);
    /// Places that no I/O can touch any more: punch them, then free_again().
    [[nodiscard]] std::vector<std::uint64_t> take_idle();
    void free_again(std::uint64_t offset) { free_.push_back(offset); }

    /// Whole free places below used_end() that no block uses after opening: whatever a crash left there must be punched before use.
    [[nodiscard]] std::vector<FileRange> take_gaps() { return std::exchange(gaps_, {}); }

  private:
    std::uint64_t block_size_;
    std::uint64_t next_ = 0;      // the first place behind everything
    std::uint64_t file_size_ = 0;
    std::vector<std::uint64_t> free_;
    std::vector<FileRange> gaps_;
    std::vector<std::uint64_t> retired_;
    std::vector<std::uint64_t> waiting_;  // released in the current epoch
    std::vector<std::uint64_t> draining_; // released in the one before: free once its I/O is gone
    std::array<std::atomic<std::uint32_t>, 2> active_{};
    unsigned epoch_ = 0;
};

} // namespace rootstock::images
