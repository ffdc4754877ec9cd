#include "images/vhdx_log.hpp"

#include "core/checked.hpp"
#include "images/limits.hpp"
#include "images/vhdx_checksum.hpp"

#include <algorithm>
#include <map>

namespace rootstock::images {
namespace {

using namespace vhdx;

std::uint32_t descriptor_sectors(std::uint64_t descriptor_count) {
    return static_cast<std::uint32_t>(div_up<std::uint64_t>(sizeof(LogEntryHeader) + descriptor_count * descriptor_size, log_sector_size));
}

/// The 4 KiB at `offset` of the circle; entries never start or wrap inside a sector.
Bytes sector_at(Bytes log, std::uint64_t offset) { return log.subspan(offset % log.size(), log_sector_size); }

/// What the header alone can say, and the signature of each sector behind it. As no sector of a sound entry looks like the start of another, entries
/// that pass never overlap: a hostile log cannot make us checksum the same bytes again and again.
bool has_entry_shape(Bytes log, std::uint32_t offset, const LogEntryHeader& header, const Guid& log_guid) {
    if (header.signature != log_entry_signature || header.log_guid != log_guid || header.sequence_number == 0) {
        return false;
    }
    if (header.entry_length == 0 || header.entry_length % log_sector_size != 0 || header.entry_length > log.size() ||
        header.tail % log_sector_size != 0 || header.tail >= log.size()) {
        return false;
    }
    const auto sectors = static_cast<std::uint32_t>(header.entry_length / log_sector_size);
    const std::uint32_t first_data = descriptor_sectors(header.descriptor_count);
    if (first_data > sectors) {
        return false;
    }
    for (std::uint32_t i = 1; i < sectors; ++i) {
        const auto signature = from_bytes<Signature4>(sector_at(log, offset + std::uint64_t{i} * log_sector_size));
        const bool fits = i < first_data ? signature == data_descriptor_signature || signature == zero_descriptor_signature
                                         : signature == data_sector_signature;
        if (!fits) {
            return false;
        }
    }
    return true;
}

ByteVector straighten(Bytes log, std::uint32_t offset, std::uint32_t length) {
    const std::size_t first = std::min<std::size_t>(length, log.size() - offset);
    ByteVector entry(log.begin() + offset, log.begin() + static_cast<std::ptrdiff_t>(offset + first));
    entry.insert(entry.end(), log.begin(), log.begin() + static_cast<std::ptrdiff_t>(length - first));
    return entry;
}

std::optional<VhdxLogWrite> decode_zero(Bytes descriptor, std::uint64_t sequence) {
    const auto raw = from_bytes<ZeroDescriptor>(descriptor);
    if (raw.sequence_number != sequence || raw.file_offset % log_sector_size != 0 || raw.zero_length % log_sector_size != 0) {
        return std::nullopt;
    }
    return VhdxLogWrite{raw.file_offset, raw.zero_length, {}};
}

/// The page: its first 8 and last 4 bytes stand in the descriptor, the rest in the sector ([MS-VHDX] 2.3.1.3).
std::optional<VhdxLogWrite> decode_data(Bytes descriptor, Bytes sector, std::uint64_t sequence) {
    const auto raw = from_bytes<DataDescriptor>(descriptor);
    const auto data = from_bytes<DataSector>(sector);
    const std::uint64_t sector_sequence = (std::uint64_t{data.sequence_high} << 32U) | data.sequence_low;
    if (raw.sequence_number != sequence || sector_sequence != sequence || raw.file_offset % log_sector_size != 0) {
        return std::nullopt;
    }
    VhdxLogWrite write{raw.file_offset, log_sector_size, {}};
    ByteWriter page(write.data);
    page.write(raw.leading_bytes);
    page.write(data.data);
    page.write(raw.trailing_bytes);
    return write;
}

/// All descriptors of a checksummed entry; every data sector belongs to exactly one.
std::optional<std::vector<VhdxLogWrite>> decode_writes(Bytes entry, const LogEntryHeader& header) {
    std::vector<VhdxLogWrite> writes;
    ByteReader descriptors(entry.subspan(sizeof(LogEntryHeader)));
    ByteReader sectors(entry.subspan(std::size_t{descriptor_sectors(header.descriptor_count)} * log_sector_size));
    for (std::uint32_t i = 0; i < header.descriptor_count; ++i) {
        const Bytes descriptor = descriptors.take(descriptor_size);
        std::optional<VhdxLogWrite> write;
        if (from_bytes<Signature4>(descriptor) == zero_descriptor_signature) {
            write = decode_zero(descriptor, header.sequence_number);
        } else if (from_bytes<Signature4>(descriptor) == data_descriptor_signature && sectors.remaining() != 0) {
            write = decode_data(descriptor, sectors.take(log_sector_size), header.sequence_number);
        }
        if (!write) {
            return std::nullopt;
        }
        writes.push_back(std::move(*write));
    }
    return sectors.remaining() == 0 ? std::optional(std::move(writes)) : std::nullopt;
}

using EntriesByOffset = std::map<std::uint32_t, VhdxLogEntry>;

EntriesByOffset decode_all_entries(Bytes log, const Guid& log_guid) {
    EntriesByOffset entries;
    for (std::uint32_t offset = 0; offset < log.size(); offset += log_sector_size) {
        if (auto entry = decode_log_entry(log, offset, log_guid)) {
            entries.emplace(offset, std::move(*entry));
        }
    }
    return entries;
}

/// Offsets of the entries that follow one another on from `start`, each number one higher.
std::vector<std::uint32_t> run_from(const EntriesByOffset& entries, std::uint32_t start, std::size_t log_size) {
    std::vector<std::uint32_t> run{start};
    while (run.size() < entries.size()) {
        const VhdxLogEntry& last = entries.at(run.back());
        const auto next = entries.find(static_cast<std::uint32_t>((std::uint64_t{run.back()} + last.entry_length) % log_size));
        if (next == entries.end() || next->second.sequence_number != last.sequence_number + 1) {
            break;
        }
        run.push_back(next->first);
    }
    return run;
}

/// The active sequence ([MS-VHDX] 2.3.2): of all runs whose last entry's tail is one of them, that with the highest number; from that tail on.
std::vector<std::uint32_t> active_sequence(const EntriesByOffset& entries, std::size_t log_size) {
    std::vector<std::uint32_t> best;
    std::uint64_t best_number = 0;
    for (const auto& [start, first] : entries) {
        const auto run = run_from(entries, start, log_size);
        const VhdxLogEntry& head = entries.at(run.back());
        const auto tail = std::ranges::find(run, head.tail);
        // A run that starts later within the same one has the same head: keep the first whose tail is there.
        if (tail != run.end() && head.sequence_number > best_number) {
            best.assign(tail, run.end());
            best_number = head.sequence_number;
        }
    }
    return best;
}

} // namespace

std::optional<VhdxLogEntry> decode_log_entry(Bytes log, std::uint32_t offset, const Guid& log_guid) {
    if (log.empty() || log.size() % log_sector_size != 0 || offset % log_sector_size != 0 || offset >= log.size()) {
        return std::nullopt;
    }
    const auto header = from_bytes<LogEntryHeader>(sector_at(log, offset));
    if (!has_entry_shape(log, offset, header, log_guid)) {
        return std::nullopt;
    }
    const ByteVector bytes = straighten(log, offset, header.entry_length);
    if (!vhdx_checksum_matches(bytes)) {
        return std::nullopt;
    }
    auto writes = decode_writes(bytes, header);
    if (!writes) {
        return std::nullopt;
    }
    return VhdxLogEntry{header.entry_length,        header.tail,             header.sequence_number,
                        header.flushed_file_offset, header.last_file_offset, std::move(*writes)};
}

std::uint32_t log_entry_length(std::size_t page_count) {
    return static_cast<std::uint32_t>((descriptor_sectors(page_count) + page_count) * log_sector_size);
}

ByteVector encode_log_entry(const VhdxLogEntry& fields, const Guid& log_guid, std::span<const VhdxLogPage> pages) {
    const std::uint32_t length = log_entry_length(pages.size());
    ByteVector entry;
    entry.reserve(length);
    ByteWriter writer(entry);
    LogEntryHeader header{};
    header.signature = log_entry_signature;
    header.entry_length = length;
    header.tail = fields.tail;
    header.sequence_number = fields.sequence_number;
    header.descriptor_count = static_cast<std::uint32_t>(pages.size());
    header.log_guid = log_guid;
    header.flushed_file_offset = fields.flushed_file_offset;
    header.last_file_offset = fields.last_file_offset;
    writer.write(header);
    for (const VhdxLogPage& page : pages) {
        RS_ASSERT(page.data.size() == log_sector_size && page.file_offset % log_sector_size == 0);
        DataDescriptor descriptor{};
        descriptor.signature = data_descriptor_signature;
        std::ranges::copy(page.data.last(4), descriptor.trailing_bytes.begin());
        std::ranges::copy(page.data.first(8), descriptor.leading_bytes.begin());
        descriptor.file_offset = page.file_offset;
        descriptor.sequence_number = fields.sequence_number;
        writer.write(descriptor);
    }
    writer.fill(std::size_t{descriptor_sectors(pages.size())} * log_sector_size - entry.size());
    const le32 high(static_cast<std::uint32_t>(fields.sequence_number >> 32U));
    const le32 low(static_cast<std::uint32_t>(fields.sequence_number));
    for (const VhdxLogPage& page : pages) {
        writer.write(data_sector_signature);
        writer.write(high);
        writer.append(page.data.subspan(8, log_sector_size - 12));
        writer.write(low);
    }
    put_vhdx_checksum(entry);
    return entry;
}

Result<VhdxReplay, VhdxError> VhdxReplay::find(Bytes log, const Guid& log_guid, std::uint64_t file_size) {
    EntriesByOffset entries = decode_all_entries(log, log_guid);
    const auto sequence = active_sequence(entries, log.size());
    if (sequence.empty()) {
        return VhdxError::log_no_valid_sequence;
    }
    VhdxReplay replay;
    replay.last_file_offset_ = entries.at(sequence.back()).last_file_offset;
    for (const std::uint32_t offset : sequence) {
        VhdxLogEntry& entry = entries.at(offset);
        if (file_size < entry.flushed_file_offset) {
            return VhdxError::log_file_truncated;
        }
        for (VhdxLogWrite& write : entry.writes) {
            // Headers and region tables are never logged; nothing may reach beyond what the sequence says the file becomes.
            if (write.file_offset < header_section_size || !range_fits(write.file_offset, write.length, std::max(file_size, replay.last_file_offset_))) {
                return VhdxError::log_outside_file;
            }
            replay.writes_.push_back(std::move(write));
        }
    }
    return replay;
}

Result<void> VhdxReplay::apply(File& file) const {
    const auto size = file.size();
    if (!size) {
        return size.error();
    }
    if (*size < last_file_offset_) {
        if (auto grown = file.resize(last_file_offset_); !grown) {
            return grown;
        }
    }
    for (const VhdxLogWrite& write : writes_) {
        auto done = write.data.empty() ? file.punch_hole(write.file_offset, write.length) : file.write_at(write.file_offset, write.data);
        if (!done) {
            return done;
        }
    }
    return file.sync_data();
}

void VhdxReplay::overlay(std::uint64_t offset, MutableBytes bytes) const {
    const std::uint64_t end = offset + bytes.size();
    for (const VhdxLogWrite& write : writes_) {
        const std::uint64_t from = std::max(offset, write.file_offset);
        const std::uint64_t to = std::min(end, write.file_offset + write.length);
        if (from >= to) {
            continue;
        }
        const MutableBytes target = bytes.subspan(from - offset, to - from);
        if (write.data.empty()) {
            std::ranges::fill(target, std::uint8_t{0});
        } else {
            std::ranges::copy(Bytes(write.data).subspan(from - write.file_offset, to - from), target.begin());
        }
    }
}

} // namespace rootstock::images
