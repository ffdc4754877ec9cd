// What disks take of the store, held against the limits that count for them: a disk's own, its group's, the store's.
//
//   SpaceBudget    a counter with a limit that several disks share
//   SpaceAccount   one disk's side: what it takes, what its snapshots keep, its own limit, and the budgets that it takes both from
//
// A disk asks may_take() before it makes sectors its own, tells add() once it has, and settle()s now and then for what its file really takes: a hole in the
// middle of a block gives back what the ownership of sectors cannot tell. Writes to sectors that are owned already come nowhere near here. Writers on
// their way between may_take() and add() may pass a limit together, by what is in flight.
// Threads: every call is thread-safe and quick.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace rootstock::images {

class SpaceBudget {
  public:
    [[nodiscard]] std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
    void set_limit(std::uint64_t bytes) { limit_.store(bytes, std::memory_order_relaxed); } // 0: none
    [[nodiscard]] bool has_room(std::uint64_t bytes) const {
        const std::uint64_t most = limit();
        return most == 0 || used() + bytes <= most;
    }
    void change(std::uint64_t from, std::uint64_t to) { used_.fetch_add(to - from, std::memory_order_relaxed); } // wraps round rightly

  private:
    std::atomic<std::uint64_t> used_ = 0;
    std::atomic<std::uint64_t> limit_ = 0;
};

/// What stands in a writer's way.
enum class SpaceScope : std::uint8_t { disk, group, store, file_system };
inline constexpr std::size_t space_scopes = 4;

class SpaceAccount {
  public:
    /// `store`: may be null, as in a disk that belongs to no store.
    explicit SpaceAccount(std::shared_ptr<SpaceBudget> store = nullptr) : store_(std::move(store)) {}
    SpaceAccount(const SpaceAccount&) = delete;
    SpaceAccount& operator=(const SpaceAccount&) = delete;
    ~SpaceAccount();

    void set_limit(std::uint64_t bytes); // 0: none
    [[nodiscard]] std::uint64_t limit() const;
    /// What it takes is the new group's from now on; null: no group.
    void join(std::shared_ptr<SpaceBudget> group);

    [[nodiscard]] std::uint64_t used() const; // with what it keeps
    /// What its snapshots keep, in files that it does not write to any more.
    void set_kept(std::uint64_t bytes);
    void add_kept(std::uint64_t bytes);
    /// The first limit that `bytes` more would pass; nothing: they may be taken.
    [[nodiscard]] std::optional<SpaceScope> obstacle(std::uint64_t bytes) const;
    [[nodiscard]] bool may_take(std::uint64_t bytes) const { return !obstacle(bytes); }
    void add(std::uint64_t bytes);
    void give_back(std::uint64_t bytes);
    void settle(std::uint64_t own_bytes); // without what it keeps

    /// A write was refused for want of room there.
    void note_refusal(SpaceScope scope) { refused_[static_cast<std::size_t>(scope)].store(true, std::memory_order_relaxed); }
    /// Whether one was since the last call.
    [[nodiscard]] bool take_refusal(SpaceScope scope) { return refused_[static_cast<std::size_t>(scope)].exchange(false, std::memory_order_relaxed); }

  private:
    void move_to(std::uint64_t own_bytes, std::uint64_t kept_bytes); // under the lock

    const std::shared_ptr<SpaceBudget> store_;
    mutable std::mutex mutex_; // guards the next four
    std::shared_ptr<SpaceBudget> group_;
    std::uint64_t own_ = 0;
    std::uint64_t kept_ = 0;
    std::uint64_t limit_ = 0;
    std::atomic<bool> refused_[space_scopes] = {};
};

} // namespace rootstock::images
