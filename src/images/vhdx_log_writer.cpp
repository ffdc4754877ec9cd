#include "images/vhdx_log_writer.hpp"

#include <algorithm>

namespace rootstock::images {

using namespace vhdx;

namespace {
/// Kept free for the empty entry that moves the tail when the circle is full (make_room).
constexpr std::uint32_t reserve = log_sector_size;
} // namespace

VhdxLogWriter::VhdxLogWriter(File& file, std::uint64_t log_offset, std::uint32_t log_length, const Guid& log_guid)
    : file_(file), log_offset_(log_offset), log_length_(log_length), log_guid_(log_guid) {
    RS_ASSERT(log_length_ >= mib && log_length_ % mib == 0);
}

std::size_t VhdxLogWriter::pages_per_entry() const {
    // Half of the circle, so that one entry can be written while the one before is still needed.
    const std::size_t sectors = log_length_ / 2 / log_sector_size;
    std::size_t pages = sectors - 1;
    while (log_entry_length(pages) > sectors * log_sector_size) {
        --pages;
    }
    return pages;
}

Result<void> VhdxLogWriter::start(Syncs syncs) {
    const auto size = file_.size();
    if (!size) {
        return size.error();
    }
    return append({}, *size, syncs);
}

Result<void> VhdxLogWriter::commit(std::span<const VhdxLogPage> pages, std::uint64_t file_size) {
    const std::size_t most = pages_per_entry();
    while (!pages.empty()) {
        const auto step = pages.first(std::min(most, pages.size()));
        pages = pages.subspan(step.size());
        if (auto room = make_room(log_entry_length(step.size()), file_size); !room) {
            return room;
        }
        if (auto appended = append(step, file_size); !appended) {
            return appended;
        }
        for (const VhdxLogPage& page : step) {
            if (auto written = file_.write_at(page.file_offset, page.data); !written) {
                return written;
            }
        }
    }
    return {};
}

void VhdxLogWriter::synced() { tail_ = head_; }

/// An entry may be overwritten once the newest durable entry does not need it. When none is left to overwrite, an empty entry with nothing but
/// itself to replay becomes the newest.
Result<void> VhdxLogWriter::make_room(std::uint32_t entry_length, std::uint64_t file_size) {
    if (free_bytes() >= entry_length + reserve) {
        return {};
    }
    if (auto in_place = file_.sync_data(); !in_place) {
        return in_place;
    }
    synced();
    return append({}, file_size);
}

Result<void> VhdxLogWriter::append(std::span<const VhdxLogPage> pages, std::uint64_t file_size, Syncs syncs) {
    VhdxLogEntry fields;
    fields.tail = static_cast<std::uint32_t>(tail_ % log_length_);
    fields.sequence_number = next_sequence_;
    fields.flushed_file_offset = file_size;
    fields.last_file_offset = file_size;
    const ByteVector entry = encode_log_entry(fields, log_guid_, pages);
    RS_ASSERT(entry.size() <= free_bytes());
    if (auto written = write_circular(entry); !written) {
        return written;
    }
    if (auto durable = syncs == Syncs::here ? file_.sync_data() : Result<void>(); !durable) {
        return durable;
    }
    head_ += entry.size();
    ++next_sequence_;
    durable_tail_ = tail_;
    return {};
}

Result<void> VhdxLogWriter::write_circular(Bytes entry) {
    const std::uint64_t start = head_ % log_length_;
    const Bytes first = entry.first(std::min<std::uint64_t>(entry.size(), log_length_ - start));
    if (auto written = file_.write_at(log_offset_ + start, first); !written) {
        return written;
    }
    const Bytes rest = entry.subspan(first.size());
    return rest.empty() ? Result<void>() : file_.write_at(log_offset_, rest);
}

std::uint32_t VhdxLogWriter::free_bytes() const { return static_cast<std::uint32_t>(log_length_ - (head_ - durable_tail_)); }

} // namespace rootstock::images
