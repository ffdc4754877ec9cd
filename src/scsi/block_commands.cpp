#include "core/checked.hpp"
#include "scsi/device_server.hpp"
#include "scsi/handlers.hpp"
#include "scsi/limits.hpp"

#include <algorithm>

namespace rootstock::scsi::block_cmd {
namespace {

constexpr unsigned fua_bit = 3;
constexpr unsigned fua_nv_bit = 1;
constexpr unsigned unmap_bit = 3;
constexpr unsigned ndob_bit = 0;

/// A range of the medium in bytes.
struct MediumRange {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

Result<MediumRange, Sense> medium_range(const Context& c, std::uint64_t lba, std::uint64_t count) {
    if (!range_fits(lba, count, c.unit.block_count())) {
        return illegal_request(Asc::lba_out_of_range);
    }
    return MediumRange{lba * c.unit.block_size(), count * c.unit.block_size()};
}

/// The range that the CDB names, within the medium and within `limit_bytes` (a field of VPD page B0).
Result<MediumRange, Sense> addressed_range(const Context& c, std::uint64_t limit_bytes) {
    const BlockAddress address = c.cdb.block_address();
    const Result<MediumRange, Sense> range = medium_range(c, address.lba, address.count);
    if (range && range->length > limit_bytes) {
        return invalid_field_in_cdb(c.cdb.transfer_length_offset());
    }
    return range;
}

/// FUA, and FUA_NV: there is no non-volatile cache between the two. Byte 1 of a 6-byte CDB has other things.
bool force_unit_access(const Cdb& cdb) { return cdb.length() != 6 && (cdb.bit(1, fua_bit) || cdb.bit(1, fua_nv_bit)); }

BlockIo block_io(BlockIo::Op op, const MediumRange& range, bool fua = false) {
    BlockIo io;
    io.op = op;
    io.offset = range.offset;
    io.length = range.length;
    io.fua = fua;
    return io;
}

Outcome step(BlockIo io) { return Outcome(boost::system::in_place_value, std::move(io)); }

/// Asks for `length` bytes of data-out, or takes them into `io` and goes on to the medium.
Outcome collect(const Context& c, BlockIo io, std::uint64_t length) {
    if (!c.data_out) {
        return Outcome(boost::system::in_place_value, NeedDataOut{static_cast<std::uint32_t>(length)});
    }
    if (c.data_out->size() < length) { // announced, but not sent
        return illegal_request(Asc::invalid_field_in_command_information_unit);
    }
    io.data.assign(c.data_out->begin(), c.data_out->begin() + static_cast<std::ptrdiff_t>(length));
    return step(std::move(io));
}

/// Asks for exactly `length` bytes of data-out. To compare or repeat other than what the CDB says would be wrong, so an initiator that
/// announced another length is refused.
Outcome with_data(const Context& c, BlockIo io, std::uint64_t length) {
    return c.data_out_length == length ? collect(c, std::move(io), length)
                                       : Outcome(illegal_request(Asc::invalid_field_in_command_information_unit));
}

enum class ByteCheck : std::uint8_t { medium = 0, compare = 1, compare_one_block = 3 };

/// BYTCHK (SBC-3 table 106); 10b is reserved.
Result<ByteCheck, Sense> byte_check(const Cdb& cdb) {
    const auto value = static_cast<std::uint8_t>((cdb[1] >> 1U) & 3U);
    if (value == 2) {
        return invalid_field_in_cdb(1, 2);
    }
    return static_cast<ByteCheck>(value);
}

bool is_zero(Bytes data) {
    return std::all_of(data.begin(), data.end(), [](std::uint8_t byte) { return byte == 0; });
}

} // namespace

Outcome read(const Context& c) {
    const Result<MediumRange, Sense> range = addressed_range(c, limits::transfer_bytes);
    if (!range) {
        return range.error();
    }
    return range->length == 0 ? good() : step(block_io(BlockIo::Op::read, *range));
}

Outcome write(const Context& c) {
    const Result<MediumRange, Sense> range = addressed_range(c, limits::transfer_bytes);
    if (!range) {
        return range.error();
    }
    return range->length == 0 ? good() : step(block_io(BlockIo::Op::write, *range, force_unit_access(c.cdb)));
}

Outcome verify(const Context& c) {
    const Result<ByteCheck, Sense> check = byte_check(c.cdb);
    if (!check) {
        return check.error();
    }
    const Result<MediumRange, Sense> range = addressed_range(c, limits::transfer_bytes);
    if (!range) {
        return range.error();
    }
    if (range->length == 0) {
        return good();
    }
    BlockIo io = block_io(BlockIo::Op::verify, *range);
    switch (*check) {
    case ByteCheck::medium: return step(std::move(io));
    case ByteCheck::compare: return with_data(c, std::move(io), range->length);
    case ByteCheck::compare_one_block: return with_data(c, std::move(io), c.unit.block_size());
    }
    return good();
}

Outcome write_and_verify(const Context& c) {
    const Result<ByteCheck, Sense> check = byte_check(c.cdb);
    if (!check) {
        return check.error();
    }
    if (*check == ByteCheck::compare_one_block) {
        return invalid_field_in_cdb(1, 2);
    }
    const Result<MediumRange, Sense> range = addressed_range(c, limits::transfer_bytes);
    if (!range) {
        return range.error();
    }
    if (range->length == 0) {
        return good();
    }
    if (!c.data_out) {
        return Outcome(boost::system::in_place_value, NeedDataOut{static_cast<std::uint32_t>(range->length)});
    }
    // As with WRITE, an initiator that announced less than the CDB says has that much written, in whole blocks; the rest is a residual.
    const std::uint64_t length = std::min<std::uint64_t>(range->length, c.data_out_length);
    if (length % c.unit.block_size() != 0) {
        return illegal_request(Asc::invalid_field_in_command_information_unit);
    }
    if (!c.data_out) {
        return Outcome(boost::system::in_place_value, NeedDataOut{static_cast<std::uint32_t>(range->length)});
    }
    // Verified means that it has reached the medium.
    return length == 0 ? good() : collect(c, block_io(BlockIo::Op::write_and_verify, {range->offset, length}, true), length);
}

Outcome compare_and_write(const Context& c) {
    const Result<MediumRange, Sense> range = medium_range(c, c.cdb.u64(2), c.cdb[13]); // one byte: at most 255 blocks
    if (!range) {
        return range.error();
    }
    if (range->length == 0) { // with data it is a count that did not fit its byte
        return c.data_out_length == 0 ? good() : Outcome(invalid_field_in_cdb(13));
    }
    return with_data(c, block_io(BlockIo::Op::compare_and_write, *range, force_unit_access(c.cdb)), 2 * range->length);
}

Outcome or_write(const Context& c) {
    const Result<MediumRange, Sense> range = addressed_range(c, limits::transfer_bytes);
    if (!range) {
        return range.error();
    }
    if (range->length == 0) {
        return good();
    }
    return with_data(c, block_io(BlockIo::Op::or_write, *range, force_unit_access(c.cdb)), range->length);
}

/// SBC-3 5.43. With UNMAP the space may be given back only when the block to be written reads the same as unmapped space: zeros.
Outcome write_same(const Context& c) {
    const Result<MediumRange, Sense> range = addressed_range(c, limits::write_same_bytes);
    if (!range) {
        return range.error();
    }
    if (range->length == 0) {
        return invalid_field_in_cdb(c.cdb.transfer_length_offset()); // WSNZ
    }
    const auto zeros_io = [&] {
        BlockIo io = block_io(c.cdb.bit(1, unmap_bit) ? BlockIo::Op::discard : BlockIo::Op::write_zeros, *range);
        if (io.op == BlockIo::Op::discard) {
            io.ranges.push_back({range->offset, range->length});
        }
        return io;
    };
    if (c.cdb.length() == 16 && c.cdb.bit(1, ndob_bit)) {
        return step(zeros_io());
    }
    const std::uint32_t block_size = c.unit.block_size();
    if (c.data_out && c.data_out->size() >= block_size && is_zero(c.data_out->first(block_size))) {
        return step(zeros_io());
    }
    return with_data(c, block_io(BlockIo::Op::write_same, *range), block_size);
}

/// SBC-3 5.33: a list of UNMAP block descriptors.
Outcome unmap(const Context& c) {
    constexpr std::size_t header_size = 8;
    constexpr std::size_t descriptor_size = 16;
    const std::uint16_t list_length = c.cdb.u16(7);
    if (list_length == 0) {
        return good();
    }
    if (list_length < header_size) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    if (!c.data_out) {
        return Outcome(boost::system::in_place_value, NeedDataOut{list_length});
    }
    if (c.data_out->size() < header_size) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    const Bytes list = c.data_out->first(std::min<std::size_t>(list_length, c.data_out->size()));
    const std::size_t announced = from_bytes<be16>(list.subspan(2)).value();
    const std::size_t count = std::min(announced, list.size() - header_size) / descriptor_size;
    if (count > limits::unmap_descriptors) {
        return invalid_field_in_parameter_list(2);
    }
    BlockIo io;
    io.op = BlockIo::Op::discard;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const Bytes descriptor = list.subspan(header_size + i * descriptor_size, descriptor_size);
        const std::uint64_t lba = from_bytes<be64>(descriptor).value();
        const std::uint32_t blocks = from_bytes<be32>(descriptor.subspan(8)).value();
        const Result<MediumRange, Sense> range = medium_range(c, lba, blocks);
        if (!range) {
            return range.error();
        }
        total += range->length; // at most 256 times 2^32 blocks
        if (total > limits::unmap_bytes) {
            return invalid_field_in_parameter_list(static_cast<std::uint16_t>(header_size + i * descriptor_size + 8));
        }
        if (range->length != 0) {
            io.ranges.push_back({range->offset, range->length});
        }
    }
    return io.ranges.empty() ? good() : step(std::move(io));
}

Outcome get_lba_status(const Context& c) {
    const std::uint64_t lba = c.cdb.u64(2);
    if (lba >= c.unit.block_count()) {
        return illegal_request(Asc::lba_out_of_range);
    }
    const Result<MediumRange, Sense> range = medium_range(c, lba, c.unit.block_count() - lba);
    return range ? step(block_io(BlockIo::Op::extents, *range)) : Outcome(range.error());
}

/// A flush covers the whole unit, so the range is only checked. IMMED is answered after the flush too: an early GOOD would promise
/// nothing, and a failed flush could then only be told as a deferred error.
Outcome synchronize_cache(const Context& c) {
    const BlockAddress address = c.cdb.block_address();
    const Result<MediumRange, Sense> range = medium_range(c, address.lba, address.count);
    return range ? step(block_io(BlockIo::Op::flush, *range)) : Outcome(range.error());
}

/// The number 0 means "to the end" (SBC-3 5.8), of which the first part is fetched. Always GOOD, never CONDITION MET: the cache does not
/// promise to keep the blocks.
Outcome prefetch(const Context& c) {
    Result<MediumRange, Sense> range = addressed_range(c, limits::prefetch_bytes);
    if (!range) {
        return range.error();
    }
    if (range->length == 0) {
        const std::uint64_t rest = c.unit.block_count() * c.unit.block_size() - range->offset;
        range->length = std::min(rest, limits::prefetch_bytes);
    }
    constexpr unsigned immed_bit = 1;
    if (c.cdb.bit(1, immed_bit) || range->length == 0) {
        return good();
    }
    return step(block_io(BlockIo::Op::prefetch, *range));
}

Outcome read_capacity_10(const Context& c) {
    ByteVector data;
    ByteWriter out(data);
    const std::uint64_t last = c.unit.block_count() - 1;
    out.write(be32(static_cast<std::uint32_t>(std::min<std::uint64_t>(last, 0xffffffffU))));
    out.write(be32(c.unit.block_size()));
    return data_in(std::move(data), 8);
}

Outcome read_capacity_16(const Context& c) {
    const Shape shape = c.unit.shape();
    std::uint8_t exponent = 0;
    while ((shape.block_size << exponent) < shape.physical_block_size) {
        ++exponent;
    }
    ByteVector data;
    ByteWriter out(data);
    out.write(be64(shape.block_count - 1));
    out.write(be32(shape.block_size));
    out.byte(0); // no protection information
    out.byte(exponent);
    out.write(be16(shape.thin() ? 0xc000 : 0)); // LBPME, LBPRZ; aligned at LBA 0
    out.fill(16);
    return data_in(std::move(data), c.cdb.u32(10));
}

/// No defects, in the list and format that was asked for (SBC-3 5.17, 5.18).
Outcome read_defect_data_10(const Context& c) {
    ByteVector data{0, static_cast<std::uint8_t>(c.cdb[2] & 0x1fU), 0, 0};
    return data_in(std::move(data), c.cdb.u16(7));
}

Outcome read_defect_data_12(const Context& c) {
    ByteVector data{0, static_cast<std::uint8_t>(c.cdb[1] & 0x1fU), 0, 0, 0, 0, 0, 0};
    return data_in(std::move(data), c.cdb.u32(6));
}

ByteVector lba_status_data(const BlockIo& io, const IoResult& result, std::uint32_t block_size) {
    constexpr std::uint8_t mapped = 0;
    constexpr std::uint8_t deallocated = 1;
    ByteVector data;
    ByteWriter out(data);
    out.fill(8);
    std::uint64_t lba = io.offset / block_size;
    for (const block::BlockDevice::Extent& extent : result.extents) {
        const std::uint64_t blocks = extent.length / block_size;
        out.write(be64(lba));
        out.write(be32(static_cast<std::uint32_t>(blocks)));
        out.byte(extent.mapped ? mapped : deallocated);
        out.fill(3);
        lba += blocks;
    }
    out.patch(0, be32(static_cast<std::uint32_t>(data.size() - 4)));
    return data;
}

} // namespace rootstock::scsi::block_cmd
