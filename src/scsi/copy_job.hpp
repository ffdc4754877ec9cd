// CopyJob: one EXTENDED COPY on its way, and CopyLog: those of one I_T nexus (SPC-4 sections 5.17.4 and 6.4).
// Threads: a job is decided on the shard, performed off it, cancelled from anywhere; what others look at meanwhile is atomic. The log has a
// lock of its own, which nothing else is taken under.
#pragma once

#include "block/block_device.hpp"
#include "scsi/sense.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace rootstock::scsi {

/// A range of the medium that becomes another's contents. In bytes, checked.
struct CopySegment {
    std::uint64_t source = 0;
    std::uint64_t destination = 0;
    std::uint64_t length = 0;
};

class CopyJob {
  public:
    /// COPY OPERATION STATUS (SPC-4 table 249).
    enum class Status : std::uint8_t { in_progress = 0x00, completed = 0x01, failed = 0x02 };

    CopyJob(std::uint8_t list_identifier, std::vector<CopySegment> segments)
        : list_identifier_(list_identifier), segments_(std::move(segments)) {}

    [[nodiscard]] std::uint8_t list_identifier() const { return list_identifier_; }
    [[nodiscard]] const std::vector<CopySegment>& segments() const { return segments_; }

    /// Copies segment by segment, in pieces, and blocks. What is copied onto itself in part comes out as if it had been read whole first.
    /// Nothing but zeros at the source gives the destination's space back.
    [[nodiscard]] Result<void, block::IoError> run(block::BlockDevice& device);
    /// The run ends before its next piece.
    void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

    [[nodiscard]] Status status() const { return status_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint16_t segments_done() const { return segments_done_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t bytes_done() const { return bytes_done_.load(std::memory_order_relaxed); }
    /// Why it failed: COPY ABORTED, with the number of the segment (6.4.3.7). The medium's own reason is the additional sense code.
    [[nodiscard]] Sense failure() const;

  private:
    [[nodiscard]] Result<void, block::IoError> copy(block::BlockDevice& device, const CopySegment& segment);
    [[nodiscard]] Result<void, block::IoError> copy_piece(block::BlockDevice& device, const CopySegment& piece);

    const std::uint8_t list_identifier_;
    const std::vector<CopySegment> segments_;
    ByteVector buffer_;         // of the thread that runs it
    Sense device_failure_;      // written before `status_`
    std::atomic<Status> status_{Status::in_progress};
    std::atomic<bool> cancelled_{false};
    std::atomic<std::uint16_t> segments_done_{0};
    std::atomic<std::uint64_t> bytes_done_{0};
};

/// COPY ABORTED over segment `number` of the list. `position`: the field at fault, in the parameter list.
[[nodiscard]] Sense copy_aborted(Asc asc, std::size_t number, std::optional<std::uint16_t> position);

/// The copies of one nexus by list identifier: those in progress, and the last limits::kept_copies that ended and were not asked about.
class CopyLog {
  public:
    enum class Entered : std::uint8_t { yes, identifier_in_use, too_many };

    /// `identified`: it can be asked about later. A job with the same identifier that has ended makes room for it.
    [[nodiscard]] Entered enter(std::shared_ptr<CopyJob> job, bool identified);
    /// COPY STATUS: one that has ended is told once.
    [[nodiscard]] std::shared_ptr<CopyJob> take_status(std::uint8_t list_identifier);
    /// FAILURE DETAILS: of one that has ended; told once. In progress or unknown: nothing.
    [[nodiscard]] std::shared_ptr<CopyJob> take_details(std::uint8_t list_identifier);
    /// All tasks of the nexus were aborted.
    void cancel_all();

  private:
    struct Entry {
        std::shared_ptr<CopyJob> job;
        bool identified = false;
        bool status_told = false;
        bool details_told = false;
    };
    [[nodiscard]] Entry* find(std::uint8_t list_identifier);
    void forget_told();

    std::mutex mutex_; // what follows
    std::deque<Entry> entries_; // oldest first
};

} // namespace rootstock::scsi
