// ResetDisk, second part: a copy of what it owns, made while it is written to. All of it is copied first, then what was changed meanwhile, again and again
// while that becomes less; the last little with the writers waiting.
#include "images/reset_disk.hpp"

namespace rootstock::images {

namespace {

/// What writers may wait for: some milliseconds.
constexpr std::uint64_t last_bytes = std::uint64_t{16} << 20U;
/// A machine that writes as fast as the copy is made has to wait at some time.
constexpr int most_rounds = 8;

Error copy_failure(block::IoError why) {
    return why == block::IoError::no_space || why == block::IoError::quota
               ? make_error(std::errc::no_space_on_device, "there is no room for the copy")
               : make_error(std::errc::io_error, "the copy could not be written");
}

} // namespace

class ResetDisk::Copy {
  public:
    Copy(ResetDisk& disk, block::BlockDevice& copy, const std::function<bool()>& wanted) : disk_(disk), copy_(copy), wanted_(wanted), buffer_(copied_block) {}

    /// What was changed since it was copied last; the number of bytes that it was.
    Result<std::uint64_t> round() {
        std::uint64_t bytes = 0;
        for (std::size_t block = 0; block < disk_.changed_.size(); ++block) {
            if (!disk_.changed_[block].exchange(false, std::memory_order_acq_rel)) {
                continue;
            }
            if (!wanted_()) {
                return make_error(std::errc::operation_canceled, "the copy is not wanted any more");
            }
            const Result<std::uint64_t> copied = copy_block(block * copied_block);
            if (!copied) {
                return copied.error();
            }
            bytes += *copied;
        }
        return bytes;
    }

  private:
    Result<std::uint64_t> copy_block(std::uint64_t offset) {
        PieceList pieces;
        disk_.owned_->find_pieces(offset, std::min(copied_block, disk_.geometry_.size_bytes - offset), pieces);
        std::uint64_t bytes = 0;
        for (const Piece& piece : pieces) {
            if (piece.source != PieceSource::own) {
                continue;
            }
            if (const Result<void> copied = copy_piece(piece); !copied) {
                return copied.error();
            }
            bytes += piece.length;
        }
        return bytes;
    }

    /// Holes stay holes.
    Result<void> copy_piece(const Piece& piece) {
        const std::uint64_t end = piece.offset + piece.length;
        for (std::uint64_t at = piece.offset; at < end;) {
            const Extent extent = disk_.extent(at, end - at);
            const MutableBytes bytes = MutableBytes(buffer_).first(extent.length);
            if (extent.mapped) {
                if (Result<void> read = disk_.file_->read_at(at, bytes); !read) {
                    return read;
                }
            }
            const Result<void, block::IoError> written = extent.mapped ? copy_.write(at, bytes, false) : copy_.discard(at, extent.length);
            if (!written) {
                return copy_failure(written.error());
            }
            at += extent.length;
        }
        return {};
    }

    ResetDisk& disk_;
    block::BlockDevice& copy_;
    const std::function<bool()>& wanted_;
    ByteVector buffer_;
};

Result<void> ResetDisk::copy_own(block::BlockDevice& copy, const std::function<bool()>& wanted) {
    note_change(0, geometry_.size_bytes); // since no copy at all
    Copy job(*this, copy, wanted);
    std::uint64_t before = geometry_.size_bytes;
    for (int round = 0; round < most_rounds; ++round) {
        const Result<std::uint64_t> bytes = job.round();
        if (!bytes) {
            return bytes.error();
        }
        if (*bytes <= last_bytes || *bytes >= before) {
            break;
        }
        before = *bytes;
    }
    const IoGate::Closed still(gate_);
    const Result<std::uint64_t> last = job.round();
    return last ? Result<void>() : last.error();
}

} // namespace rootstock::images
