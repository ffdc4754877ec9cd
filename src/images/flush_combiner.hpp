// FlushCombiner: one durable round for all who wait. Whoever calls while a round runs waits for the next one, which one of them then runs for all.
// Threads: run() from any number; the round itself runs on one at a time.
#pragma once

#include "block/block_device.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>

namespace rootstock::images {

class FlushCombiner {
  public:
    using Round = std::function<Result<void, block::IoError>()>;

    explicit FlushCombiner(Round round) : round_(std::move(round)) {}

    /// Returns the result of a round that began after the call.
    Result<void, block::IoError> run();

  private:
    Round round_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::uint64_t rounds_begun_ = 0;
    std::uint64_t rounds_ended_ = 0;
    bool running_ = false;
    Result<void, block::IoError> last_result_;
};

} // namespace rootstock::images
