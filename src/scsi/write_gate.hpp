// WriteGate: plain writes pass it together, COMPARE AND WRITE and ORWRITE one at a time and alone, so that nothing is written between what they
// read and what they write (SBC-3 sections 5.2 and 5.14). Who aborts tasks of others closes it once: what then is in will have been written, and
// what comes later sees that it was aborted. GatedDevice: a unit's device with the gate before everything that writes, for one task.
// Threads: thread-safe. Passing an open gate takes no lock: two atomic additions in a cache line that few threads share.
#pragma once

#include "block/block_device.hpp"
#include "scsi/task_claim.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace rootstock::scsi {

class WriteGate {
  public:
    /// False: the gate is closed. Never blocks.
    [[nodiscard]] bool try_enter();
    /// Waits for the gate to open. Never call it on a shard.
    void enter();
    /// On the thread that entered.
    void leave();

    /// Closes the gate and waits until all are out; then the caller is alone. Blocks.
    void lock();
    void unlock();

  private:
    struct alignas(64) Stripe {
        std::atomic<std::uint32_t> inside{0};
    };
    [[nodiscard]] Stripe& own_stripe();
    [[nodiscard]] bool empty() const;

    std::array<Stripe, 8> stripes_;
    std::atomic<bool> closed_{false};
    std::mutex mutex_; // changes of `closed_` to true, and who waits
    std::condition_variable changed_;
};

/// Cheap to make. Once the task is aborted, whatever would write gets IoError::gone.
class GatedDevice final : public block::BlockDevice {
  public:
    GatedDevice(block::BlockDevice& device, WriteGate& gate, TaskClaim claim = {}) : device_(device), gate_(gate), claim_(claim) {}

    [[nodiscard]] block::Geometry geometry() const override { return device_.geometry(); }
    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) override {
        return device_.try_read(offset, length, mapping_allowed, sink);
    }
    Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out) override { return device_.read(offset, out); }
    /// would_block also while the gate is closed.
    block::TryWrite try_write(std::uint64_t offset, Bytes data) override;
    Result<void, block::IoError> write(std::uint64_t offset, Bytes data, bool fua) override;
    Result<void, block::IoError> flush() override { return device_.flush(); }
    Result<void, block::IoError> discard(std::uint64_t offset, std::uint64_t length) override;
    Result<void, block::IoError> write_zeros(std::uint64_t offset, std::uint64_t length) override;
    [[nodiscard]] Extent extent(std::uint64_t offset, std::uint64_t length) override { return device_.extent(offset, length); }

  private:
    block::BlockDevice& device_;
    WriteGate& gate_;
    const TaskClaim claim_;
};

} // namespace rootstock::scsi
