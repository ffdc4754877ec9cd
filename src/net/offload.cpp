#include "net/offload.hpp"

#include "net/asio.hpp"

#include <pthread.h>
#include <signal.h>

namespace rootstock::net {

Offload::Offload(unsigned threads, std::size_t queue_limit) : queue_limit_(queue_limit) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all); // signals belong to the main thread
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (unsigned i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { thread_main(); });
        pthread_setname_np(threads_.back().native_handle(), "offload");
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Offload::~Offload() { stop(); }

bool Offload::submit(boost::asio::io_context& home, Job& job) {
    {
        std::lock_guard lock(mutex_);
        if (stopping_ || queue_.size() >= queue_limit_) {
            return false;
        }
        queue_.push_back({&home, &job});
    }
    wake_.notify_one();
    return true;
}

void Offload::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

void Offload::thread_main() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) {
            return;
        }
        const Entry entry = queue_.front();
        queue_.pop_front();
        lock.unlock();
        entry.job->work();
        asio::post(*entry.home, [job = entry.job] { job->done(); });
        lock.lock();
    }
}

} // namespace rootstock::net
