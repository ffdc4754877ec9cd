#include "iscsi/pdu_writer.hpp"

#include "core/checked.hpp"
#include "core/crc32c.hpp"
#include "iscsi/fifo.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {
constexpr std::size_t zero_page_size = 64 * 1024;
alignas(4096) constexpr std::array<std::uint8_t, zero_page_size> zero_page{};

/// Below these, what was sent is forgotten only when the queue is empty, which costs nothing.
constexpr std::size_t pieces_worth_moving = 1024;
} // namespace

void PduWriter::set_digests(bool header_digest, bool data_digest) {
    header_digest_ = header_digest;
    data_digest_ = data_digest;
}

void PduWriter::begin_pdu(BasicHeader header, std::size_t data_length) {
    RS_ASSERT(data_left_ == 0);
    header.total_ahs_length = 0;
    header.data_segment_length = static_cast<std::uint32_t>(data_length);
    push_arena(object_bytes(header));
    if (header_digest_) {
        const le32 digest(crc32c(object_bytes(header)));
        push_arena(object_bytes(digest));
    }
    data_left_ = data_length;
    padding_ = round_up(data_length, 4) - data_length;
    has_data_ = data_length > 0;
    data_crc_ = 0;
}

void PduWriter::append(Bytes bytes) {
    if (bytes.empty()) {
        return;
    }
    RS_ASSERT(bytes.size() <= data_left_);
    data_left_ -= bytes.size();
    if (data_digest_) {
        data_crc_ = crc32c(bytes, data_crc_);
    }
    push({bytes.data(), 0, bytes.size()});
}

void PduWriter::append_copy(Bytes bytes) {
    RS_ASSERT(bytes.size() <= data_left_);
    data_left_ -= bytes.size();
    if (data_digest_ && !bytes.empty()) {
        data_crc_ = crc32c(bytes, data_crc_);
    }
    push_arena(bytes);
}

void PduWriter::append_zeros(std::size_t count) {
    while (count > 0) {
        const std::size_t piece = std::min(count, zero_page_size);
        append(Bytes(zero_page).first(piece));
        count -= piece;
    }
}

void PduWriter::end() {
    RS_ASSERT(data_left_ == 0);
    if (padding_ > 0) {
        const Bytes padding = Bytes(zero_page).first(padding_);
        if (data_digest_) {
            data_crc_ = crc32c(padding, data_crc_);
        }
        push_arena(padding);
        padding_ = 0;
    }
    if (data_digest_ && has_data_) {
        const le32 digest(data_crc_);
        push_arena(object_bytes(digest));
    }
}

void PduWriter::keep(PooledBuffer buffer) {
    if (empty()) {
        return; // nothing refers to it
    }
    kept_.push_back({queued_, std::move(buffer)});
}

void PduWriter::push_arena(Bytes bytes) {
    if (bytes.empty()) {
        return;
    }
    const std::uint64_t position = arena_base_ + arena_.size();
    arena_.insert(arena_.end(), bytes.begin(), bytes.end());
    const bool continues = pieces_.size() > first_piece_ && pieces_.back().borrowed == nullptr &&
                           pieces_.back().arena_position + pieces_.back().size == position;
    if (continues) {
        pieces_.back().size += bytes.size();
        queued_ += bytes.size();
    } else {
        push({nullptr, position, bytes.size()});
    }
}

void PduWriter::push(Piece piece) {
    queued_ += piece.size;
    pieces_.push_back(piece);
}

const std::uint8_t* PduWriter::start_of(const Piece& piece) const {
    return piece.borrowed != nullptr ? piece.borrowed : arena_.data() + (piece.arena_position - arena_base_);
}

std::size_t PduWriter::gather(std::span<iovec> out, std::size_t max_bytes) const {
    std::size_t count = 0;
    std::size_t offset = first_offset_;
    for (std::size_t i = first_piece_; i < pieces_.size() && count < out.size() && max_bytes > 0; ++i) {
        const std::size_t size = std::min(pieces_[i].size - offset, max_bytes);
        // iovec is not const-correct; sendmsg only reads.
        out[count++] = {const_cast<std::uint8_t*>(start_of(pieces_[i]) + offset), size};
        max_bytes -= size;
        offset = 0;
    }
    return count;
}

void PduWriter::sent(std::size_t count) {
    RS_ASSERT(count <= queued_bytes());
    sent_ += count;
    while (count > 0) {
        const std::size_t left = pieces_[first_piece_].size - first_offset_;
        if (count < left) {
            first_offset_ += count;
            break;
        }
        count -= left;
        first_offset_ = 0;
        ++first_piece_;
    }
    while (first_kept_ < kept_.size() && kept_[first_kept_].until <= sent_) {
        kept_[first_kept_++].buffer.release();
    }
    forget_sent();
}

void PduWriter::forget_spares() {
    if (empty()) {
        give_up_memory(pieces_);
        give_up_memory(arena_);
        give_up_memory(kept_);
    }
}

void PduWriter::forget_sent() {
    if (empty()) {
        pieces_.clear();
        kept_.clear();
        arena_.clear();
        first_piece_ = first_kept_ = 0;
        arena_base_ = 0;
        return;
    }
    if (first_piece_ < pieces_worth_moving) {
        return;
    }
    // A queue that never runs empty: drop its front, so that it stays as large as what is in it.
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_piece_));
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(first_kept_));
    first_piece_ = first_kept_ = 0;
    const auto in_arena = std::find_if(pieces_.begin(), pieces_.end(), [](const Piece& piece) { return piece.borrowed == nullptr; });
    const std::uint64_t keep_from = in_arena == pieces_.end() ? arena_base_ + arena_.size() : in_arena->arena_position;
    arena_.erase(arena_.begin(), arena_.begin() + static_cast<std::ptrdiff_t>(keep_from - arena_base_));
    arena_base_ = keep_from;
}

} // namespace rootstock::iscsi
