// Offload: a bounded pool of threads for calls that block (disk, SQLite). The completion goes back to the caller's context.
//
// Made after the Runtime, stopped before it and after the services, because jobs refer to what the services own.
// submit() and run() from any thread. Coroutines use net/offload_await.hpp. The intrusive Job form allocates nothing.
#pragma once

#include "net/limits.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace rootstock::net {

class Offload {
  public:
    /// A call and its completion, owned by the submitter until done() is called. Neither may throw.
    class Job {
      public:
        virtual void work() noexcept = 0; // on an offload thread; may block
        virtual void done() noexcept = 0; // on the home context
      protected:
        ~Job() = default;
    };

    explicit Offload(unsigned threads = offload_threads_default, std::size_t queue_limit = offload_queue_limit);
    ~Offload();

    /// False: the queue is full (or the pool stopped) and nothing will be called.
    [[nodiscard]] bool submit(boost::asio::io_context& home, Job& job);

    /// `work()` on an offload thread, then `done(result)` on `home` (`done()` when there is no result). False: queue full.
    template <class Work, class Done> [[nodiscard]] bool run(boost::asio::io_context& home, Work work, Done done);

    /// Finishes what is queued and joins the threads. Twice is harmless.
    void stop();

  private:
    struct Entry {
        boost::asio::io_context* home;
        Job* job;
    };
    void thread_main();

    const std::size_t queue_limit_;
    std::mutex mutex_; // guards queue_ and stopping_
    std::condition_variable wake_;
    std::deque<Entry> queue_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

namespace detail {

template <class Work, class Done> class CallJob final : public Offload::Job {
  public:
    CallJob(Work work, Done done) : work_(std::move(work)), done_(std::move(done)) {}

  private:
    using Value = std::invoke_result_t<Work&>;
    struct Nothing {};
    using Stored = std::conditional_t<std::is_void_v<Value>, Nothing, Value>;

    void work() noexcept override {
        if constexpr (std::is_void_v<Value>) {
            work_();
        } else {
            value_ = std::make_unique<Stored>(work_());
        }
    }
    void done() noexcept override {
        const std::unique_ptr<CallJob> self(this);
        if constexpr (std::is_void_v<Value>) {
            done_();
        } else {
            done_(std::move(*value_));
        }
    }

    Work work_;
    Done done_;
    std::unique_ptr<Stored> value_;
};

} // namespace detail

template <class Work, class Done> bool Offload::run(boost::asio::io_context& home, Work work, Done done) {
    auto job = std::make_unique<detail::CallJob<Work, Done>>(std::move(work), std::move(done));
    if (!submit(home, *job)) {
        return false;
    }
    static_cast<void>(job.release()); // done() deletes it
    return true;
}

} // namespace rootstock::net
