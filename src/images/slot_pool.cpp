#include "images/slot_pool.hpp"

#include "core/checked.hpp"

#include <algorithm>

namespace rootstock::images {

SlotPool::SlotPool(std::uint64_t block_size, std::vector<FileRange> occupied) : block_size_(block_size) {
    std::sort(occupied.begin(), occupied.end(), [](const FileRange& a, const FileRange& b) { return a.offset < b.offset; });
    for (const FileRange& range : occupied) {
        const std::uint64_t gap_end = round_down(range.offset, block_size_);
        if (gap_end > next_) {
            gaps_.push_back({next_, gap_end - next_});
        }
        next_ = std::max(next_, round_up(range.offset + range.length, block_size_));
    }
}

std::optional<std::uint64_t> SlotPool::take() {
    if (!free_.empty()) {
        const std::uint64_t offset = free_.back();
        free_.pop_back();
        return offset;
    }
    if (next_ + block_size_ > file_size_) {
        return std::nullopt;
    }
    return std::exchange(next_, next_ + block_size_);
}

unsigned SlotPool::enter() {
    active_[epoch_].fetch_add(1, std::memory_order_relaxed);
    return epoch_;
}

void SlotPool::released(const std::vector<std::uint64_t>& offsets) { waiting_.insert(waiting_.end(), offsets.begin(), offsets.end()); }

std::vector<std::uint64_t> SlotPool::take_idle() {
    std::vector<std::uint64_t> idle;
    // Each turn frees what the other epoch's I/O might have touched; two turns free everything when there is none.
    for (int turn = 0; turn < 2 && active_[1 - epoch_].load(std::memory_order_acquire) == 0; ++turn) {
        idle.insert(idle.end(), draining_.begin(), draining_.end());
        draining_ = std::exchange(waiting_, {});
        epoch_ = 1 - epoch_;
    }
    return idle;
}

} // namespace rootstock::images
