#include "app/verifier.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rootstock::app {

namespace {

constexpr std::chrono::seconds look_period{10};

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

Verifier::Verifier(images::Store& store, std::chrono::seconds period, Log& log, const Clock& clock)
    : store_(store), log_(log), clock_(clock) {
    housekeeper_ = std::make_unique<Housekeeper>(look_period, [this, period] { run(period); });
}

Verifier::~Verifier() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    housekeeper_.reset();
}

void Verifier::run(std::chrono::seconds period) {
    take_least_priority();
    if (const auto done = store_.verify_due(period, [this](std::uint64_t bytes, std::uint64_t) { return keep_pace(bytes); }); !done) {
        log_.warning("app.verify.failed", {{"reason", done.error().what}});
    }
}

/// False: the server stops.
bool Verifier::keep_pace(std::uint64_t done_bytes) {
    if (done_bytes == 0) {
        started_ = clock_.now();
    }
    const TimePoint due = started_ + std::chrono::milliseconds(done_bytes * 1000 / verify_bytes_per_second);
    std::unique_lock lock(mutex_);
    return !wake_.wait_for(lock, due - clock_.now(), [this] { return stopping_; });
}

} // namespace rootstock::app
