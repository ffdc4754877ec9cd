// The log ([MS-VHDX] 2.3): a circle of entries, each a set of 4 KiB pages that become durable together.
//
// Entries are coded purely. VhdxReplay finds the newest valid sequence in the log's bytes, and either applies it to the file, or lays it over what
// is read from a file that must not change. Writing: vhdx_log_writer.
#pragma once

#include "core/guid.hpp"
#include "images/file.hpp"
#include "images/vhdx_error.hpp"
#include "images/vhdx_layout.hpp"

namespace rootstock::images {

/// One 4 KiB page of metadata (BAT, sector bitmap): `data` is exactly 4096 bytes, `file_offset` a multiple of 4096.
struct VhdxLogPage {
    std::uint64_t file_offset = 0;
    Bytes data;
};

/// What one descriptor does to the file.
struct VhdxLogWrite {
    std::uint64_t file_offset = 0;
    std::uint64_t length = 0;  // a multiple of 4096
    ByteVector data;           // 4096 bytes; empty: `length` zeros
    bool operator==(const VhdxLogWrite&) const = default;
};

struct VhdxLogEntry {
    std::uint32_t entry_length = 0;
    std::uint32_t tail = 0;
    std::uint64_t sequence_number = 0;
    std::uint64_t flushed_file_offset = 0;
    std::uint64_t last_file_offset = 0;
    std::vector<VhdxLogWrite> writes;
    bool operator==(const VhdxLogEntry&) const = default;
};

/// The entry that starts at byte `offset` of the circle `log`; nothing when there is no valid one with this GUID.
[[nodiscard]] std::optional<VhdxLogEntry> decode_log_entry(Bytes log, std::uint32_t offset, const Guid& log_guid);

/// Bytes of an entry with `page_count` data descriptors.
[[nodiscard]] std::uint32_t log_entry_length(std::size_t page_count);
/// `fields.writes` and `fields.entry_length` are not looked at: `pages` are the contents.
[[nodiscard]] ByteVector encode_log_entry(const VhdxLogEntry& fields, const Guid& log_guid, std::span<const VhdxLogPage> pages);

/// The changes of the newest valid sequence, oldest first.
class VhdxReplay {
  public:
    /// `log`: the whole log region. `file_size`: a file shorter than the sequence says was flushed has lost its end, and is refused.
    [[nodiscard]] static Result<VhdxReplay, VhdxError> find(Bytes log, const Guid& log_guid, std::uint64_t file_size);

    /// Writes every change, extends the file to last_file_offset(), syncs. The header (LogGuid nil) is the caller's next step.
    Result<void> apply(File& file) const;
    /// Lays the changes over `bytes`, which were read at `offset`.
    void overlay(std::uint64_t offset, MutableBytes bytes) const;
    [[nodiscard]] std::uint64_t last_file_offset() const { return last_file_offset_; }
    [[nodiscard]] const std::vector<VhdxLogWrite>& writes() const { return writes_; }

  private:
    std::vector<VhdxLogWrite> writes_;
    std::uint64_t last_file_offset_ = 0;
};

} // namespace rootstock::images
