// The block I/O that a transport hands to an offload thread. Everything here may block.
#include "core/assert.hpp"
#include "scsi/device_server.hpp"
#include "scsi/limits.hpp"

#include <algorithm>

namespace rootstock::scsi {
namespace {

using block::BlockDevice;
using block::IoError;
using Op = BlockIo::Op;

constexpr std::uint64_t piece_size = 256 * 1024;

IoResult as_result(const Result<void, IoError>& result) {
    IoResult io_result;
    if (!result) {
        io_result.error = result.error();
    }
    return io_result;
}

IoResult aborted() {
    IoResult result;
    result.error = IoError::gone;
    return result;
}

IoResult miscompare_at(std::uint64_t offset) {
    IoResult result;
    result.error = IoError::miscompare;
    result.miscompare_offset = offset;
    return result;
}

/// Reads the range in pieces, and compares it with `expected` unless that is empty. An `expected` shorter than the range (one block)
/// repeats over it.
IoResult verify(BlockDevice& device, std::uint64_t offset, std::uint64_t length, Bytes expected) {
    const std::uint64_t step = expected.empty() || expected.size() >= length ? piece_size : expected.size();
    ByteVector buffer(std::min(step, length));
    for (std::uint64_t done = 0; done < length;) {
        const MutableBytes piece(buffer.data(), std::min<std::uint64_t>(buffer.size(), length - done));
        if (const Result<void, IoError> read = device.read(offset + done, piece); !read) {
            return as_result(read);
        }
        if (!expected.empty()) {
            const Bytes want = expected.subspan(expected.size() < length ? 0 : done, piece.size());
            const auto [there, wanted] = std::mismatch(piece.begin(), piece.end(), want.begin());
            if (there != piece.end()) {
                return miscompare_at(done + static_cast<std::uint64_t>(there - piece.begin()));
            }
        }
        done += piece.size();
    }
    return {};
}

IoResult write_and_verify(BlockDevice& device, const BlockIo& io) {
    const IoResult written = as_result(device.write(io.offset, io.data, io.fua));
    return written.error ? written : verify(device, io.offset, io.length, io.data);
}

IoResult compare_and_write(BlockDevice& device, const BlockIo& io) {
    const Bytes data(io.data);
    IoResult compared = verify(device, io.offset, io.length, data.first(io.length));
    return compared.error ? compared : as_result(device.write(io.offset, data.subspan(io.length), io.fua));
}

IoResult or_write(BlockDevice& device, const BlockIo& io) {
    ByteVector merged(io.length);
    if (const Result<void, IoError> read = device.read(io.offset, merged); !read) {
        return as_result(read);
    }
    std::transform(merged.begin(), merged.end(), io.data.begin(), merged.begin(), std::bit_or<>());
    return as_result(device.write(io.offset, merged, io.fua));
}

IoResult write_same(BlockDevice& device, const BlockIo& io) {
    ByteVector pattern;
    const std::size_t repeats = std::max<std::size_t>(std::min(piece_size, io.length) / io.data.size(), 1);
    pattern.reserve(repeats * io.data.size());
    for (std::size_t i = 0; i < repeats; ++i) {
        pattern.insert(pattern.end(), io.data.begin(), io.data.end());
    }
    for (std::uint64_t done = 0; done < io.length;) {
        const Bytes piece = Bytes(pattern).first(std::min<std::uint64_t>(pattern.size(), io.length - done));
        if (const Result<void, IoError> written = device.write(io.offset + done, piece, io.fua); !written) {
            return as_result(written);
        }
        done += piece.size();
    }
    return {};
}

IoResult discard(BlockDevice& device, const BlockIo& io) {
    for (const BlockIo::Range& range : io.ranges) {
        if (const Result<void, IoError> discarded = device.discard(range.offset, range.length); !discarded) {
            return as_result(discarded);
        }
    }
    return {};
}

IoResult extents(BlockDevice& device, const BlockIo& io) {
    // A descriptor counts blocks in 32 bits.
    constexpr std::uint64_t longest = std::uint64_t{1} << 40U;
    IoResult result;
    for (std::uint64_t done = 0; done < io.length && result.extents.size() < limits::lba_status_descriptors;) {
        const BlockDevice::Extent extent = device.extent(io.offset + done, std::min(io.length - done, longest));
        RS_ASSERT(extent.length != 0);
        result.extents.push_back(extent);
        done += extent.length;
    }
    return result;
}

} // namespace

void DeviceServer::await_writes() { const std::lock_guard alone(gate_); }

IoResult DeviceServer::perform(const BlockIo& io, TaskClaim claim) {
    GatedDevice device(*device_, gate_, claim);
    switch (io.op) {
    case Op::flush: return as_result(device_->flush());
    case Op::verify: return verify(*device_, io.offset, io.length, io.data);
    case Op::prefetch: return verify(*device_, io.offset, io.length, {});
    case Op::write_and_verify: return write_and_verify(device, io);
    case Op::compare_and_write: {
        const std::lock_guard alone(gate_);
        return claim.holds() ? compare_and_write(*device_, io) : aborted();
    }
    case Op::or_write: {
        const std::lock_guard alone(gate_);
        return claim.holds() ? or_write(*device_, io) : aborted();
    }
    case Op::write_same: return write_same(device, io);
    case Op::discard: return discard(device, io);
    case Op::write_zeros: return as_result(device.write_zeros(io.offset, io.length));
    case Op::extents: return extents(*device_, io);
    case Op::copy: return as_result(io.copy_job->run(device));
    case Op::save_reservations: await_writes(); return save_reservations();
    case Op::await_writes: await_writes(); return {};
    case Op::read:
    case Op::write: break;
    }
    RS_ASSERT(!"READ and streamed WRITE are the transport's");
    return {};
}

} // namespace rootstock::scsi
