// Task: one SCSI command from its arrival to its status (RFC 7143 sections 4.2.5 and 11.3 to 11.8): what was transferred, the bursts of
// data that are asked for, the residual. Owned and moved along by TaskSet.
#pragma once

#include "core/buffer.hpp"
#include "iscsi/bhs.hpp"
#include "iscsi/io_job.hpp"
#include "iscsi/limits.hpp"

namespace rootstock::iscsi {

/// SAM-5 8.9: the ATTR field of a command.
enum class TaskAttribute : std::uint8_t { untagged = 0, simple = 1, ordered = 2, head_of_queue = 3, auto_contingent_allegiance = 4 };

/// A contiguous part of a write's data in one buffer: filled by one or several R2Ts, then written.
struct Burst {
    enum class State : std::uint8_t { free, receiving, writing };
    State state = State::free;
    std::uint32_t target_transfer_tag = reserved_tag;
    std::uint32_t offset = 0;   // within the command's data
    std::uint32_t length = 0;
    std::uint32_t received = 0;
    std::uint32_t asked = 0;    // by R2Ts so far, or came unsolicited
    std::uint32_t next_data_sn = 0;
    PooledBuffer buffer;
    IoJob job;

    [[nodiscard]] bool complete() const { return received == length; }
};

struct Task {
    enum class State : std::uint8_t { free, unsolicited_data, blocked, running, aborted };

    State state = State::free;
    std::uint32_t slot = 0;
    std::uint32_t initiator_task_tag = 0;
    std::uint32_t cmd_sn = 0;
    bool immediate = false;
    TaskAttribute attribute = TaskAttribute::simple;
    std::array<std::uint8_t, 8> lun{};
    scsi::LogicalUnit* unit = nullptr; // null: no such LUN
    scsi::Nexus* nexus = nullptr;
    scsi::TaskClaim claim;             // of the nexus

    ByteVector cdb;                    // 16 bytes, or more with an extended CDB segment
    std::uint32_t expected_in = 0;     // what the initiator can take
    std::uint32_t expected_out = 0;    // what it has for us
    scsi::BlockIo io;
    bool collects_parameters = false;  // data-out is for execute_with_data
    std::uint32_t wanted = 0;          // what the command would transfer: against `expected` it gives the residual
    std::uint32_t transfer = 0;        // bytes that do move
    std::uint32_t done = 0;            // of these, sent to the initiator or given to the device

    PooledBuffer unsolicited;          // FirstBurst, while it arrives
    std::uint32_t unsolicited_size = 0;
    std::uint32_t unsolicited_data_sn = 0;
    std::array<Burst, limits::max_outstanding_r2t> bursts;
    std::uint32_t asked = 0;           // data-out that bursts cover so far
    std::uint32_t next_r2t_sn = 0;
    std::uint32_t next_data_in_sn = 0;

    IoJob job;                         // load, read, perform
    PooledBuffer read_buffer;
    unsigned loads = 0;                // tries of a read that missed
    unsigned jobs_out = 0;             // off the shard
    std::uint64_t abort_serial = 0;    // which task management function ended it
    scsi::IoResult result;

    [[nodiscard]] scsi::Command command() const { return {cdb, expected_in, expected_out}; }
    [[nodiscard]] std::uint32_t expected() const { return expected_out > 0 ? expected_out : expected_in; }
    /// Back to a free slot; keeps the memory that the next command can use.
    void reset();
};

/// Sets O or U and the count (section 11.4.5).
template <class Header> void set_residual(Header& header, std::uint32_t expected, std::uint32_t wanted) {
    if (wanted > expected) {
        header.flags = static_cast<std::uint8_t>(header.flags | Header::overflow_bit);
        header.residual_count = wanted - expected;
    } else if (wanted < expected) {
        header.flags = static_cast<std::uint8_t>(header.flags | Header::underflow_bit);
        header.residual_count = expected - wanted;
    }
}

} // namespace rootstock::iscsi
