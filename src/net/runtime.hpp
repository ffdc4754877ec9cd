// Runtime: the threads of the server. N shards, each one io_context(1) on one thread with its own buffer pool, and a control
// thread for DHCP, API and fleet. Threads run from construction to stop().
//
// Order: Runtime is made first and stopped last. In between every service is stopped (its stop() joins its coroutines), then
// Offload. What is still pending in a context at stop() is destroyed with it, before the pool that it may have borrowed from.
// Light header: Asio only by name. Edges include net/asio.hpp as well.
#pragma once

#include "core/buffer.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace rootstock::net {

/// One thread of the runtime. context() and index() may be used from anywhere, pool() only on the shard itself.
class Shard {
  public:
    Shard(std::size_t index, const char* thread_name);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    [[nodiscard]] boost::asio::io_context& context();
    [[nodiscard]] BufferPool& pool() { return pool_; }
    [[nodiscard]] std::size_t index() const { return index_; }
    [[nodiscard]] bool runs_here();
    [[nodiscard]] int load() const { return load_.load(std::memory_order_relaxed); }

    /// Runs `work` on the shard's thread and waits for its end; at once when called there. Not after stop().
    void call(const std::function<void()>& work);

  private:
    friend class Runtime;
    friend class ShardLoad;
    void stop();

    BufferPool pool_; // before the context: frames that die with the context give their buffers back
    std::size_t index_;
    std::atomic<int> load_{0};
    struct Thread;
    std::unique_ptr<Thread> thread_;
};

/// Counts one connection on a shard for as long as it lives, so that new ones go to the least loaded. Any thread.
class ShardLoad {
  public:
    explicit ShardLoad(Shard& shard) : shard_(&shard) { shard_->load_.fetch_add(1, std::memory_order_relaxed); }
    ShardLoad(ShardLoad&& other) noexcept : shard_(std::exchange(other.shard_, nullptr)) {}
    ShardLoad& operator=(ShardLoad&& other) noexcept {
        std::swap(shard_, other.shard_);
        return *this;
    }
    ~ShardLoad() {
        if (shard_ != nullptr) {
            shard_->load_.fetch_sub(1, std::memory_order_relaxed);
        }
    }

  private:
    Shard* shard_;
};

class Runtime {
  public:
    /// `shard_count` 0: one per core. Throws std::system_error when a thread cannot be made.
    explicit Runtime(std::size_t shard_count = 0);
    ~Runtime();

    [[nodiscard]] std::size_t shard_count() const { return shards_.size(); }
    [[nodiscard]] Shard& shard(std::size_t index) { return *shards_[index]; }
    /// The home of DHCP, API and fleet; carries no disk traffic.
    [[nodiscard]] Shard& control() { return *control_; }
    [[nodiscard]] Shard& least_loaded();

    /// Ends all threads, shards first. From outside of them. Twice is harmless.
    void stop();

  private:
    std::unique_ptr<Shard> control_;
    std::vector<std::unique_ptr<Shard>> shards_;
};

} // namespace rootstock::net
