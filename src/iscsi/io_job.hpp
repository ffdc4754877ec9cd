// IoJob: one call that may block, with all it needs. A task hands it out, the edge runs it off the shard (or through SingleFlight for a
// load), and gives it back on the shard. Until then its owner does not touch it.
#pragma once

#include "scsi/logical_unit.hpp"

namespace rootstock::iscsi {

struct Task;

struct IoJob {
    enum class Kind : std::uint8_t { load, read, write, perform, await_writes };

    Kind kind = Kind::perform;
    Task* task = nullptr;              // null: of a task management function
    scsi::LogicalUnit* unit = nullptr;
    scsi::TaskClaim claim;
    const scsi::BlockIo* io = nullptr; // perform
    std::uint64_t offset = 0;          // read, write: on the device
    MutableBytes bytes;
    bool fua = false;
    block::Miss miss;                  // load: has a loader
    scsi::IoResult result;

    /// Blocks.
    void run();
};

} // namespace rootstock::iscsi
