// VhdxLogWriter: makes metadata pages durable through the log ([MS-VHDX] 2.3). One sync a flush, however many pages there are.
#pragma once

#include "images/vhdx_log.hpp"

namespace rootstock::images {

/// Makes pages durable. One owner, no lock. Order for an open disk:
///     start()                              an empty entry under a new LogGuid, synced
///     VhdxHeaderWriter::begin_changes(log_guid())
///     per flush: File::sync_data() (payload; makes the last flush's pages durable in place as well), synced(), commit(pages)
///     close: File::sync_data(), synced(), VhdxHeaderWriter::end_changes()
class VhdxLogWriter {
  public:
    /// `log`: VhdxHeader::log_offset and log_length; `log_guid`: a new random one.
    VhdxLogWriter(File& file, std::uint64_t log_offset, std::uint32_t log_length, const Guid& log_guid);

    [[nodiscard]] const Guid& log_guid() const { return log_guid_; }
    /// Writes the first, empty entry and syncs: a header may not name a log without a valid entry. In a new file the caller syncs both at once.
    Result<void> start(Syncs syncs = Syncs::here);
    /// Logs the pages, syncs, then writes them in place (not synced). Once it returns they survive power loss. `file_size`: the file's size now, known to
    /// be durable. More than pages_per_entry() take several steps, in the order given, and power loss may fall between two: give sector bitmap pages
    /// before BAT pages, so that no block is named before its bits are right.
    Result<void> commit(std::span<const VhdxLogPage> pages, std::uint64_t file_size);
    /// The caller has synced the file: what was committed so far is durable in place, and its entries are not needed any more.
    void synced();
    /// Pages that fit into one entry of this log.
    [[nodiscard]] std::size_t pages_per_entry() const;

  private:
    Result<void> append(std::span<const VhdxLogPage> pages, std::uint64_t file_size, Syncs syncs = Syncs::here);
    Result<void> write_circular(Bytes entry);
    Result<void> make_room(std::uint32_t entry_length, std::uint64_t file_size);
    [[nodiscard]] std::uint32_t free_bytes() const;

    File& file_;
    std::uint64_t log_offset_;
    std::uint32_t log_length_;
    Guid log_guid_;
    std::uint64_t next_sequence_ = 1;
    std::uint64_t head_ = 0;         // where the next entry goes; counts on, taken modulo log_length_
    std::uint64_t tail_ = 0;         // first entry that a replay still needs
    std::uint64_t durable_tail_ = 0; // tail of the newest durable entry: nothing from here on may be overwritten
};

} // namespace rootstock::images
