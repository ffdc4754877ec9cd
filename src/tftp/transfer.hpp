// Transfer: one read of one file, from the OACK or the first block to the last ACK. Sans I/O: packets and time in, packets out.
//
// Window and go-back by RFC 7440; block numbers roll over from 65535 to 0. Safe against the Sorcerer's Apprentice (RFC 1123 section
// 4.2.3.1): only an ACK that makes progress, or the timer, ever causes DATA. An ACK that was seen before causes nothing.
#pragma once

#include "core/clock.hpp"
#include "tftp/file_source.hpp"
#include "tftp/options.hpp"

namespace rootstock::tftp {

class Transfer {
  public:
    enum class State : std::uint8_t {
        options,   // OACK sent, ACK 0 awaited
        sending,
        completed, // the last block was acknowledged
        aborted,   // the client sent an ERROR; normal while in `options`: a size probe
        timed_out, // the client fell silent
    };
    struct Statistics {
        std::uint64_t blocks_sent = 0;
        std::uint64_t retransmissions = 0; // times that a window, or the OACK, was sent again
        std::string peer_error;            // of an aborted transfer
        bool size_probe = false;           // aborted at the OACK
    };

    /// `file.owner` is kept until the transfer dies.
    Transfer(TimePoint now, File file, Negotiated options);

    void handle_input(TimePoint now, Bytes packet);
    /// The next packet to send; its body stays valid as long as the transfer.
    [[nodiscard]] std::optional<OutPacket> poll_output();
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    void handle_timeout(TimePoint now);

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] bool is_over() const { return state_ != State::options && state_ != State::sending; }
    [[nodiscard]] const Statistics& statistics() const { return statistics_; }

  private:
    void handle_ack(TimePoint now, std::uint16_t block);
    void measure_round_trip(TimePoint now);
    void start_timer(TimePoint now);
    [[nodiscard]] Bytes block_bytes(std::uint64_t block) const;

    File file_;
    std::uint32_t block_size_;
    std::uint32_t window_size_;
    ByteVector option_ack_;
    State state_;
    bool option_ack_due_;
    // Block numbers count from 1 and do not wrap here; 0 is the OACK.
    std::uint64_t last_block_;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t next_ = 1;         // to be sent
    std::uint64_t highest_sent_ = 0; // an ACK above is a lie
    // Retransmission.
    bool fixed_timeout_;
    Duration timeout_;         // of the first try
    Duration current_timeout_; // doubled with each repetition
    TimePoint deadline_;
    TimePoint sent_at_;             // when the timer was started
    unsigned repetitions_ = 0;      // since the last progress
    std::optional<Duration> round_trip_; // smoothed
    Statistics statistics_;
};

} // namespace rootstock::tftp
