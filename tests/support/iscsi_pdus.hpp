// What an initiator sends and gets, PDU by PDU, for tests that play one.
#pragma once

#include "iscsi/pdu_writer.hpp"
#include "iscsi/target_provider.hpp"

#include <string>
#include <vector>

namespace rootstock::test {

inline const std::string initiator_name = "iqn.2026-01.test:initiator";
inline const std::string target_name = "iqn.2026-01.test.rootstock:disk0";

/// Text as it travels: "A=b\0C=d\0".
inline std::string key_text(std::initializer_list<std::string> pairs) {
    std::string text;
    for (const std::string& pair : pairs) {
        text += pair;
        text += '\0';
    }
    return text;
}

inline std::string named_text(std::initializer_list<std::string> more = {}) {
    return key_text({"InitiatorName=" + initiator_name, "TargetName=" + target_name, "SessionType=Normal"}) + key_text(more);
}

/// One PDU as it was sent, without digests.
struct SentPdu {
    iscsi::BasicHeader header{};
    ByteVector data;

    [[nodiscard]] iscsi::Opcode opcode() const { return header.opcode(); }
    [[nodiscard]] std::string text() const { return {data.begin(), data.end()}; }
    template <class Header> [[nodiscard]] Header as() const { return iscsi::header_as<Header>(header); }
};

/// A PDU on the wire. Fills DataSegmentLength; digests when asked for.
template <class Header> ByteVector wire(const Header& header, Bytes data = {}, bool header_digest = false, bool data_digest = false) {
    BufferPool pool;
    iscsi::PduWriter writer;
    writer.set_digests(header_digest, data_digest);
    writer.add(header, data);
    std::array<iovec, 16> pieces{};
    ByteVector bytes;
    const std::size_t count = writer.gather(pieces, writer.queued_bytes());
    for (std::size_t i = 0; i < count; ++i) {
        const auto* start = static_cast<const std::uint8_t*>(pieces[i].iov_base);
        bytes.insert(bytes.end(), start, start + pieces[i].iov_len);
    }
    return bytes;
}

inline iscsi::LoginRequestHeader login_header(iscsi::Stage current, iscsi::Stage next, bool transit = true) {
    auto header = iscsi::make_header<iscsi::LoginRequestHeader>(iscsi::Opcode::login_request);
    header.opcode_byte |= iscsi::immediate_bit;
    header.flags = static_cast<std::uint8_t>((transit ? 0x80U : 0U) | static_cast<unsigned>(current) << 2U | static_cast<unsigned>(next));
    header.isid = {0x80, 1, 2, 3, 4, 5};
    header.initiator_task_tag = 1;
    header.cmd_sn = 100;
    header.exp_stat_sn = 1;
    return header;
}

/// An immediate NOP-Out that wants its data back.
inline iscsi::NopOutHeader ping(std::uint32_t tag) {
    auto header = iscsi::make_header<iscsi::NopOutHeader>(iscsi::Opcode::nop_out);
    header.opcode_byte |= iscsi::immediate_bit;
    header.initiator_task_tag = tag;
    header.target_transfer_tag = iscsi::reserved_tag;
    return header;
}

/// The status of the one Login Response that was the answer.
inline iscsi::LoginStatus login_status(const std::vector<SentPdu>& answer) {
    RS_ASSERT(answer.size() == 1 && answer[0].opcode() == iscsi::Opcode::login_response);
    const auto header = answer[0].as<iscsi::LoginResponseHeader>();
    return static_cast<iscsi::LoginStatus>(header.status_class << 8U | header.status_detail);
}

/// The reason of the one Reject that was the answer; nothing: it was something else.
inline std::optional<iscsi::RejectReason> reject_reason(const std::vector<SentPdu>& answer) {
    if (answer.size() != 1 || answer[0].opcode() != iscsi::Opcode::reject) {
        return std::nullopt;
    }
    return static_cast<iscsi::RejectReason>(answer[0].as<iscsi::RejectHeader>().reason);
}

} // namespace rootstock::test
