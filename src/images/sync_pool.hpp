// SyncPool: the syncs of many files of one file system. A few at a time are done one by one (fdatasync); those that come while `few` are under way wait for
// one sync of the whole file system (syncfs), which one of them does for all. So 256 machines that flush at once cost the disk a handful of rounds.
// A whole file system that cannot be synced says nothing of one file: then each does its own, and only the one whose data is lost hears of it.
// Threads: any.
#pragma once

#include "core/error.hpp"
#include "core/result.hpp"
#include "images/flush_combiner.hpp"

#include <atomic>

namespace rootstock::images {

class SyncPool {
  public:
    static constexpr unsigned few = 3;
    using Sync = std::function<Result<void>()>;

    /// `all`: makes everything durable that is written by now, of every file.
    explicit SyncPool(Sync all) : combiner_(std::move(all)) {}

    /// `own`: the same for the caller's file alone.
    Result<void> sync(const Sync& own) {
        const unsigned others = alone_.fetch_add(1, std::memory_order_relaxed);
        if (others >= few) {
            alone_.fetch_sub(1, std::memory_order_relaxed);
            if (const Result<void> synced = combiner_.run()) {
                return synced;
            }
            return own();
        }
        const Result<void> synced = own();
        alone_.fetch_sub(1, std::memory_order_relaxed);
        return synced;
    }

  private:
    std::atomic<unsigned> alone_ = 0;
    RoundCombiner<Result<void>> combiner_;
};

} // namespace rootstock::images
