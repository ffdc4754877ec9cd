#include "iscsi/discovery.hpp"

#include "iscsi/limits.hpp"

#include <algorithm>

namespace rootstock::iscsi {

std::optional<std::string> send_targets(std::string_view value, SessionType type, const LoginRequest& request,
                                        TargetProvider& provider, const std::vector<std::string>& portals,
                                        std::uint16_t group_tag) {
    if (value == "All" && type != SessionType::discovery) {
        return std::nullopt;
    }
    if (value.empty() && type == SessionType::discovery) {
        return std::nullopt;
    }
    const std::string wanted = value == "All" ? std::string() : value.empty() ? request.target_name : std::string(value);
    TextWriter text;
    for (const DiscoveredTarget& target : provider.discover(request)) {
        if (!wanted.empty() && target.name != wanted) {
            continue;
        }
        text.add(rule_of(Key::target_name).name, target.name);
        for (const std::string& portal : portals) {
            const bool has_tag = portal.find(',') != std::string::npos;
            text.add(rule_of(Key::target_address).name, has_tag ? portal : portal + "," + std::to_string(group_tag));
        }
    }
    return text.text();
}

Result<void, RejectReason>
TextExchange::request(const Pdu& pdu, Session& session, Negotiation& negotiation, PduWriter& writer) {
    const auto header = pdu.as<TextRequestHeader>();
    const bool continues = (header.flags & continue_bit) != 0;
    if (header.target_transfer_tag == reserved_tag) { // a new exchange ends an old one (section 11.10.4)
        incoming_.clear();
        outgoing_.clear();
        answering_ = false;
        transfer_tag_ = reserved_tag;
        negotiation.begin_text_exchange();
    } else if (header.target_transfer_tag != transfer_tag_) {
        return RejectReason::protocol_error;
    }
    if ((continues && pdu.header.final()) || (answering_ && !pdu.data.empty()) ||
        pdu.data.size() > limits::login_text - incoming_.size()) {
        return RejectReason::protocol_error;
    }
    incoming_.append(as_text(pdu.data));
    if (!continues && !answering_) {
        if (auto answered = answer_request(session, negotiation); !answered) {
            return answered;
        }
        answering_ = true;
    }
    send_part(header, session, writer);
    return {};
}

Result<void, RejectReason> TextExchange::answer_request(Session& session, Negotiation& negotiation) {
    const auto pairs = parse_text(incoming_);
    if (!pairs) {
        return RejectReason::protocol_error;
    }
    TextWriter answer;
    std::string targets;
    for (const KeyValue& pair : *pairs) {
        if (auto taken = negotiation.take(pair, key_stage::full_feature, session.type, answer); !taken) {
            return RejectReason::protocol_error;
        }
        if (pair.key != rule_of(Key::send_targets).name) {
            continue;
        }
        const auto found = send_targets(pair.value, session.type, session.request, provider_, portals_, group_tag_);
        if (found) {
            targets += *found;
        } else {
            answer.add(pair.key, "Reject");
        }
    }
    session.parameters.initiator_max_recv_data_segment_length =
        negotiation.parameters().initiator_max_recv_data_segment_length;
    outgoing_ = answer.text() + targets;
    incoming_.clear();
    return {};
}

void TextExchange::send_part(const TextRequestHeader& request, Session& session, PduWriter& writer) {
    auto header = make_header<TextResponseHeader>(Opcode::text_response);
    const std::size_t count =
        std::min<std::size_t>(outgoing_.size(), session.parameters.initiator_max_recv_data_segment_length);
    const bool more = count < outgoing_.size();
    const bool ends = answering_ && !more && (request.flags & final_bit) != 0;
    header.flags = static_cast<std::uint8_t>((ends ? final_bit : 0U) | (more ? continue_bit : 0U));
    transfer_tag_ = ends ? reserved_tag : ++last_tag_;
    header.lun = request.lun;
    header.initiator_task_tag = request.initiator_task_tag;
    header.target_transfer_tag = transfer_tag_;
    session.number(header, true);
    writer.add(header, as_bytes(outgoing_).first(count));
    outgoing_.erase(0, count);
    if (outgoing_.empty() && answering_) {
        answering_ = false;
    }
}

} // namespace rootstock::iscsi
