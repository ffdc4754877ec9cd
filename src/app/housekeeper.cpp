#include "app/housekeeper.hpp"

#include <utility>

namespace rootstock::app {

Housekeeper::Housekeeper(std::chrono::milliseconds period, std::function<void()> chores)
    : chores_(std::move(chores)), thread_([this, period] { run(period); }) {}

Housekeeper::~Housekeeper() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void Housekeeper::run(std::chrono::milliseconds period) {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, period, [this] { return stopping_; })) {
        lock.unlock();
        chores_();
        lock.lock();
    }
}

} // namespace rootstock::app
