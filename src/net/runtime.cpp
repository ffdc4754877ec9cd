#include "net/runtime.hpp"

#include "net/asio.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <algorithm>
#include <future>
#include <string>
#include <thread>

#include <pthread.h>
#include <signal.h>

namespace rootstock::net {

struct Shard::Thread {
    asio::io_context context{1};
    asio::executor_work_guard<Executor> work{context.get_executor()};
    std::thread thread;
};

namespace {

/// Signals belong to the main thread: a shard must never be the one that SIGTERM interrupts.
std::thread start_thread(asio::io_context& context, const std::string& name) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    std::thread thread([&context] { context.run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), name.c_str());
    return thread;
}

} // namespace

Shard::Shard(std::size_t index, const char* thread_name) : index_(index), thread_(std::make_unique<Thread>()) {
    thread_->thread = start_thread(thread_->context, thread_name);
}

Shard::~Shard() { stop(); }

boost::asio::io_context& Shard::context() { return thread_->context; }

bool Shard::runs_here() { return thread_->context.get_executor().running_in_this_thread(); }

void Shard::call(const std::function<void()>& work) {
    if (runs_here()) {
        work();
        return;
    }
    std::promise<void> done;
    asio::post(thread_->context, [&] {
        try {
            work();
            done.set_value();
        } catch (...) {
            done.set_exception(std::current_exception());
        }
    });
    done.get_future().get();
}

void Shard::stop() {
    thread_->work.reset();
    thread_->context.stop();
    if (thread_->thread.joinable()) {
        thread_->thread.join();
    }
}

Runtime::Runtime(std::size_t shard_count) : control_(std::make_unique<Shard>(0, "control")) {
    if (shard_count == 0) {
        shard_count = std::max(1U, std::thread::hardware_concurrency());
    }
    for (std::size_t i = 0; i < shard_count; ++i) {
        shards_.push_back(std::make_unique<Shard>(i, ("shard-" + std::to_string(i)).c_str()));
    }
}

Runtime::~Runtime() { stop(); }

Shard& Runtime::least_loaded() {
    const auto lighter = [](const auto& a, const auto& b) { return a->load() < b->load(); };
    return **std::min_element(shards_.begin(), shards_.end(), lighter);
}

void Runtime::stop() {
    for (auto& shard : shards_) {
        shard->stop();
    }
    control_->stop();
}

} // namespace rootstock::net
