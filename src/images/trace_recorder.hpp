// Recording of boot traces: which boots are recorded, the master that notes what is read of it, and the keeping of what came of it. A machine whose boot is
// not recorded has its master as it is, so that its reads cost nothing more.
// Threads: thread-safe.
#pragma once

#include "core/log.hpp"
#include "images/boot_trace.hpp"
#include "images/catalogue.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <set>

namespace rootstock::images {

/// The reads of one boot.
class TraceRecorder {
  public:
    /// One relaxed load: false once the recording is over.
    [[nodiscard]] bool active() const { return active_.load(std::memory_order_relaxed); }
    /// A read of [offset, offset + length) of `master` was answered. Does not block.
    void note_read(Master& master, std::uint64_t offset, std::uint64_t length);
    void note_running() { running_.store(true, std::memory_order_relaxed); }
    /// Nothing is read any more.
    void close() { closed_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool is_running() const { return running_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool is_closed() const { return closed_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t pages();
    /// Ends it and gives what was read.
    [[nodiscard]] BootTrace finish();

  private:
    std::atomic<bool> active_{true};
    std::atomic<bool> running_{false};
    std::atomic<bool> closed_{false};
    std::mutex mutex_; // marks_
    ReadMarks marks_;
};

/// `master`, whose reads `recorder` is told until it is over. Dropping it closes the recording.
[[nodiscard]] std::shared_ptr<Master> recorded_master(std::shared_ptr<Master> master, std::shared_ptr<TraceRecorder> recorder);

class BootTraces {
  public:
    BootTraces(Catalogue& catalogue, Log& log, const Clock& clock) : catalogue_(catalogue), log_(log), clock_(clock) {}

    /// A new boot of the machine is about to open its disk: what is opened next for it may be recorded.
    void expect(const std::string& machine);
    /// The master for the machine's disk: a recorded one when its boot was expected, the disk stands on nothing but a version that has no trace, no other
    /// boot of that is being recorded, and the machine does not write the next version. Blocks.
    [[nodiscard]] std::shared_ptr<Master> watch(const OverlayRow& row, std::shared_ptr<Master> master);
    /// The machine's boot has reached "running". Does not block.
    void note_running(const std::string& machine);
    /// Ends what is over and keeps its trace. True: one came to an end. Blocks; about once a second.
    bool review();

  private:
    struct Recording {
        std::string image;
        std::uint32_t version = 0;
        std::string machine;
        std::shared_ptr<TraceRecorder> recorder;
        TraceWatch watch;
    };
    [[nodiscard]] bool is_wanted(const OverlayRow& row);
    void end(const Recording& recording, TraceVerdict verdict);

    Catalogue& catalogue_;
    Log& log_;
    const Clock& clock_;
    std::mutex mutex_; // the two below; never held over a call of the catalogue
    std::set<std::string> expected_;
    std::vector<Recording> recordings_;
};

} // namespace rootstock::images
