#include "iscsi/login.hpp"

#include "core/text.hpp"
#include "iscsi/limits.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {

constexpr std::uint8_t csg_shift = 2;

Stage current_stage(std::uint8_t flags) { return static_cast<Stage>((flags >> csg_shift) & 3U); }
Stage next_stage(std::uint8_t flags) { return static_cast<Stage>(flags & 3U); }

std::uint8_t stage_flags(Stage current) { return static_cast<std::uint8_t>(static_cast<unsigned>(current) << csg_shift); }

std::string_view reason_of(NegotiationError error) {
    switch (error) {
    case NegotiationError::duplicate_key:
        return "a key was sent twice";
    case NegotiationError::not_at_this_stage:
        return "a key does not belong to this stage";
    case NegotiationError::target_only_key:
        return "a key that only targets may send";
    }
    return {};
}

std::string_view reason_of(ChapError error) {
    switch (error) {
    case ChapError::no_common_algorithm:
        return "CHAP: no common algorithm";
    case ChapError::missing_key:
        return "CHAP: a key is missing";
    case ChapError::malformed:
        return "CHAP: malformed or unexpected key";
    case ChapError::unknown_user:
        return "CHAP: unknown user";
    case ChapError::wrong_response:
        return "CHAP: wrong secret";
    case ChapError::reflected:
        return "CHAP: our own challenge came back";
    case ChapError::mutual_impossible:
        return "CHAP: no (or the same) secret to prove the target";
    }
    return {};
}

} // namespace

Login::Login(TargetProvider& provider, const SessionRegistry& registry, Random& random, const Portal& portal)
    : provider_(provider), registry_(registry), random_(random), portal_group_tag_(portal.group_tag) {
    request_.remote_address = portal.remote_address;
    request_.portal_address = portal.portal_address;
}

LoginReply Login::refuse(const Refusal& refusal) {
    LoginReply reply;
    reply.status = refusal.status;
    reply.reason = refusal.reason;
    reply.text = refusal.text;
    return reply;
}

LoginStep Login::handle(const LoginRequestHeader& header, Bytes data) {
    if (auto fine = check_header(header); !fine) {
        return refuse(fine.error());
    }
    if (auto fine = collect_text(data); !fine) {
        return refuse(fine.error());
    }
    if ((header.flags & continue_bit) != 0) {
        LoginReply reply; // an empty answer asks for the rest (section 6.2)
        reply.flags = stage_flags(stage_);
        return reply;
    }
    if (unsent_.empty()) { // else it fetches the rest of our answer
        if (auto fine = take_keys(); !fine) {
            return refuse(fine.error());
        }
    }
    return answer(header);
}

Login::Check Login::check_header(const LoginRequestHeader& header) {
    const Stage current = current_stage(header.flags);
    const bool transit = (header.flags & final_bit) != 0;
    if (header.version_min > 0) {
        return Refusal{LoginStatus::unsupported_version, "only version 0 is known"};
    }
    if (current != Stage::security && current != Stage::operational) {
        return Refusal{LoginStatus::initiator_error, "no such login stage"};
    }
    if (transit && ((header.flags & continue_bit) != 0 || next_stage(header.flags) <= current || (header.flags & 3U) == 2)) {
        return Refusal{LoginStatus::initiator_error, "impossible change of stage"};
    }
    if (++requests_ > limits::login_requests) {
        return Refusal{LoginStatus::initiator_error, "too many login requests"};
    }
    if (!std::exchange(begun_, true)) {
        first_ = header;
        stage_ = current;
        request_.isid = header.isid;
        return {};
    }
    if (header.isid != first_.isid || header.tsih != first_.tsih || header.connection_id != first_.connection_id ||
        header.initiator_task_tag != first_.initiator_task_tag) {
        return Refusal{LoginStatus::initiator_error, "ISID, TSIH, CID or task tag changed within the login"};
    }
    if (current != stage_) {
        return Refusal{LoginStatus::initiator_error, "not the stage that was agreed"};
    }
    return {};
}

Login::Check Login::collect_text(Bytes data) {
    if (!unsent_.empty() && !data.empty()) {
        return Refusal{LoginStatus::initiator_error, "text before our answer was whole"};
    }
    if (data.size() > limits::login_text - text_.size()) {
        return Refusal{LoginStatus::initiator_error, "the login text is too long"};
    }
    text_.append(as_text(data));
    return {};
}

Login::Check Login::take_keys() {
    const std::string text = std::exchange(text_, {});
    const auto pairs = parse_text(text);
    if (!pairs) {
        return Refusal{LoginStatus::initiator_error, "malformed key=value text"};
    }
    TextWriter answer;
    const std::uint8_t stage = stage_ == Stage::security ? key_stage::security : key_stage::operational;
    if (auto fine = take_names(*pairs, answer); !fine) {
        return fine;
    }
    for (const KeyValue& pair : *pairs) {
        if (auto fine = negotiation_.take(pair, stage, session_type_, answer); !fine) {
            return Refusal{LoginStatus::initiator_error, reason_of(fine.error())};
        }
    }
    if (stage_ == Stage::security) {
        if (auto fine = take_security(*pairs, answer); !fine) {
            return fine;
        }
    } else {
        negotiation_.declare_ours(answer);
    }
    unsent_ = answer.text();
    return {};
}

/// InitiatorName, SessionType and TargetName come with the first request (section 6.1.3): who it is decides everything else.
Login::Check Login::take_names(const std::vector<KeyValue>& pairs, TextWriter& answer) {
    if (std::exchange(named_, true)) {
        return {};
    }
    for (const KeyValue& pair : pairs) {
        if (auto fine = take_name(pair); !fine) {
            return fine;
        }
    }
    if (request_.initiator_name.empty()) {
        return Refusal{LoginStatus::missing_parameter, "no InitiatorName"};
    }
    if (session_type_ == SessionType::normal && request_.target_name.empty()) {
        return Refusal{LoginStatus::missing_parameter, "no TargetName"};
    }
    if (session_type_ == SessionType::discovery) {
        request_.target_name.clear();
    }
    if (auto fine = authorize(); !fine) {
        return fine;
    }
    if (session_type_ == SessionType::normal) { // section 13.9: in the first answer
        answer.add(rule_of(Key::target_portal_group_tag).name, portal_group_tag_);
    }
    return {};
}

Login::Check Login::take_name(const KeyValue& pair) {
    if (pair.key == rule_of(Key::initiator_name).name || pair.key == rule_of(Key::target_name).name) {
        const auto name = normalise_name(pair.value);
        if (!name) {
            return Refusal{LoginStatus::initiator_error, "not an iSCSI name"};
        }
        (pair.key == rule_of(Key::initiator_name).name ? request_.initiator_name : request_.target_name) = *name;
    } else if (pair.key == rule_of(Key::session_type).name) {
        if (pair.value != "Normal" && pair.value != "Discovery") {
            return Refusal{LoginStatus::session_type_not_supported, "no such session type"};
        }
        session_type_ = pair.value == "Normal" ? SessionType::normal : SessionType::discovery;
    }
    return {};
}

Login::Check Login::authorize() {
    if (first_.tsih != 0) {
        return Refusal{registry_.answer_for_tsih(first_.tsih, request_), "a session has one connection"};
    }
    auto allowed = provider_.authorize(request_);
    if (!allowed) {
        return Refusal{allowed.error(), "the target is not for this initiator"};
    }
    authentication_ = std::move(*allowed);
    if (!authentication_.moved_to.empty()) {
        TextWriter text;
        text.add(rule_of(Key::target_address).name, authentication_.moved_to); // section 13.8: without a portal group tag
        return Refusal{LoginStatus::moved_temporarily, authentication_.moved_to, text.text()};
    }
    if (authentication_.chap_required && stage_ != Stage::security) {
        return Refusal{LoginStatus::authentication_failure, "authentication is required"};
    }
    return {};
}

Login::Check Login::take_security(const std::vector<KeyValue>& pairs, TextWriter& answer) {
    ChapKeys keys;
    for (const KeyValue& pair : pairs) {
        if (pair.key == rule_of(Key::auth_method).name) {
            if (auto fine = choose_auth_method(pair.value, answer); !fine) {
                return fine;
            }
        }
        for (const auto& [key, value] : {std::pair{Key::chap_a, &keys.algorithms}, std::pair{Key::chap_n, &keys.name},
                                         std::pair{Key::chap_r, &keys.response}, std::pair{Key::chap_i, &keys.identifier},
                                         std::pair{Key::chap_c, &keys.challenge}}) {
            if (pair.key == rule_of(key).name) {
                *value = pair.value;
            }
        }
    }
    if (!chap_chosen_ && keys.any()) {
        return Refusal{LoginStatus::initiator_error, "CHAP keys without AuthMethod=CHAP"};
    }
    const auto secret_of = [this](std::string_view user) { return provider_.chap_secret(request_, user); };
    const Chap::Mutual mutual{authentication_.mutual_user, authentication_.mutual_secret};
    if (auto fine = chap_.take(keys, random_, secret_of, mutual, answer); !fine) {
        return Refusal{LoginStatus::authentication_failure, reason_of(fine.error())};
    }
    return {};
}

Login::Check Login::choose_auth_method(std::string_view offers, TextWriter& answer) {
    for (const std::string_view offer : split(offers, ',')) {
        const bool usable = authentication_.chap_required ? offer == "CHAP" : offer == "None";
        if (usable) {
            chap_chosen_ = authentication_.chap_required;
            answer.add(rule_of(Key::auth_method).name, offer);
            return {};
        }
    }
    return Refusal{LoginStatus::authentication_failure, "no authentication method in common"};
}

/// The answer, or its next part: the stage changes with the last one, when the request that fetches it wants that (sections 6.2, 11.13.2).
LoginStep Login::answer(const LoginRequestHeader& header) {
    LoginReply reply;
    reply.flags = stage_flags(stage_);
    reply.text = unsent_.substr(0, limits::login_data_segment);
    unsent_.erase(0, reply.text.size());
    if (!unsent_.empty()) {
        reply.flags |= continue_bit;
        return reply;
    }
    const bool transit = (header.flags & final_bit) != 0;
    if (!transit) {
        return reply;
    }
    if (stage_ == Stage::security && !security_satisfied()) {
        if (!chap_chosen_) {
            return refuse({LoginStatus::authentication_failure, "authentication is required"});
        }
        return reply; // CHAP has not ended: the initiator was too quick, T stays 0
    }
    stage_ = next_stage(header.flags);
    reply.flags = static_cast<std::uint8_t>(header.flags & (final_bit | 0x0fU));
    if (stage_ == Stage::full_feature) {
        last_reply_ = std::move(reply);
        return LoginAccepted{};
    }
    return reply;
}

LoginReply Login::finish(LoginStatus status, std::uint16_t tsih, std::string_view reason) {
    if (status != LoginStatus::success) {
        return refuse({status, reason});
    }
    last_reply_.tsih = tsih;
    return std::move(last_reply_);
}

} // namespace rootstock::iscsi
