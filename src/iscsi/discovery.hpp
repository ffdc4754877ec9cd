// Text requests in full feature phase: SendTargets and the few keys that may change then (RFC 7143 sections 11.10, 11.11 and appendix C).
// Long answers leave in parts of the initiator's MaxRecvDataSegmentLength with the C bit.
#pragma once

#include "iscsi/pdu_reader.hpp"
#include "iscsi/pdu_writer.hpp"
#include "iscsi/session.hpp"
#include "iscsi/target_provider.hpp"

namespace rootstock::iscsi {

/// What one "SendTargets=`value`" yields: TargetName and TargetAddress lines. `portals`: "10.20.0.1:3260" in the group `group_tag`, or
/// "10.20.0.2:3260,2" in a group of its own. Nothing: the value is not allowed here.
[[nodiscard]] std::optional<std::string> send_targets(std::string_view value, SessionType type, const LoginRequest& request,
                                                      TargetProvider& provider, const std::vector<std::string>& portals,
                                                      std::uint16_t group_tag);

/// One text exchange at a time.
class TextExchange {
  public:
    TextExchange(TargetProvider& provider, const std::vector<std::string>& portals, std::uint16_t group_tag)
        : provider_(provider), portals_(portals), group_tag_(group_tag) {}

    [[nodiscard]] Result<void, RejectReason>
    request(const Pdu& pdu, Session& session, Negotiation& negotiation, PduWriter& writer);

  private:
    [[nodiscard]] Result<void, RejectReason> answer_request(Session& session, Negotiation& negotiation);
    void send_part(const TextRequestHeader& header, Session& session, PduWriter& writer);

    TargetProvider& provider_;
    const std::vector<std::string>& portals_;
    std::uint16_t group_tag_;
    std::uint32_t transfer_tag_ = reserved_tag; // of an exchange under way
    std::uint32_t last_tag_ = 0;
    std::string incoming_;
    std::string outgoing_;
    bool answering_ = false;
};

} // namespace rootstock::iscsi
