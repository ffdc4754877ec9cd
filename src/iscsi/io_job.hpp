// IoJob: one call that may block, with all it needs. A task hands it out, the edge runs it off the shard (or through SingleFlight for a
// load), and gives it back on the shard. Until then its owner does not touch it.
#pragma once

#include "scsi/logical_unit.hpp"

namespace rootstock::iscsi {

struct Task;

struct IoJob {
    enum class Kind : std::uint8_t { load, read, write, perform };

    Kind kind = Kind::perform;
    Task* task = nullptr;
    scsi::LogicalUnit* unit = nullptr;
    const scsi::Nexus* nexus = nullptr;
    std::uint32_t abort_epoch = 0;     // of the nexus when the task began
    const scsi::BlockIo* io = nullptr; // perform
    std::uint64_t offset = 0;          // read, write: on the device
    MutableBytes bytes;
    bool fua = false;
    block::Miss miss;                  // load: has a loader
    scsi::IoResult result;

    /// Blocks. A change of the medium that another nexus has aborted before it began (PREEMPT AND ABORT, a reset) is not made.
    void run();

  private:
    [[nodiscard]] bool changes_medium() const;
};

} // namespace rootstock::iscsi
