#include "images/flush_combiner.hpp"

namespace rootstock::images {

Result<void, block::IoError> FlushCombiner::run() {
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
        const Result<void, block::IoError> result = round_();
        lock.lock();
        last_result_ = result;
        rounds_ended_ = rounds_begun_;
        running_ = false;
        ended_.notify_all();
    }
    return last_result_;
}

} // namespace rootstock::images
