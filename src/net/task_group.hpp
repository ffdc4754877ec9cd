// TaskGroup: the child coroutines of a service or a connection, with cancel and join. Every spawn belongs to one.
//
// Lives on one shard: spawn(), cancel(), join() and the destructor only there; stop() from any other thread.
// A child that ends by cancellation is normal; any other exception is logged as `net.task.failed` and ends that child alone.
#pragma once

#include "core/log.hpp"
#include "net/asio.hpp"
#include "net/runtime.hpp"

#include <boost/asio/cancellation_signal.hpp>

#include <list>

namespace rootstock::net {

class TaskGroup {
  public:
    TaskGroup(Shard& shard, Log& log);
    /// All children have ended: join() or stop() came before.
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    /// Starts `child` on this shard. After cancel() it is dropped unstarted.
    void spawn(Awaitable<> child);
    /// Every pending wait of every child ends with operation_aborted, every later one as well.
    void cancel();
    /// Waits for the last child. Not cancellable itself: the frames of the children may refer to what the caller owns.
    Awaitable<> join();
    [[nodiscard]] std::size_t size() const { return children_.size(); }

    /// cancel() and join() from a thread outside of the runtime; blocks.
    void stop();

  private:
    using Children = std::list<asio::cancellation_signal>;
    void ended(Children::iterator child, const std::exception_ptr& failure);

    Shard& shard_;
    Log& log_;
    Children children_;
    bool cancelled_ = false;
    Timer all_ended_; // never expires; cancelled to wake join()
};

} // namespace rootstock::net
