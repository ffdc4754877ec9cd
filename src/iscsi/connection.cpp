#include "iscsi/connection.hpp"

#include <algorithm>

namespace rootstock::iscsi {

Connection::Connection(const Environment& environment, const Login::Portal& portal, TimePoint now)
    : pool_(environment.pool), limits_(environment.limits), portal_group_tag_(portal.group_tag),
      reader_(environment.pool, limits::receive_buffer_login, limits::login_data_segment),
      tasks_(environment.pool, writer_, session_), management_(tasks_, writer_, session_),
      text_(environment.provider, environment.portals, portal.group_tag),
      login_(std::make_unique<Login>(environment.provider, environment.registry, environment.random, portal)), started_(now),
      last_heard_(now) {}

bool Connection::wants_input() const {
    return (phase_ == Phase::login || phase_ == Phase::full_feature) && writer_.queued_bytes() < limits::output_bytes;
}

void Connection::rx_commit(TimePoint now, std::size_t count) {
    last_heard_ = now;
    ping_deadline_.reset(); // any sign of life will do
    reader_.rx_commit(count);
    advance();
}

void Connection::input_ended(std::string_view reason) { abandon(reason); }

void Connection::sent(TimePoint now, std::size_t count) {
    last_heard_ = now; // the peer takes what we send
    if (ping_deadline_) { // the ping may have stood behind much else
        ping_deadline_ = now + ping_answer_time();
    }
    writer_.sent(count);
    if (phase_ == Phase::flushing && writer_.empty()) {
        phase_ = Phase::over;
        return;
    }
    advance();
}

/// Handles what was received as far as the output has room, then lets the reads go on.
void Connection::advance() {
    while (wants_input() && parse_one()) {
    }
    if (phase_ == Phase::full_feature) {
        tasks_.produce();
        management_.answer_finished();
    }
    reader_.release_if_empty();
}

bool Connection::parse_one() {
    switch (reader_.next()) {
    case PduReader::Next::nothing:
        return false;
    case PduReader::Next::wants_destination:
        choose_destination();
        return true;
    case PduReader::Next::pdu:
        handle_pdu(reader_.pdu());
        return true;
    case PduReader::Next::error:
        read_failed();
        return false;
    }
    return false;
}

/// Data-Out goes straight into its burst; the data of a command into a buffer that its task may take over.
void Connection::choose_destination() {
    const BasicHeader& header = reader_.pdu().header;
    const std::size_t length = header.data_segment_length;
    if (phase_ == Phase::full_feature && header.opcode() == Opcode::data_out) {
        if (const MutableBytes burst = tasks_.destination_of(header); !burst.empty()) {
            return reader_.set_destination(burst);
        }
    }
    const bool command = phase_ == Phase::full_feature && header.opcode() == Opcode::scsi_command;
    segment_ = pool_.acquire(command ? tasks_.segment_size(header) : length);
    reader_.set_destination(segment_.bytes().first(length));
}

void Connection::handle_pdu(const Pdu& pdu) {
    if (phase_ == Phase::login) {
        handle_login(pdu);
    } else {
        handle_request(pdu);
    }
    if (pdu.in_destination) {
        tasks_.destination_done();
        segment_.release();
    }
}

/// A corrupt PDU ends the connection: at ErrorRecoveryLevel 0 the session is recovered as a whole (RFC 7143 section 7.1.5).
void Connection::read_failed() {
    switch (reader_.error()) {
    case ReadError::header_digest:
        return abandon("header digest error");
    case ReadError::data_digest:
        reject(reader_.pdu(), RejectReason::data_digest_error);
        return finish("data digest error");
    case ReadError::data_segment_too_long:
        if (phase_ == Phase::full_feature) {
            reject(reader_.pdu(), RejectReason::protocol_error);
        }
        return finish("a data segment is longer than MaxRecvDataSegmentLength");
    }
}

IoJob* Connection::poll_job() {
    IoJob* const job = tasks_.poll_job();
    return job != nullptr ? job : management_.poll_job();
}

void Connection::job_finished(IoJob& job) {
    if (job.task == nullptr) {
        management_.finished(job);
    } else {
        tasks_.finished(job);
    }
    if (phase_ == Phase::full_feature) {
        advance();
    }
}

/// No more input; what is queued still goes out.
void Connection::finish(std::string_view reason) {
    if (phase_ == Phase::flushing || phase_ == Phase::over) {
        return;
    }
    event_ = ConnectionEvent{ConnectionEvent::Kind::ended, LoginStatus::success, reason};
    tasks_.abort_all();
    end_deadline_ = last_heard_ + limits_.logout_time;
    phase_ = writer_.empty() ? Phase::over : Phase::flushing;
}

/// At once.
void Connection::abandon(std::string_view reason) {
    finish(reason);
    phase_ = Phase::over;
}

void Connection::end(TimePoint now, EndReason reason) {
    constexpr std::uint8_t logout_request = 1;
    constexpr std::uint8_t drops_connections = 3;
    last_heard_ = now;
    if (phase_ != Phase::full_feature) {
        return abandon("ended before it began");
    }
    switch (reason) {
    case EndReason::replaced_by_newer:
        return abandon("replaced by a newer session of the same initiator");
    case EndReason::fenced:
        send_async(drops_connections, 0);
        return finish("fenced");
    case EndReason::target_removed:
    case EndReason::shutdown:
        if (!end_deadline_) {
            send_async(logout_request, static_cast<std::uint16_t>(limits_.logout_time.count()));
            end_deadline_ = now + limits_.logout_time;
        }
    }
}

void Connection::release_session() {
    session_.lease.reset();
    session_.units.clear();
}

std::optional<TimePoint> Connection::next_timeout() const {
    switch (phase_) {
    case Phase::login:
    case Phase::opening:
        return started_ + limits_.login_time;
    case Phase::full_feature: {
        const TimePoint ping = ping_deadline_ ? *ping_deadline_ : last_heard_ + limits_.idle_before_ping;
        return end_deadline_ ? std::min(ping, *end_deadline_) : ping;
    }
    case Phase::flushing:
        return end_deadline_;
    case Phase::over:
        return std::nullopt;
    }
    return std::nullopt;
}

void Connection::handle_timeout(TimePoint now) {
    if (const auto due = next_timeout(); !due || now < *due) {
        return;
    }
    if (phase_ == Phase::login || phase_ == Phase::opening) {
        return abandon("the login took too long");
    }
    if (end_deadline_ && now >= *end_deadline_) {
        return abandon("no logout came");
    }
    if (ping_deadline_) {
        return abandon("no answer to NOP-In");
    }
    forget_spares();
    send_ping();
    ping_deadline_ = now + ping_answer_time();
}

/// An idle session gives back what it had grown to: there may be thousands of them.
void Connection::forget_spares() {
    tasks_.forget_spares();
    writer_.forget_spares();
    held_.shrink_to_fit();
}

std::chrono::seconds Connection::ping_answer_time() const {
    return is_ipxe(session_.request.isid) ? limits_.ping_answer_time_of_ipxe : limits_.ping_answer_time;
}

} // namespace rootstock::iscsi
