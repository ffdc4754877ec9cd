#include "iscsi/pdu_reader.hpp"

#include "core/checked.hpp"
#include "core/crc32c.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {
constexpr std::size_t digest_size = 4;

/// Digests travel with the least significant byte first (RFC 7143 section 13.1).
bool digest_matches(std::uint32_t crc, Bytes field) { return from_bytes<le32>(field) == crc; }
} // namespace

void PduReader::enter_full_feature(std::size_t buffer_size, std::uint32_t data_limit, bool header_digest, bool data_digest) {
    buffer_size_ = std::max(buffer_size, end_ - begin_);
    data_limit_ = data_limit;
    header_digest_ = header_digest;
    data_digest_ = data_digest;
}

std::array<MutableBytes, 2> PduReader::rx_windows() {
    if (buffer_.empty()) {
        buffer_ = pool_.acquire(buffer_size_);
        begin_ = end_ = 0;
    }
    if (begin_ == end_) {
        begin_ = end_ = 0;
    } else if (begin_ > 0) {
        std::memmove(buffer_.bytes().data(), buffer_.bytes().data() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
    }
    const MutableBytes rest = buffer_.bytes().subspan(end_);
    if (state_ == State::data) {
        return {destination_.subspan(destination_filled_), rest};
    }
    return {rest, MutableBytes{}};
}

void PduReader::rx_commit(std::size_t count) {
    if (state_ == State::data) {
        const std::size_t direct = std::min(count, destination_.size() - destination_filled_);
        destination_filled_ += direct;
        count -= direct;
    }
    end_ += count;
}

PduReader::Next PduReader::next() {
    switch (state_) {
    case State::header:
        return parse_header();
    case State::destination:
        return Next::wants_destination;
    case State::data:
        if (destination_filled_ < destination_.size()) {
            return Next::nothing;
        }
        state_ = State::trailer;
        return parse_trailer();
    case State::trailer:
        return parse_trailer();
    }
    return Next::nothing;
}

PduReader::Next PduReader::parse_header() {
    const Bytes bytes = unread();
    if (bytes.size() < bhs_size) {
        return Next::nothing;
    }
    pdu_ = Pdu{};
    pdu_.header = from_bytes<BasicHeader>(bytes);
    const std::size_t ahs_size = std::size_t{pdu_.header.total_ahs_length} * 4;
    const std::size_t data_length = pdu_.header.data_segment_length;
    const std::size_t head = bhs_size + ahs_size + (header_digest_ ? digest_size : 0);
    if (data_length > data_limit_ && !header_digest_) { // before the rest of such a header is waited for
        return fail(ReadError::data_segment_too_long);
    }
    if (bytes.size() < head) {
        return Next::nothing;
    }
    if (header_digest_ && !digest_matches(crc32c(bytes.first(bhs_size + ahs_size)), bytes.subspan(bhs_size + ahs_size))) {
        return fail(ReadError::header_digest);
    }
    if (data_length > data_limit_) {
        return fail(ReadError::data_segment_too_long);
    }
    pdu_.ahs = bytes.subspan(bhs_size, ahs_size);
    const std::size_t trailer = trailer_size(data_length);
    if (bytes.size() - head < data_length + trailer) {
        ahs_.assign(pdu_.ahs.begin(), pdu_.ahs.end());
        pdu_.ahs = ahs_;
        begin_ += head;
        state_ = State::destination;
        return Next::wants_destination;
    }
    pdu_.data = bytes.subspan(head, data_length);
    if (!data_digest_matches(pdu_.data, bytes.subspan(head + data_length, trailer))) {
        return fail(ReadError::data_digest);
    }
    begin_ += head + data_length + trailer;
    return Next::pdu;
}

void PduReader::set_destination(MutableBytes destination) {
    RS_ASSERT(state_ == State::destination && destination.size() == pdu_.header.data_segment_length);
    destination_ = destination;
    destination_filled_ = std::min(destination.size(), end_ - begin_);
    if (destination_filled_ > 0) {
        std::memcpy(destination.data(), unread().data(), destination_filled_);
    }
    begin_ += destination_filled_;
    state_ = State::data;
}

PduReader::Next PduReader::parse_trailer() {
    const std::size_t size = trailer_size(destination_.size());
    if (end_ - begin_ < size) {
        return Next::nothing;
    }
    const Bytes trailer = size == 0 ? Bytes{} : unread().first(size);
    pdu_.data = destination_;
    pdu_.in_destination = true;
    state_ = State::header;
    if (!data_digest_matches(pdu_.data, trailer)) {
        return fail(ReadError::data_digest);
    }
    begin_ += size;
    return Next::pdu;
}

std::size_t PduReader::trailer_size(std::size_t data_length) const {
    if (data_length == 0) {
        return 0;
    }
    return round_up(data_length, 4) - data_length + (data_digest_ ? digest_size : 0);
}

/// The digest covers data and padding.
bool PduReader::data_digest_matches(Bytes data, Bytes trailer) const {
    if (!data_digest_ || data.empty()) {
        return true;
    }
    const std::size_t padding = trailer.size() - digest_size;
    return digest_matches(crc32c(trailer.first(padding), crc32c(data)), trailer.subspan(padding));
}

PduReader::Next PduReader::fail(ReadError error) {
    error_ = error;
    return Next::error;
}

void PduReader::release_if_empty() {
    if (begin_ == end_) {
        buffer_.release();
        begin_ = end_ = 0;
    }
}

} // namespace rootstock::iscsi
