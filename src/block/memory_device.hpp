// MemoryDevice: a volume in RAM. Volatile: flush() has nothing to do and nothing survives the process. Also the reference that tests compare with.
// Threads: every call is thread-safe; reads and writes are atomic per stripe and therefore per logical block.
#pragma once

#include "block/block_device.hpp"
#include "block/memory_budget.hpp"

#include <array>
#include <atomic>
#include <shared_mutex>
#include <vector>

namespace rootstock::block {

class MemoryDevice final : public BlockDevice {
  public:
    /// `geometry.size_bytes` is allocated lazily, in chunks as they are first written; discarding a whole chunk frees it.
    /// `budget`: what it shares with others; null: none. A write beyond it ends with IoError::no_space.
    explicit MemoryDevice(Geometry geometry, std::shared_ptr<MemoryBudget> budget = nullptr);
    ~MemoryDevice() override;

    [[nodiscard]] Geometry geometry() const override;
    TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, ReadSink& sink) override;
    Result<void, IoError> read(std::uint64_t offset, MutableBytes out) override;
    TryWrite try_write(std::uint64_t offset, Bytes data) override;
    Result<void, IoError> write(std::uint64_t offset, Bytes data, bool fua) override;
    Result<void, IoError> flush() override;
    Result<void, IoError> discard(std::uint64_t offset, std::uint64_t length) override;
    [[nodiscard]] Extent extent(std::uint64_t offset, std::uint64_t length) override;

    /// Memory that it holds for contents.
    [[nodiscard]] std::uint64_t allocated_bytes() const { return allocated_bytes_.load(std::memory_order_relaxed); }

    static constexpr std::uint64_t chunk_size = 64 * 1024;

  private:
    struct alignas(64) Stripe {
        std::shared_mutex mutex;
    };
    using Chunk = std::unique_ptr<std::uint8_t[]>;

    /// Calls `visit(chunk, within, length, done)` for each piece of the range that lies in one chunk, with `done` bytes before it.
    template <class Visit> void for_each_chunk(std::uint64_t offset, std::uint64_t length, Visit visit);
    [[nodiscard]] std::shared_mutex& lock_of(std::uint64_t chunk) { return stripes_[chunk % stripes_.size()].mutex; }
    [[nodiscard]] bool allocate(Chunk& chunk);
    void free(Chunk& chunk);
    [[nodiscard]] Result<void, IoError> check(std::uint64_t offset, std::uint64_t length) const;

    Geometry geometry_;
    const std::shared_ptr<MemoryBudget> budget_;
    std::atomic<std::uint64_t> allocated_bytes_{0};
    std::vector<Chunk> chunks_;
    std::array<Stripe, 64> stripes_;
};

} // namespace rootstock::block
