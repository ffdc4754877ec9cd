#include "images/pieces.hpp"

#include "images/io_error.hpp"

namespace rootstock::images {

using block::IoError;
using block::TryRead;
using block::TryStatus;

void PieceList::add(const Piece& piece) {
    if (!pieces_.empty()) {
        Piece& last = pieces_.back();
        const bool adjacent = piece.source != PieceSource::own || last.file_offset + last.length == piece.file_offset;
        if (last.source == piece.source && adjacent) {
            last.length += piece.length;
            return;
        }
    }
    pieces_.push_back(piece);
}

namespace {

TryRead try_read_own(const Piece& piece, File& file, block::ReadSink& sink) {
    const Result<bool> read = file.try_read_at(piece.file_offset, sink.buffer(static_cast<std::size_t>(piece.length)));
    if (!read) {
        return {TryStatus::failed, io_error(read.error()), {}};
    }
    return {*read ? TryStatus::done : TryStatus::would_block, {}, {}};
}

} // namespace

TryRead try_read_pieces(const PieceList& pieces, File& file, block::BlockDevice* parent, bool mapping_allowed, block::ReadSink& sink) {
    for (const Piece& piece : pieces) {
        const auto length = static_cast<std::size_t>(piece.length);
        TryRead result;
        if (piece.source == PieceSource::own) {
            result = try_read_own(piece, file, sink);
        } else if (piece.source == PieceSource::parent && parent != nullptr) {
            result = parent->try_read(piece.offset, length, mapping_allowed, sink);
        } else {
            sink.zeros(length);
        }
        if (result.status != TryStatus::done) {
            return result;
        }
    }
    return {};
}

Result<void, IoError> read_pieces(const PieceList& pieces, File& file, block::BlockDevice* parent, MutableBytes out) {
    for (const Piece& piece : pieces) {
        const MutableBytes part = out.first(static_cast<std::size_t>(piece.length));
        out = out.subspan(part.size());
        if (piece.source == PieceSource::own) {
            if (const Result<void> read = file.read_at(piece.file_offset, part); !read) {
                return io_error(read.error());
            }
        } else if (piece.source == PieceSource::parent && parent != nullptr) {
            if (const Result<void, IoError> read = parent->read(piece.offset, part); !read) {
                return read;
            }
        } else {
            std::memset(part.data(), 0, part.size());
        }
    }
    return {};
}

} // namespace rootstock::images
