#include "tftp/transfer.hpp"

#include "tftp/limits.hpp"

#include <algorithm>

namespace rootstock::tftp {

Transfer::Transfer(TimePoint now, File file, Negotiated options)
    : file_(std::move(file)), block_size_(options.block_size), window_size_(options.window_size),
      option_ack_(encode_options(options.accepted)), state_(option_ack_.empty() ? State::sending : State::options),
      option_ack_due_(!option_ack_.empty()), last_block_(file_.bytes.size() / block_size_ + 1),
      fixed_timeout_(options.timeout.has_value()), timeout_(options.timeout ? Duration(*options.timeout) : Duration(retransmit_initial)),
      current_timeout_(timeout_) {
    start_timer(now);
}

void Transfer::handle_input(TimePoint now, Bytes packet) {
    const auto decoded = decode(packet);
    if (!decoded || is_over()) {
        return;
    }
    if (const auto* ack = std::get_if<Ack>(&*decoded)) {
        handle_ack(now, ack->block);
    } else if (const auto* error = std::get_if<PeerError>(&*decoded)) {
        statistics_.peer_error = error->message;
        statistics_.size_probe = state_ == State::options;
        state_ = State::aborted;
    }
}

std::optional<OutPacket> Transfer::poll_output() {
    if (is_over()) {
        return std::nullopt;
    }
    if (state_ == State::options) {
        if (!std::exchange(option_ack_due_, false)) {
            return std::nullopt;
        }
        return make_option_ack(option_ack_);
    }
    if (next_ > last_block_ || next_ > acknowledged_ + window_size_) {
        return std::nullopt;
    }
    const std::uint64_t block = next_++;
    highest_sent_ = std::max(highest_sent_, block);
    ++statistics_.blocks_sent;
    return make_data(static_cast<std::uint16_t>(block & 0xffff), block_bytes(block));
}

std::optional<TimePoint> Transfer::next_timeout() const { return is_over() ? std::nullopt : std::optional(deadline_); }

void Transfer::handle_timeout(TimePoint now) {
    if (is_over() || now < deadline_) {
        return;
    }
    if (++repetitions_ > retransmissions_limit) {
        state_ = State::timed_out;
        return;
    }
    ++statistics_.retransmissions;
    next_ = acknowledged_ + 1;
    option_ack_due_ = state_ == State::options;
    if (!fixed_timeout_) {
        current_timeout_ = std::min<Duration>(current_timeout_ * 2, retransmit_maximum);
    }
    start_timer(now);
}

/// The 16-bit number is taken as the nearest block at or above what is acknowledged already: a window is far smaller than 65536.
void Transfer::handle_ack(TimePoint now, std::uint16_t block) {
    if (state_ == State::options) {
        if (block == 0) {
            measure_round_trip(now);
            state_ = State::sending;
            start_timer(now);
        }
        return;
    }
    const auto ahead = static_cast<std::uint16_t>(block - (acknowledged_ & 0xffff));
    const std::uint64_t acknowledged = acknowledged_ + ahead;
    if (ahead == 0 || acknowledged > highest_sent_) {
        return;
    }
    if (acknowledged == highest_sent_) {
        measure_round_trip(now);
    }
    acknowledged_ = acknowledged;
    if (acknowledged_ == last_block_) {
        state_ = State::completed;
        return;
    }
    // In the middle of a window: what follows was lost on the way, so it is sent again (RFC 7440 section 4).
    if (next_ > acknowledged_ + 1) {
        ++statistics_.retransmissions;
    }
    next_ = acknowledged_ + 1;
    repetitions_ = 0;
    current_timeout_ = timeout_;
    start_timer(now);
}

/// RFC 6298 in short: smoothed, only of what was sent once, four times as time-out.
void Transfer::measure_round_trip(TimePoint now) {
    if (fixed_timeout_ || repetitions_ > 0) {
        return;
    }
    const Duration sample = now - sent_at_;
    round_trip_ = round_trip_ ? (*round_trip_ * 7 + sample) / 8 : sample;
    timeout_ = std::clamp<Duration>(*round_trip_ * 4, retransmit_minimum, retransmit_maximum);
    current_timeout_ = timeout_;
}

void Transfer::start_timer(TimePoint now) {
    sent_at_ = now;
    deadline_ = now + current_timeout_;
}

Bytes Transfer::block_bytes(std::uint64_t block) const {
    const std::uint64_t offset = (block - 1) * block_size_;
    const std::uint64_t size = std::min<std::uint64_t>(block_size_, file_.bytes.size() - offset);
    return file_.bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

} // namespace rootstock::tftp
