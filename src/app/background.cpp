#include "app/background.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace rootstock::app {

namespace {

/// Of the calling thread, as Linux has it. What is refused costs speed alone.
void take_least_priority() {
    constexpr int least = 19;
    constexpr int ioprio_who_process = 1; // linux/ioprio.h has it, but not all its headers do
    constexpr int ioprio_idle = 3 << 13;
    const auto self = static_cast<id_t>(::syscall(SYS_gettid));
    static_cast<void>(::setpriority(PRIO_PROCESS, self, least));
    static_cast<void>(::syscall(SYS_ioprio_set, ioprio_who_process, 0, ioprio_idle));
}

} // namespace

Background::Background(std::chrono::milliseconds period, const Clock& clock, std::function<void(Background&)> look) : clock_(clock) {
    housekeeper_ = std::make_unique<Housekeeper>(period, [this, look = std::move(look)] {
        take_least_priority();
        look(*this);
    });
}

Background::~Background() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    housekeeper_.reset();
}

bool Background::keep_pace(std::uint64_t done_bytes) {
    if (done_bytes == 0 || done_bytes < last_bytes_) {
        started_ = clock_.now();
    }
    last_bytes_ = done_bytes;
    const TimePoint due = started_ + std::chrono::milliseconds(done_bytes * 1000 / background_bytes_per_second);
    std::unique_lock lock(mutex_);
    return !wake_.wait_for(lock, due - clock_.now(), [this] { return stopping_; });
}

} // namespace rootstock::app
