// SingleFlight: many sessions miss the same chunk of a shared master at once; one disk read serves them all.
//
// The edge asks with join(). The first caller for a (loader, chunk) is told to start the load: it takes the Flight to wherever blocking is
// allowed and calls run() there. Later callers only leave their completion. Every completion is called exactly once, on the thread that
// runs the load: an edge passes one that posts to its own shard. A chunk joined after its load has finished starts a new load (which then
// finds the data resident and costs little).
//
// Threads: everything is thread-safe. Locks are striped by key and never held during a load or a completion.
#pragma once

#include "block/block_device.hpp"

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace rootstock::block {

class SingleFlight {
  public:
    using Completion = std::function<void(Result<void, IoError>)>;
    /// Runs the given blocking job elsewhere, once (the edge's offload pool). Called by join(), with no lock held.
    using Start = std::function<void(std::function<void()>)>;

    SingleFlight() = default;
    SingleFlight(const SingleFlight&) = delete;
    SingleFlight& operator=(const SingleFlight&) = delete;

    /// Waits for `miss` (which has a loader). `start` is called at most once, before join() returns, and only for the first of those who wait.
    void join(const Miss& miss, Completion completion, const Start& start);

    /// Loads under way; for tests and metrics.
    [[nodiscard]] std::size_t in_flight() const;

  private:
    struct Key {
        const Loader* loader = nullptr;
        std::uint64_t chunk = 0;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept;
    };
    struct alignas(64) Stripe {
        mutable std::mutex mutex;
        std::unordered_map<Key, std::vector<Completion>, KeyHash> waiting;
    };

    [[nodiscard]] Stripe& stripe_of(const Key& key) { return stripes_[KeyHash{}(key) % stripes_.size()]; }
    void run(const std::shared_ptr<Loader>& loader, Key key);

    std::array<Stripe, 16> stripes_;
};

} // namespace rootstock::block
