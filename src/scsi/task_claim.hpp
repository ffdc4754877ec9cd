// TaskClaim: by what a task may change the medium: that nobody has aborted it since it began.
#pragma once

#include <atomic>
#include <cstdint>

namespace rootstock::scsi {

/// An initiator port as the unit sees it; one per session and unit. Made by attach(), forgotten when the last pointer dies.
class Nexus {
  public:
    virtual ~Nexus() = default;

    /// Rises when every task of this nexus was aborted by another: PREEMPT AND ABORT, LOGICAL UNIT RESET, CLEAR TASK SET. The transport
    /// notes it when a command begins; when it has changed at the end, the task is gone and gets no status (SAM-5 5.3.1, TAS = 0).
    [[nodiscard]] std::uint32_t abort_epoch() const { return abort_epoch_.load(std::memory_order_acquire); }

  protected:
    std::atomic<std::uint32_t> abort_epoch_{0};
};

struct TaskClaim {
    const Nexus* nexus = nullptr;  // null: nobody's task, holds for ever
    std::uint32_t abort_epoch = 0; // of the nexus when the task began

    TaskClaim() = default;
    explicit TaskClaim(const Nexus& of) : nexus(&of), abort_epoch(of.abort_epoch()) {}
    [[nodiscard]] bool holds() const { return nexus == nullptr || nexus->abort_epoch() == abort_epoch; }
};

} // namespace rootstock::scsi
