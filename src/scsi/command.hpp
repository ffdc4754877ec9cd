// What SCSI and its transport say to each other. SCSI decides (pure, quick, never blocks); the transport moves data and performs the I/O.
// SAM-5 section 5 (execute command), SPC-4, SBC-3. SCSI knows neither iSCSI nor files.
//
// The life of a command, driven by the transport:
//   Step step = unit.execute(nexus, command);
//     Response       -> send status (and parameter data).
//     NeedDataOut    -> collect `length` bytes of parameter data, then unit.execute_with_data(nexus, command, data) -> Response or BlockIo.
//     BlockIo        -> perform it: op read / write / flush by BlockDevice::try_* on the shard, everything else by LogicalUnit::perform() off the shard;
//                       then unit.complete(nexus, command, io, result) -> Response.
// A write BlockIo takes its data from the transport, which may perform it burst by burst; the others have their data attached.
#pragma once

#include "block/block_device.hpp"
#include "core/bytes.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace rootstock::scsi {

/// SAM-5 table 36.
enum class Status : std::uint8_t {
    good = 0x00,
    check_condition = 0x02,
    condition_met = 0x04,
    busy = 0x08,
    reservation_conflict = 0x18,
    task_set_full = 0x28,
    task_aborted = 0x40,
};

/// The command descriptor block and what the transport knows of it. `cdb` lives as long as the call.
struct Command {
    Bytes cdb;                             // 16 bytes, or more with an AHS
    std::uint32_t data_in_length = 0;      // what the initiator can take / will send (iSCSI: Expected Data Transfer Length)
    std::uint32_t data_out_length = 0;
};

struct Response {
    Status status = Status::good;
    ByteVector data_in;    // parameter data, already cut to the CDB's allocation length
    ByteVector sense;      // without the two length bytes of iSCSI; empty when good
};

/// Data-out that the device server must see before it can decide (MODE SELECT, UNMAP, PERSISTENT RESERVE OUT, WRITE SAME, ...).
struct NeedDataOut {
    std::uint32_t length = 0;
};

class CopyJob;

struct BlockIo {
    enum class Op : std::uint8_t {
        read,
        write,
        flush,
        verify,            // read and drop: medium check; with data: compare (BYTCHK)
        write_and_verify,
        compare_and_write, // data: `length` bytes to compare, then `length` bytes to write
        or_write,
        write_same,        // data: one block
        discard,           // ranges
        write_zeros,       // offset, length
        prefetch,
        extents,           // GET LBA STATUS: fills IoResult::extents
        copy,              // EXTENDED COPY: does what the job says
        save_reservations, // PERSISTENT RESERVE OUT with APTPL: durable before it is answered; and await_writes
        await_writes,      // PREEMPT AND ABORT: LogicalUnit::await_writes() before it is answered
    };
    struct Range {
        std::uint64_t offset = 0;
        std::uint64_t length = 0;
    };
    Op op = Op::read;
    std::uint64_t offset = 0; // bytes
    std::uint64_t length = 0; // bytes on the medium
    bool fua = false;
    ByteVector data;           // for the ops that carry it (from execute_with_data)
    std::vector<Range> ranges; // discard
    std::shared_ptr<CopyJob> copy_job{};
};

using Step = std::variant<Response, NeedDataOut, BlockIo>;

struct IoResult {
    std::optional<block::IoError> error;
    std::uint64_t miscompare_offset = 0; // for IoError::miscompare: byte offset within the data (SBC-3 5.2)
    std::vector<block::BlockDevice::Extent> extents; // for Op::extents, in order from BlockIo::offset
};

} // namespace rootstock::scsi
