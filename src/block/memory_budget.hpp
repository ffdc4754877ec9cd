// MemoryBudget: how much memory several memory devices may hold together. A write that would go beyond it fails, instead of the host's memory running out.
// Threads: thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

namespace rootstock::block {

class MemoryBudget {
  public:
    explicit MemoryBudget(std::uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

    [[nodiscard]] std::uint64_t limit_bytes() const { return limit_bytes_; }
    [[nodiscard]] std::uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }

    /// False: it is used up, nothing was taken.
    [[nodiscard]] bool take(std::uint64_t bytes) {
        const std::uint64_t before = used_bytes_.fetch_add(bytes, std::memory_order_relaxed);
        if (before > limit_bytes_ || bytes > limit_bytes_ - before) {
            give_back(bytes);
            return false;
        }
        return true;
    }
    void give_back(std::uint64_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  private:
    const std::uint64_t limit_bytes_;
    std::atomic<std::uint64_t> used_bytes_{0};
};

} // namespace rootstock::block
