// The login phase of one connection: stages, security, negotiation, and which status refuses what (RFC 7143 sections 6 and 11.13).
// A machine without I/O: handle() takes one Login Request and says what to answer; the last step needs the target to be opened, and
// finish() gives the answer to that. One owner; asks the provider only what does not block.
#pragma once

#include "iscsi/bhs.hpp"
#include "iscsi/chap.hpp"
#include "iscsi/negotiation.hpp"
#include "iscsi/session_registry.hpp"
#include "iscsi/target_provider.hpp"

#include <variant>

namespace rootstock::iscsi {

/// One Login Response but for its numbers. A status other than success ends the connection.
struct LoginReply {
    LoginStatus status = LoginStatus::success;
    std::uint8_t flags = 0;
    std::uint16_t tsih = 0;
    std::string text;
    std::string_view reason = {}; // for the event, when refused; moved_temporarily: the address
};

/// The initiator may enter full feature phase once its target is open: call finish() then.
struct LoginAccepted {};

using LoginStep = std::variant<LoginReply, LoginAccepted>;

class Login {
  public:
    struct Portal {
        std::string remote_address;
        std::string portal_address;
        std::uint16_t group_tag = 1;
    };

    Login(TargetProvider& provider, const SessionRegistry& registry, Random& random, const Portal& portal);

    [[nodiscard]] LoginStep handle(const LoginRequestHeader& header, Bytes data);
    /// The answer to the last request, after LoginAccepted. `tsih`: of the new session; `reason`: of a refusal, a literal.
    [[nodiscard]] LoginReply finish(LoginStatus status, std::uint16_t tsih, std::string_view reason);

    [[nodiscard]] const LoginRequest& request() const { return request_; }
    [[nodiscard]] const std::string& chap_user() const { return chap_.user(); }
    [[nodiscard]] SessionType session_type() const { return session_type_; }
    [[nodiscard]] Negotiation& negotiation() { return negotiation_; }

  private:
    struct Refusal {
        LoginStatus status;
        std::string_view reason;
        std::string text = {}; // of the answer
    };
    using Check = Result<void, Refusal>;

    [[nodiscard]] Check check_header(const LoginRequestHeader& header);
    [[nodiscard]] Check collect_text(Bytes data);
    [[nodiscard]] Check take_keys();
    [[nodiscard]] Check take_names(const std::vector<KeyValue>& pairs, TextWriter& answer);
    [[nodiscard]] Check take_name(const KeyValue& pair);
    [[nodiscard]] Check take_security(const std::vector<KeyValue>& pairs, TextWriter& answer);
    [[nodiscard]] Check choose_auth_method(std::string_view offers, TextWriter& answer);
    [[nodiscard]] Check authorize();
    [[nodiscard]] bool security_satisfied() const { return !chap_chosen_ ? !authentication_.chap_required : chap_.done(); }
    [[nodiscard]] LoginStep answer(const LoginRequestHeader& header);
    [[nodiscard]] static LoginReply refuse(const Refusal& refusal);

    TargetProvider& provider_;
    const SessionRegistry& registry_;
    Random& random_;
    std::uint16_t portal_group_tag_;

    bool begun_ = false;
    bool named_ = false; // the first request's names are known and authorised
    unsigned requests_ = 0;
    Stage stage_ = Stage::security;
    LoginRequestHeader first_{};
    std::string text_;   // of the requests so far that had the C bit
    std::string unsent_; // of the answer; bounded by keys_per_request
    LoginRequest request_;
    SessionType session_type_ = SessionType::normal;
    Authentication authentication_;
    bool chap_chosen_ = false;
    Chap chap_;
    Negotiation negotiation_;
    LoginReply last_reply_; // held while the target is opened
};

} // namespace rootstock::iscsi
