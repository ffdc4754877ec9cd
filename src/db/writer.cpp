#include "db/writer.hpp"

#include <utility>

namespace rootstock::db {

Writer::Writer(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)), thread_([this] { thread_main(); }) {}

Writer::~Writer() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

std::uint64_t Writer::transactions() const {
    std::lock_guard lock(mutex_);
    return transactions_;
}

Result<void> Writer::perform(std::function<Result<void>(Connection&)> work) {
    Job job;
    job.work = std::move(work);
    std::unique_lock lock(mutex_);
    waiting_.push_back(&job);
    wake_.notify_one();
    finished_.wait(lock, [&job] { return job.done; });
    return job.result;
}

void Writer::thread_main() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) {
            return;
        }
        Group group = std::exchange(waiting_, {});
        ++transactions_;
        lock.unlock();
        execute(group);
        lock.lock();
        for (Job* job : group) {
            job->done = true;
        }
        finished_.notify_all();
    }
}

/// One transaction for the whole group. An error that undoes all of it (disk full) is everybody's answer.
void Writer::execute(Group& group) {
    Result<void> common = connection_->run("BEGIN IMMEDIATE");
    for (Job* job : group) {
        if (!common) {
            break;
        }
        job->result = execute_one(*job);
        if (!connection_->in_transaction()) {
            common = job->result;
        }
    }
    if (common) {
        common = connection_->run("COMMIT");
    }
    if (!common) {
        if (connection_->in_transaction()) {
            static_cast<void>(connection_->run("ROLLBACK")); // the first error is the one to tell
        }
        for (Job* job : group) {
            job->result = common;
        }
    }
}

Result<void> Writer::execute_one(Job& job) {
    if (auto begun = connection_->run("SAVEPOINT one"); !begun) {
        return begun;
    }
    const Result<void> worked = job.work(*connection_);
    if (!worked && connection_->in_transaction()) {
        if (auto undone = connection_->run("ROLLBACK TO one"); !undone) {
            return undone;
        }
    }
    if (connection_->in_transaction()) {
        if (auto released = connection_->run("RELEASE one"); !released) {
            return released;
        }
    }
    return worked;
}

} // namespace rootstock::db
