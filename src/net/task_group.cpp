#include "net/task_group.hpp"

#include "core/assert.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

namespace rootstock::net {

TaskGroup::TaskGroup(Shard& shard, Log& log)
    : shard_(shard), log_(log), all_ended_(shard.context(), Timer::time_point::max()) {}

TaskGroup::~TaskGroup() { RS_ASSERT(children_.empty()); }

void TaskGroup::spawn(Awaitable<> child) {
    if (cancelled_) {
        return;
    }
    const auto entry = children_.emplace(children_.end());
    auto on_end = [this, entry](const std::exception_ptr& failure) { ended(entry, failure); };
    asio::co_spawn(shard_.context(),
                   std::move(child),
                   asio::bind_cancellation_slot(entry->slot(), std::move(on_end)));
}

void TaskGroup::cancel() {
    cancelled_ = true;
    for (auto child = children_.begin(); child != children_.end();) {
        const auto next = std::next(child); // the child may end, and leave the list, while it is told
        child->emit(asio::cancellation_type::terminal);
        child = next;
    }
}

Awaitable<> TaskGroup::join() {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    while (!children_.empty()) {
        co_await all_ended_.async_wait(as_tuple_awaitable);
    }
}

void TaskGroup::stop() {
    shard_.call([this] { cancel(); });
    asio::co_spawn(shard_.context(), join(), asio::use_future).get();
}

void TaskGroup::ended(Children::iterator child, const std::exception_ptr& failure) {
    children_.erase(child);
    if (children_.empty()) {
        all_ended_.cancel();
    }
    if (!failure) {
        return;
    }
    try {
        std::rethrow_exception(failure);
    } catch (const boost::system::system_error& error) {
        if (error.code() != asio::error::operation_aborted) {
            log_.error("net.task.failed", {{"reason", error.what()}});
        }
    } catch (const std::exception& error) {
        log_.error("net.task.failed", {{"reason", error.what()}});
    }
}

} // namespace rootstock::net
