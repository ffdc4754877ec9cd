#include "fleet/lazy_writer.hpp"

#include "fleet/limits.hpp"

namespace rootstock::fleet {

LazyWriter::LazyWriter(std::function<bool()> write) : write_(std::move(write)), thread_([this] { run(); }) {}

LazyWriter::~LazyWriter() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void LazyWriter::poke() {
    {
        std::lock_guard lock(mutex_);
        if (poked_) {
            return;
        }
        poked_ = true;
    }
    wake_.notify_one();
}

void LazyWriter::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        wake_.wait(lock, [this] { return poked_ || stopping_; });
        wake_.wait_for(lock, lazy_write_delay, [this] { return stopping_; });
        poked_ = false;
        lock.unlock();
        const bool written = write_();
        lock.lock();
        if (!written) {
            poked_ = true;
            wake_.wait_for(lock, lazy_write_retry, [this] { return stopping_; });
        }
    }
    lock.unlock();
    write_(); // whatever came while the last write was under way
}

} // namespace rootstock::fleet
