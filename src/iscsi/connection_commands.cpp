// Full feature phase of Connection: the order of commands, NOP, Logout, Reject, Async Message.
#include "iscsi/connection.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {

/// Where CmdSN lies in every request that has one.
std::uint32_t cmd_sn_of(const BasicHeader& header) { return header_as<NopOutHeader>(header).cmd_sn; }

bool carries_cmd_sn(Opcode opcode) {
    switch (opcode) {
    case Opcode::nop_out:
    case Opcode::scsi_command:
    case Opcode::task_management_request:
    case Opcode::text_request:
    case Opcode::logout_request:
        return true;
    default: // any byte may come from the wire
        return false;
    }
}

constexpr std::uint32_t ping_tag = 1;

} // namespace

void Connection::handle_request(const Pdu& pdu) {
    if (take_turn(pdu)) {
        dispatch(pdu);
        replay_held();
    }
}

/// Whether `pdu` is to be handled now. Outside of the window it is ignored, before its turn it is kept (RFC 7143 section 4.2.2.1).
bool Connection::take_turn(const Pdu& pdu) {
    if (pdu.header.immediate() || !carries_cmd_sn(pdu.header.opcode())) {
        return true;
    }
    const std::uint32_t cmd_sn = cmd_sn_of(pdu.header);
    switch (session_.window.place_of(cmd_sn)) {
    case CommandWindow::Place::expected:
        session_.window.advance();
        return true;
    case CommandWindow::Place::early:
        hold(pdu, cmd_sn);
        return false;
    case CommandWindow::Place::outside:
        return false;
    }
    return false;
}

void Connection::hold(const Pdu& pdu, std::uint32_t cmd_sn) {
    const bool twice = std::any_of(held_.begin(), held_.end(), [&](const HeldPdu& held) { return held.cmd_sn == cmd_sn; });
    if (!twice && pdu.data.size() <= limits::first_burst_length) { // at most one for each place in the window
        held_.push_back({pdu.header, {pdu.ahs.begin(), pdu.ahs.end()}, {pdu.data.begin(), pdu.data.end()}, cmd_sn});
    }
}

/// The command with this number was aborted before its turn: nothing takes its place, and what follows it may go on.
void Connection::count_as_received(std::uint32_t cmd_sn) {
    std::erase_if(held_, [&](const HeldPdu& held) { return held.cmd_sn == cmd_sn; });
    Pdu nothing;
    auto header = make_header<NopOutHeader>(Opcode::nop_out);
    header.initiator_task_tag = reserved_tag; // no answer is wanted
    nothing.header = from_bytes<BasicHeader>(object_bytes(header));
    hold(nothing, cmd_sn);
}

void Connection::replay_held() {
    while (!held_.empty() && phase_ == Phase::full_feature) {
        const auto next = std::find_if(held_.begin(), held_.end(),
                                       [&](const HeldPdu& held) { return held.cmd_sn == session_.window.exp_cmd_sn(); });
        if (next == held_.end()) {
            return;
        }
        const HeldPdu held = std::move(*next);
        held_.erase(next);
        session_.window.advance();
        Pdu pdu;
        pdu.header = held.header;
        pdu.ahs = held.ahs;
        pdu.data = held.data;
        dispatch(pdu);
    }
}

void Connection::dispatch(const Pdu& pdu) {
    if (auto taken = take_request(pdu); !taken) {
        reject(pdu, taken.error());
    }
}

Connection::Taken Connection::take_request(const Pdu& pdu) {
    const bool discovery = session_.type == SessionType::discovery;
    switch (pdu.header.opcode()) {
    case Opcode::scsi_command:
        if (discovery) {
            return RejectReason::protocol_error;
        }
        return tasks_.scsi_command(pdu, pdu.in_destination ? std::move(segment_) : PooledBuffer{});
    case Opcode::data_out:
        return tasks_.data_out(pdu);
    case Opcode::task_management_request:
        if (discovery) {
            return RejectReason::protocol_error;
        }
        return task_management(pdu);
    case Opcode::nop_out:
        return nop_out(pdu);
    case Opcode::text_request:
        return text_.request(pdu, session_, login_->negotiation(), writer_);
    case Opcode::logout_request:
        return logout(pdu);
    case Opcode::snack_request: // ErrorRecoveryLevel 0 (section 11.16)
        return RejectReason::snack_reject;
    case Opcode::login_request:
        reject(pdu, RejectReason::protocol_error);
        finish("Login Request in full feature phase");
        return {};
    default: // a target's opcode, or none at all
        return RejectReason::command_not_supported;
    }
}

Connection::Taken Connection::task_management(const Pdu& pdu) {
    management_.request(pdu);
    if (const auto cmd_sn = management_.take_aborted_cmd_sn()) {
        count_as_received(*cmd_sn);
    }
    return {};
}

Connection::Taken Connection::nop_out(const Pdu& pdu) {
    const auto request = pdu.as<NopOutHeader>();
    if (request.initiator_task_tag == reserved_tag) {
        return {}; // the answer to our ping, or none wanted
    }
    auto header = make_header<NopInHeader>(Opcode::nop_in);
    header.initiator_task_tag = request.initiator_task_tag;
    header.target_transfer_tag = reserved_tag; // and so there is no LUN (section 11.19)
    number(header, true);
    const std::size_t limit =
        std::min(limits::ping_data, session_.parameters.initiator_max_recv_data_segment_length);
    writer_.add(header, pdu.data.first(std::min(pdu.data.size(), limit)));
    return {};
}

void Connection::send_ping() {
    auto header = make_header<NopInHeader>(Opcode::nop_in);
    header.initiator_task_tag = reserved_tag;
    header.target_transfer_tag = ping_tag;
    number(header, false);
    header.stat_sn = session_.stat_sn;
    writer_.add(header);
}

Connection::Taken Connection::logout(const Pdu& pdu) {
    enum Reason : std::uint8_t { close_session = 0, close_connection = 1, remove_for_recovery = 2 };
    enum Answer : std::uint8_t { closed = 0, no_such_connection = 1, no_recovery = 2 };
    const auto request = pdu.as<LogoutRequestHeader>();
    const std::uint8_t reason = request.flags & LogoutRequestHeader::reason_mask;
    if (reason > remove_for_recovery) {
        return RejectReason::invalid_pdu_field;
    }
    const bool other = reason != close_session && request.connection_id != login_header_.connection_id;
    auto header = make_header<LogoutResponseHeader>(Opcode::logout_response);
    header.response = reason == remove_for_recovery ? no_recovery : other ? no_such_connection : closed;
    header.initiator_task_tag = request.initiator_task_tag;
    header.time2wait = static_cast<std::uint16_t>(session_.parameters.default_time2wait);
    header.time2retain = static_cast<std::uint16_t>(session_.parameters.default_time2retain);
    const bool closes = header.response == closed;
    if (closes) {
        tasks_.abort_all();
    }
    number(header, true);
    writer_.add(header);
    if (closes) {
        finish("logout");
    }
    return {};
}

void Connection::send_async(std::uint8_t event, std::uint16_t parameter3) {
    auto header = make_header<AsyncMessageHeader>(Opcode::async_message);
    header.all_ones = reserved_tag;
    header.async_event = event;
    header.parameter3 = parameter3;
    number(header, true);
    writer_.add(header);
}

void Connection::reject(const Pdu& pdu, RejectReason reason) {
    auto header = make_header<RejectHeader>(Opcode::reject);
    header.reason = static_cast<std::uint8_t>(reason);
    header.all_ones = reserved_tag;
    number(header, true);
    writer_.add(header, object_bytes(pdu.header));
    rejected_ = Rejected{reason, pdu.header.opcode()};
}

} // namespace rootstock::iscsi
