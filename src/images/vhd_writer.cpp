#include "images/vhd_writer.hpp"

#include "core/checked.hpp"
#include "images/vhd_dynamic_header.hpp"

namespace rootstock::images {
namespace {

using namespace vhd;

constexpr std::uint64_t header_offset = footer_size;
constexpr std::uint64_t table_offset = header_offset + dynamic_header_size;
constexpr std::uint64_t bitmap_size = writer_block_size / sector / 8;
static_assert(bitmap_size % sector == 0);

VhdFooter new_footer(DiskType type, const DiskShape& shape, Random& random, const Clock& clock) {
    return {type, type == DiskType::fixed ? no_offset : header_offset, shape.size_bytes, vhd_time_stamp(clock.wall()), Guid::random(random), false};
}

} // namespace

VhdFixedWriter::VhdFixedWriter(File& file, const DiskShape& shape, Random& random, const Clock& clock)
    : file_(file), footer_(new_footer(DiskType::fixed, shape, random, clock)) {}

Result<void> VhdFixedWriter::finish() { return file_.write_at(footer_.current_size, encode_vhd_footer(footer_)); }

VhdDynamicWriter::VhdDynamicWriter(File& file, const DiskShape& shape, Random& random, const Clock& clock)
    : file_(file), footer_(new_footer(DiskType::dynamic, shape, random, clock)), table_(div_up(shape.size_bytes, writer_block_size), be32(unused_block)),
      end_(round_up(table_offset + table_.size() * sizeof(be32), sector)) {}

std::uint64_t VhdDynamicWriter::needed_bytes(std::uint64_t data_blocks) const {
    return table_offset + table_.size() * sizeof(be32) + data_blocks * (bitmap_size + writer_block_size) + 2 * footer_size;
}

Result<void> VhdDynamicWriter::write_block(std::uint64_t offset, Bytes data) {
    if (auto written = file_.write_at(end_, ByteVector(bitmap_size, 0xff)); !written) {
        return written;
    }
    if (auto written = file_.write_at(end_ + bitmap_size, data); !written) {
        return written;
    }
    table_[offset / writer_block_size] = static_cast<std::uint32_t>(end_ / sector);
    end_ += bitmap_size + writer_block_size;
    return {};
}

Result<void> VhdDynamicWriter::finish() {
    auto written = write_front();
    return written ? file_.write_at(end_, encode_vhd_footer(footer_)) : written;
}

Result<void> VhdDynamicWriter::write_front() {
    VhdDynamicHeader header;
    header.table_offset = table_offset;
    header.max_table_entries = static_cast<std::uint32_t>(table_.size());
    ByteVector front = encode_vhd_footer(footer_);
    ByteWriter writer(front);
    writer.append(encode_vhd_dynamic_header(header));
    writer.append(Bytes(reinterpret_cast<const std::uint8_t*>(table_.data()), table_.size() * sizeof(be32)));
    writer.fill(round_up(front.size(), sector) - front.size(), 0xff);
    return file_.write_at(0, front);
}

} // namespace rootstock::images
