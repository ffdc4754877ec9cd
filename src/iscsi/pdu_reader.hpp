// PduReader: the receive side of a connection as a machine: bytes in, PDUs out (RFC 7143 section 11.2). No I/O, one owner, one shard.
//
//   for (;;) { n = readv(rx_windows()); rx_commit(n); while (next() says something) ... }
//
// All PDUs of one receive are parsed from one pooled buffer. When a data segment has not arrived whole, next() asks for its destination
// and the rest is received straight into it, with whatever follows going into the buffer by the same call. An idle connection holds no
// buffer.
#pragma once

#include "core/buffer.hpp"
#include "iscsi/bhs.hpp"

namespace rootstock::iscsi {

enum class ReadError : std::uint8_t { header_digest, data_digest, data_segment_too_long };

/// A PDU. `ahs` and `data` point into the reader's buffer or into the destination; valid until the next rx_windows().
struct Pdu {
    BasicHeader header{};
    Bytes ahs;
    Bytes data;
    bool in_destination = false; // data lies where set_destination() said

    template <class Header> [[nodiscard]] Header as() const { return header_as<Header>(header); }
};

class PduReader {
  public:
    enum class Next : std::uint8_t { nothing, pdu, wants_destination, error };

    PduReader(BufferPool& pool, std::size_t buffer_size, std::uint32_t data_limit)
        : pool_(pool), buffer_size_(buffer_size), data_limit_(data_limit) {}

    /// After login: larger buffers and segments, and digests.
    void enter_full_feature(std::size_t buffer_size, std::uint32_t data_limit, bool header_digest, bool data_digest);

    /// Where to receive, in order; the second may be empty. Invalidates what pdu() showed.
    [[nodiscard]] std::array<MutableBytes, 2> rx_windows();
    void rx_commit(std::size_t count);

    /// The next thing in what was received. `pdu`: pdu() holds it. `wants_destination`: pdu() holds the header; call set_destination().
    [[nodiscard]] Next next();
    [[nodiscard]] const Pdu& pdu() const { return pdu_; }
    [[nodiscard]] ReadError error() const { return error_; }
    /// Memory for the whole data segment (data_segment_length bytes), valid until its PDU was shown.
    void set_destination(MutableBytes destination);

    /// Gives the buffer back when nothing is left in it. The next rx_windows() takes one again.
    void release_if_empty();

  private:
    enum class State : std::uint8_t { header, destination, data, trailer };

    [[nodiscard]] Bytes unread() const { return buffer_.bytes().subspan(begin_, end_ - begin_); }
    [[nodiscard]] Next parse_header();
    [[nodiscard]] Next parse_trailer();
    [[nodiscard]] Next fail(ReadError error);
    [[nodiscard]] std::size_t trailer_size(std::size_t data_length) const;
    [[nodiscard]] bool data_digest_matches(Bytes data, Bytes trailer) const;

    BufferPool& pool_;
    std::size_t buffer_size_;
    std::uint32_t data_limit_;
    bool header_digest_ = false;
    bool data_digest_ = false;

    PooledBuffer buffer_;
    std::size_t begin_ = 0; // of what was received and not yet parsed
    std::size_t end_ = 0;
    State state_ = State::header;
    Pdu pdu_;
    ByteVector ahs_; // kept while its data segment arrives
    MutableBytes destination_;
    std::size_t destination_filled_ = 0;
    ReadError error_{};
};

} // namespace rootstock::iscsi
