// The login phase of Connection.
#include "iscsi/connection.hpp"

namespace rootstock::iscsi {

void Connection::handle_login(const Pdu& pdu) {
    if (pdu.header.opcode() != Opcode::login_request) {
        if (!login_begun_) {
            return abandon("the first PDU is no Login Request"); // not iSCSI at all: say nothing
        }
        LoginReply reply;
        reply.status = LoginStatus::invalid_during_login;
        reply.reason = "another PDU during login";
        return send_login_reply(reply);
    }
    login_header_ = pdu.as<LoginRequestHeader>();
    if (!std::exchange(login_begun_, true)) {
        session_.stat_sn = login_header_.exp_stat_sn;
        session_.window.start(login_header_.cmd_sn);
    }
    const LoginStep step = login_->handle(login_header_, pdu.data);
    if (const auto* reply = std::get_if<LoginReply>(&step)) {
        return send_login_reply(*reply);
    }
    phase_ = Phase::opening;
    open_wanted_ = true;
}

void Connection::send_login_reply(const LoginReply& reply) {
    auto header = make_header<LoginResponseHeader>(Opcode::login_response);
    header.flags = reply.flags;
    header.isid = login_header_.isid;
    header.tsih = reply.tsih != 0 ? reply.tsih : login_header_.tsih.value(); // section 11.13.3: the initiator's until the final response
    header.initiator_task_tag = login_header_.initiator_task_tag;
    header.status_class = static_cast<std::uint8_t>(static_cast<unsigned>(reply.status) >> 8U);
    header.status_detail = static_cast<std::uint8_t>(reply.status);
    number(header, true);
    writer_.add(header, as_bytes(reply.text));
    if (reply.status != LoginStatus::success) {
        using Kind = ConnectionEvent::Kind;
        finish(reply.reason);
        event_ = ConnectionEvent{reply.status == LoginStatus::moved_temporarily ? Kind::login_redirected : Kind::login_refused,
                                 reply.status, reply.reason};
    }
}

std::optional<OpenRequest> Connection::poll_open() {
    if (!std::exchange(open_wanted_, false)) {
        return std::nullopt;
    }
    return OpenRequest{login_->request(), login_->chap_user(), login_->session_type()};
}

void Connection::opened(TimePoint now, Result<Target, LoginStatus> target, SessionRegistry::Admission admission,
                        std::shared_ptr<SessionCounters> counters) {
    if (phase_ != Phase::opening) {
        return; // gone meanwhile; the target dies here
    }
    phase_ = Phase::login;
    if (!target) {
        return send_login_reply(login_->finish(target.error(), 0, admission.tsih == 0 ? "no TSIH is free: too many sessions" : "the target could not be opened"));
    }
    session_.type = login_->session_type();
    session_.id = admission.id;
    session_.tsih = admission.tsih;
    session_.request = login_->request();
    session_.parameters = login_->negotiation().parameters();
    session_.counters = std::move(counters);
    attach_units(session_, std::move(*target), portal_group_tag_);
    send_login_reply(login_->finish(LoginStatus::success, admission.tsih, {}));
    last_heard_ = now;
    enter_full_feature();
}

void Connection::enter_full_feature() {
    const Parameters& agreed = session_.parameters;
    phase_ = Phase::full_feature;
    writer_.set_digests(agreed.header_digest, agreed.data_digest); // from the next PDU on (RFC 7143 section 6.3)
    reader_.enter_full_feature(limits::receive_buffer, limits::max_recv_data_segment_length, agreed.header_digest, agreed.data_digest);
    event_ = ConnectionEvent{ConnectionEvent::Kind::session_started, LoginStatus::success, {}};
    advance();
}

} // namespace rootstock::iscsi
