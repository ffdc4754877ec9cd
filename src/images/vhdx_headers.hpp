// The two headers of a VHDX file and the protocol that changes them ([MS-VHDX] 2.2.2). Used by whoever opens one; only one writer a file.
#pragma once

#include "core/random.hpp"
#include "images/file.hpp"
#include "images/vhdx_error.hpp"
#include "images/vhdx_layout.hpp"

#include <functional>

namespace rootstock::images {

struct VhdxHeader {
    std::uint64_t sequence_number = 0;
    Guid file_write_guid;      // new before the first change of the file after an open
    Guid data_write_guid;      // new before the first change of the disk's contents; children name their parent by it
    Guid log_guid;             // nil: the log is empty; else only entries that carry it count
    std::uint32_t log_length = 0;
    std::uint64_t log_offset = 0;
    bool operator==(const VhdxHeader&) const = default;
};

struct CurrentHeader {
    VhdxHeader header;
    unsigned slot = 0; // 0 or 1: where it lies
};

/// One header from its 4 KiB: signature, checksum, version, log placement.
[[nodiscard]] Result<VhdxHeader, VhdxError> decode_header(Bytes record);
/// Its 4 KiB, checksum included.
[[nodiscard]] ByteVector encode_header(const VhdxHeader& header);
/// The current one: of the valid ones that with the higher sequence number. Two valid ones with one number and different contents are refused.
[[nodiscard]] Result<CurrentHeader, VhdxError> choose_header(Bytes first, Bytes second);
/// The file type identifier: a signature, and a creator for people.
[[nodiscard]] ByteVector encode_file_identifier();

/// Changes the headers of an open file. Each change is written to the other slot, synced, then to the first and synced: power lost in between
/// leaves a valid header, and no stale LogGuid remains that a later damage could bring back to life.
class VhdxHeaderWriter {
  public:
    VhdxHeaderWriter(File& file, CurrentHeader current, Random& random) : file_(file), current_(std::move(current)), random_(random) {}

    [[nodiscard]] const CurrentHeader& current() const { return current_; }

    /// Before the first change of the file: a new FileWriteGuid, and `log_guid`, whose first entry is in the log already (VhdxLogWriter::start).
    Result<void> begin_changes(const Guid& log_guid);
    /// Before the first change of what the disk holds: a new DataWriteGuid. May be one step with begin_changes (`begin_all`).
    Result<void> begin_data_changes();
    /// Both at once, for a writer whose first change is data: four header writes less. The second header is left to the caller's next sync, which comes
    /// before anything is put into the log; until then the other one is the current one whatever becomes of it.
    Result<void> begin_all(const Guid& log_guid, Syncs syncs = Syncs::here);
    /// Of a file whose log is empty and that nobody has open: its disk is the one that is known by this DataWriteGuid.
    Result<void> set_data_write_guid(const Guid& guid);
    /// Clean close: everything is in place and synced, the log is not needed any more. `allowed_then`: what may be changed only when that is durable; it is
    /// synced with the second header.
    Result<void> end_changes(const std::function<Result<void>()>& allowed_then = {});

  private:
    Result<void> put(const VhdxHeader& next);
    Result<void> write_other_slot(VhdxHeader next, Syncs syncs = Syncs::here);
    File& file_;
    CurrentHeader current_;
    Random& random_;
};

} // namespace rootstock::images
