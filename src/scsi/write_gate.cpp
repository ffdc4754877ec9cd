#include "scsi/write_gate.hpp"

#include <algorithm>

namespace rootstock::scsi {

using block::IoError;

// Who enters adds first and looks then; who closes sets first and counts then. Both orders are sequentially consistent, so at least one of the two
// sees the other.

WriteGate::Stripe& WriteGate::own_stripe() {
    static std::atomic<std::uint32_t> next{0};
    thread_local const std::uint32_t own = next.fetch_add(1, std::memory_order_relaxed);
    return stripes_[own % stripes_.size()];
}

bool WriteGate::empty() const {
    return std::all_of(stripes_.begin(), stripes_.end(), [](const Stripe& stripe) { return stripe.inside.load() == 0; });
}

bool WriteGate::try_enter() {
    own_stripe().inside.fetch_add(1);
    if (!closed_.load()) [[likely]] {
        return true;
    }
    leave();
    return false;
}

void WriteGate::enter() {
    while (!try_enter()) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !closed_.load(); });
    }
}

void WriteGate::leave() {
    own_stripe().inside.fetch_sub(1);
    if (closed_.load()) [[unlikely]] {
        { const std::lock_guard lock(mutex_); } // whoever closed it has counted us, or waits
        changed_.notify_all();
    }
}

void WriteGate::lock() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !closed_.load(); });
    closed_ = true;
    changed_.wait(lock, [this] { return empty(); });
}

void WriteGate::unlock() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = false;
    }
    changed_.notify_all();
}

namespace {

/// Entered before it is made.
class Passage {
  public:
    explicit Passage(WriteGate& gate) : gate_(gate) {}
    ~Passage() { gate_.leave(); }
    Passage(const Passage&) = delete;
    Passage& operator=(const Passage&) = delete;

  private:
    WriteGate& gate_;
};

} // namespace

block::TryWrite GatedDevice::try_write(std::uint64_t offset, Bytes data) {
    if (!gate_.try_enter()) [[unlikely]] {
        return {block::TryStatus::would_block, {}};
    }
    const Passage passage(gate_);
    if (!claim_.holds()) [[unlikely]] {
        return {block::TryStatus::failed, IoError::gone};
    }
    return device_.try_write(offset, data);
}

Result<void, IoError> GatedDevice::write(std::uint64_t offset, Bytes data, bool fua) {
    gate_.enter();
    const Passage passage(gate_);
    if (!claim_.holds()) {
        return IoError::gone;
    }
    return device_.write(offset, data, fua);
}

Result<void, IoError> GatedDevice::discard(std::uint64_t offset, std::uint64_t length) {
    gate_.enter();
    const Passage passage(gate_);
    if (!claim_.holds()) {
        return IoError::gone;
    }
    return device_.discard(offset, length);
}

Result<void, IoError> GatedDevice::write_zeros(std::uint64_t offset, std::uint64_t length) {
    gate_.enter();
    const Passage passage(gate_);
    if (!claim_.holds()) {
        return IoError::gone;
    }
    return device_.write_zeros(offset, length);
}

} // namespace rootstock::scsi
