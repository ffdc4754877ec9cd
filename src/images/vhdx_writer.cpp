#include "images/vhdx_writer.hpp"

namespace rootstock::images {
namespace {

constexpr std::uint64_t entries_at_once = 8192; // of a fixed disk's table

VhdxMetadata new_metadata(const DiskShape& shape, VhdxKind kind, Random& random) {
    VhdxMetadata metadata;
    metadata.block_size = writer_block_size;
    metadata.leave_block_allocated = kind == VhdxKind::fixed;
    metadata.virtual_disk_size = shape.size_bytes;
    metadata.virtual_disk_id = Guid::random(random);
    metadata.logical_sector_size = shape.logical_sector_size;
    metadata.physical_sector_size = shape.physical_sector_size;
    return metadata;
}

le64 full(std::uint64_t offset) { return le64(encode_entry(PayloadEntry{PayloadState::fully_present, offset})); }

} // namespace

VhdxWriter::VhdxWriter(File& file, const DiskShape& shape, VhdxKind kind, Random& random)
    : file_(file), kind_(kind), metadata_(new_metadata(shape, kind, random)), plan_(plan_vhdx(metadata_, vhdx_log_length_master)),
      payload_end_(plan_.payload_offset) {
    header_.file_write_guid = Guid::random(random);
    header_.data_write_guid = Guid::random(random);
    if (kind == VhdxKind::fixed) {
        payload_end_ += BatGeometry(metadata_).block_count() * writer_block_size;
    }
}

Result<void> VhdxWriter::write_block(std::uint64_t offset, Bytes data) {
    if (kind_ == VhdxKind::fixed) {
        return file_.write_at(plan_.payload_offset + offset, data);
    }
    if (auto written = file_.write_at(payload_end_, data); !written) {
        return written;
    }
    const std::uint64_t index = BatGeometry(metadata_).payload_index(offset / writer_block_size);
    table_.resize(index + 1);
    table_[index] = full(payload_end_);
    payload_end_ += writer_block_size;
    return {};
}

/// Payload first, then what names it: the file has no name yet, so the order is a matter of taste, and the table is written once.
Result<void> VhdxWriter::finish() {
    if (auto sized = file_.resize(payload_end_); !sized) {
        return sized;
    }
    if (auto front = write_vhdx_front(file_, plan_, metadata_, header_); !front) {
        return front;
    }
    return write_table();
}

Result<void> VhdxWriter::write_table() {
    const BatGeometry geometry(metadata_);
    const auto write_entries = [this](std::uint64_t first, const std::vector<le64>& entries) {
        const Bytes bytes(reinterpret_cast<const std::uint8_t*>(entries.data()), entries.size() * bat_entry_size);
        return file_.write_at(plan_.regions.bat.offset + first * bat_entry_size, bytes);
    };
    if (kind_ == VhdxKind::dynamic) {
        return write_entries(0, table_);
    }
    for (std::uint64_t first = 0; first < geometry.entry_count(); first += entries_at_once) {
        std::vector<le64> entries(std::min(entries_at_once, geometry.entry_count() - first));
        for (std::uint64_t at = 0; at < entries.size(); ++at) {
            if (const std::uint64_t index = first + at; !geometry.is_bitmap_index(index)) {
                entries[at] = full(plan_.payload_offset + geometry.block_of_index(index) * writer_block_size);
            }
        }
        if (auto written = write_entries(first, entries); !written) {
            return written;
        }
    }
    return {};
}

} // namespace rootstock::images
