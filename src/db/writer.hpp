// Writer: the one thread that owns the connection. Callers on any thread hand it a piece of work and wait until it is durable; all that wait at
// the same moment share one transaction, hence one flush of the disk. A piece that fails is undone alone.
#pragma once

#include "db/connection.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <type_traits>

namespace rootstock::db {

class Writer {
  public:
    explicit Writer(std::unique_ptr<Connection> connection);
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    /// Nobody may be waiting any more.
    ~Writer();

    /// `work(Connection&) -> Result<T>` on the writer's thread, inside a transaction. Returns when it is committed. Any other thread.
    template <class Work> auto run(Work work) -> std::invoke_result_t<Work&, Connection&> {
        using Answer = std::invoke_result_t<Work&, Connection&>;
        if constexpr (std::is_same_v<Answer, Result<void>>) {
            return perform(work);
        } else {
            std::optional<Answer> answer;
            const Result<void> done = perform([&](Connection& connection) -> Result<void> {
                answer.emplace(work(connection));
                if (!*answer) {
                    return answer->error();
                }
                return {};
            });
            if (!done) {
                return done.error();
            }
            return std::move(*answer);
        }
    }

    /// Transactions so far: how well callers share them.
    [[nodiscard]] std::uint64_t transactions() const;

  private:
    struct Job {
        std::function<Result<void>(Connection&)> work;
        Result<void> result;
        bool done = false;
    };
    using Group = std::deque<Job*>;

    [[nodiscard]] Result<void> perform(std::function<Result<void>(Connection&)> work);
    void thread_main();
    void execute(Group& group);
    [[nodiscard]] Result<void> execute_one(Job& job);

    std::unique_ptr<Connection> connection_; // of the thread alone
    mutable std::mutex mutex_;               // guards all below, and done of the jobs
    std::condition_variable wake_;
    std::condition_variable finished_;
    Group waiting_;
    std::uint64_t transactions_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace rootstock::db
