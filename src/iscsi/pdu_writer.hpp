// PduWriter: the transmit queue of a connection. PDUs are queued as headers (in one reused arena) and pieces of data (borrowed from a
// mapping, from pooled buffers, or copied when small); gather() gives them as iovecs for one sendmsg (RFC 7143 section 11.2).
// One owner, one shard; allocates nothing once its vectors have grown to what the connection needs.
#pragma once

#include "core/buffer.hpp"
#include "iscsi/bhs.hpp"

#include <sys/uio.h>

#include <span>

namespace rootstock::iscsi {

class PduWriter {
  public:
    void set_digests(bool header_digest, bool data_digest);

    /// Queues a PDU without data.
    template <class Header> void add(const Header& header) {
        begin(header, 0);
        end();
    }
    /// Queues a PDU with a small data segment, which is copied.
    template <class Header> void add(const Header& header, Bytes data) {
        begin(header, data.size());
        append_copy(data);
        end();
    }

    /// A PDU with `data_length` bytes of data, given by the append calls that follow; end() adds padding and digest.
    template <class Header> void begin(const Header& header, std::size_t data_length) {
        begin_pdu(header_as_basic(header), data_length);
    }
    /// Bytes that stay where they are until they were sent (a mapping, a buffer given to keep()).
    void append(Bytes bytes);
    void append_copy(Bytes bytes);
    void append_zeros(std::size_t count);
    void end();
    /// `buffer` lives until everything that was queued before this call has been sent.
    void keep(PooledBuffer buffer);

    [[nodiscard]] std::size_t queued_bytes() const { return static_cast<std::size_t>(queued_ - sent_); }
    [[nodiscard]] bool empty() const { return queued_ == sent_; }

    /// Fills `out` with what is to be sent next, at most `max_bytes`; returns how many entries. Valid until the next append.
    [[nodiscard]] std::size_t gather(std::span<iovec> out, std::size_t max_bytes) const;
    /// `count` bytes of that have been sent.
    void sent(std::size_t count);
    /// Gives up memory when nothing is queued.
    void forget_spares();

  private:
    struct Piece {
        const std::uint8_t* borrowed; // null: in the arena
        std::uint64_t arena_position; // counts all bytes that ever were in the arena
        std::size_t size;
    };
    struct Kept {
        std::uint64_t until; // value of sent_ that sets it free
        PooledBuffer buffer;
    };

    template <class Header> [[nodiscard]] static BasicHeader header_as_basic(const Header& header) {
        return from_bytes<BasicHeader>(object_bytes(header));
    }
    void begin_pdu(BasicHeader header, std::size_t data_length);
    void push_arena(Bytes bytes);
    void push(Piece piece);
    [[nodiscard]] const std::uint8_t* start_of(const Piece& piece) const;
    void forget_sent();

    bool header_digest_ = false;
    bool data_digest_ = false;
    std::size_t data_left_ = 0; // of the PDU being queued
    std::size_t padding_ = 0;
    bool has_data_ = false;
    std::uint32_t data_crc_ = 0;

    std::vector<Piece> pieces_;
    std::size_t first_piece_ = 0;
    std::size_t first_offset_ = 0; // bytes of the first piece that were sent
    ByteVector arena_;
    std::uint64_t arena_base_ = 0; // position of arena_[0]
    std::vector<Kept> kept_;
    std::size_t first_kept_ = 0;
    std::uint64_t queued_ = 0; // bytes ever queued and ever sent
    std::uint64_t sent_ = 0;
};

} // namespace rootstock::iscsi
