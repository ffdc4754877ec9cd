// BufferPool: page-aligned buffers, last in first out, so that the hot ones stay in the cache. One per shard, no lock.
#pragma once

#include "core/bytes.hpp"

#include <array>
#include <utility>

namespace rootstock {

class BufferPool;

/// A buffer on loan. Goes back to its pool when destroyed; must die on the pool's shard and before the pool.
class PooledBuffer {
  public:
    PooledBuffer() = default;
    PooledBuffer(PooledBuffer&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)), size_class_(other.size_class_) {}
    PooledBuffer& operator=(PooledBuffer&& other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(size_class_, other.size_class_);
        return *this;
    }
    ~PooledBuffer() { release(); }

    void release();
    [[nodiscard]] bool empty() const { return data_ == nullptr; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] MutableBytes bytes() const { return {data_, size_}; }

  private:
    friend class BufferPool;
    BufferPool* pool_ = nullptr;
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    std::uint8_t size_class_ = 0;
};

/// Size classes are powers of two from 4 KiB to 1 MiB; a larger buffer is allocated and freed each time.
class BufferPool {
  public:
    static constexpr std::size_t smallest = 4096;
    static constexpr std::size_t class_count = 9; // 4 KiB .. 1 MiB
    static constexpr std::size_t kept_bytes_per_class = std::size_t{8} << 20U;

    BufferPool() = default;
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    ~BufferPool();

    /// `size` bytes, page-aligned, contents undefined.
    [[nodiscard]] PooledBuffer acquire(std::size_t size);

  private:
    friend class PooledBuffer;
    void take_back(std::uint8_t* data, std::uint8_t size_class);
    std::array<std::vector<std::uint8_t*>, class_count> free_;
};

} // namespace rootstock
