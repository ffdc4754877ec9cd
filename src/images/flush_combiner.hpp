// FlushCombiner: one durable round for all who wait. Whoever calls while a round runs waits for the next one, which one of them then runs for all.
// Threads: run() from any number; the round itself runs on one at a time.
#pragma once

#include "block/block_device.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>

namespace rootstock::images {

/// `Outcome`: what a round gives, a Result<void, ...>.
template <class Outcome> class RoundCombiner {
  public:
    using Round = std::function<Outcome()>;

    explicit RoundCombiner(Round round) : round_(std::move(round)) {}

    /// Returns the result of a round that began after the call.
    Outcome run() {
        std::unique_lock lock(mutex_);
        const std::uint64_t wanted = rounds_begun_ + 1;
        while (rounds_ended_ < wanted) {
            if (running_) {
                ended_.wait(lock);
                continue;
            }
            running_ = true;
            ++rounds_begun_;
            lock.unlock();
            const Outcome result = round_();
            lock.lock();
            last_result_ = result;
            rounds_ended_ = rounds_begun_;
            running_ = false;
            ended_.notify_all();
        }
        return last_result_;
    }

  private:
    Round round_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::uint64_t rounds_begun_ = 0;
    std::uint64_t rounds_ended_ = 0;
    bool running_ = false;
    Outcome last_result_;
};

using FlushCombiner = RoundCombiner<Result<void, block::IoError>>;

} // namespace rootstock::images
