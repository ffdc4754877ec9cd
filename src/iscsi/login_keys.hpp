// The text keys as a table (RFC 7143 sections 12 and 13): kind, range, our side of the negotiation, where a key may be used, for which
// sessions. negotiation.cpp and the tests walk it; no key has a rule of its own elsewhere.
#pragma once

#include "iscsi/limits.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace rootstock::iscsi {

/// What a session agreed on. The initial values are the RFC's defaults.
struct Parameters {
    bool header_digest = false;
    bool data_digest = false;
    bool initial_r2t = true;
    bool immediate_data = true;
    bool data_pdu_in_order = true;
    bool data_sequence_in_order = true;
    std::uint32_t max_connections = 1;
    std::uint32_t max_burst_length = 262144;
    std::uint32_t first_burst_length = 65536;
    std::uint32_t default_time2wait = 2;
    std::uint32_t default_time2retain = 20;
    std::uint32_t max_outstanding_r2t = 1;
    std::uint32_t error_recovery_level = 0;
    std::uint32_t protocol_level = 1;
    std::uint32_t initiator_max_recv_data_segment_length = 8192; // what we may send
};

enum class Key : std::uint8_t {
    initiator_name, initiator_alias, target_name, session_type, target_alias, target_address, target_portal_group_tag, send_targets,
    auth_method, chap_a, chap_i, chap_c, chap_n, chap_r,
    header_digest, data_digest, max_connections, initial_r2t, immediate_data, max_recv_data_segment_length, max_burst_length,
    first_burst_length, default_time2wait, default_time2retain, max_outstanding_r2t, data_pdu_in_order, data_sequence_in_order,
    error_recovery_level, protocol_level, task_reporting, if_marker, of_marker, if_mark_int, of_mark_int,
};

enum class KeyKind : std::uint8_t {
    declared,        // the initiator says it, no answer: names, aliases, the type of the session
    target_declares, // an initiator that sends it breaks the rules
    security,        // AuthMethod and CHAP: login and chap answer
    send_targets,    // discovery answers
    digest_list,     // the first one offered that we know
    boolean_or,      // Yes if either side says Yes
    boolean_and,     // Yes only if both sides say Yes
    minimum,         // the smaller number
    maximum,         // the larger number
    own_number,      // each side declares its own
    fixed_choice,    // we know one value of a list
    obsolete,        // section 13.25 and 13.26: markers are gone
};

/// Where a key may come from an initiator.
namespace key_stage {
inline constexpr std::uint8_t security = 1, operational = 2, full_feature = 4;
inline constexpr std::uint8_t login = security | operational, all = login | full_feature;
} // namespace key_stage

enum class KeyScope : std::uint8_t { any_session, normal_session }; // normal_session: "Irrelevant" in a discovery session

struct KeyRule {
    Key key;
    std::string_view name;
    KeyKind kind;
    std::uint8_t stages;
    KeyScope scope = KeyScope::any_session;
    std::uint32_t lowest = 0; // numbers: legal range
    std::uint32_t highest = 0;
    std::uint32_t ours = 0;   // numbers and booleans: what we would like
    std::uint32_t Parameters::*number = nullptr;
    bool Parameters::*flag = nullptr;
    std::string_view choice = {}; // fixed_choice, obsolete: our answer
};

inline constexpr std::uint32_t largest_24_bit = 0xffffff;

inline constexpr std::array<KeyRule, 34> login_keys = {{
    {Key::initiator_name, "InitiatorName", KeyKind::declared, key_stage::login},
    {Key::initiator_alias, "InitiatorAlias", KeyKind::declared, key_stage::all},
    {Key::target_name, "TargetName", KeyKind::declared, key_stage::login},
    {Key::session_type, "SessionType", KeyKind::declared, key_stage::login},
    {Key::target_alias, "TargetAlias", KeyKind::target_declares, key_stage::all},
    {Key::target_address, "TargetAddress", KeyKind::target_declares, key_stage::all},
    {Key::target_portal_group_tag, "TargetPortalGroupTag", KeyKind::target_declares, key_stage::login},
    {Key::send_targets, "SendTargets", KeyKind::send_targets, key_stage::full_feature},
    {Key::auth_method, "AuthMethod", KeyKind::security, key_stage::security},
    {Key::chap_a, "CHAP_A", KeyKind::security, key_stage::security},
    {Key::chap_i, "CHAP_I", KeyKind::security, key_stage::security},
    {Key::chap_c, "CHAP_C", KeyKind::security, key_stage::security},
    {Key::chap_n, "CHAP_N", KeyKind::security, key_stage::security},
    {Key::chap_r, "CHAP_R", KeyKind::security, key_stage::security},
    {Key::header_digest, "HeaderDigest", KeyKind::digest_list, key_stage::login, KeyScope::any_session, 0, 0, 0, nullptr,
     &Parameters::header_digest},
    {Key::data_digest, "DataDigest", KeyKind::digest_list, key_stage::login, KeyScope::any_session, 0, 0, 0, nullptr,
     &Parameters::data_digest},
    {Key::max_connections, "MaxConnections", KeyKind::minimum, key_stage::login, KeyScope::normal_session, 1, 65535, 1,
     &Parameters::max_connections},
    {Key::initial_r2t, "InitialR2T", KeyKind::boolean_or, key_stage::login, KeyScope::normal_session, 0, 1, 0, nullptr,
     &Parameters::initial_r2t},
    {Key::immediate_data, "ImmediateData", KeyKind::boolean_and, key_stage::login, KeyScope::normal_session, 0, 1, 1, nullptr,
     &Parameters::immediate_data},
    {Key::max_recv_data_segment_length, "MaxRecvDataSegmentLength", KeyKind::own_number, key_stage::all, KeyScope::any_session, 512,
     largest_24_bit, limits::max_recv_data_segment_length, &Parameters::initiator_max_recv_data_segment_length},
    {Key::max_burst_length, "MaxBurstLength", KeyKind::minimum, key_stage::login, KeyScope::normal_session, 512, largest_24_bit,
     limits::max_burst_length, &Parameters::max_burst_length},
    {Key::first_burst_length, "FirstBurstLength", KeyKind::minimum, key_stage::login, KeyScope::normal_session, 512, largest_24_bit,
     limits::first_burst_length, &Parameters::first_burst_length},
    {Key::default_time2wait, "DefaultTime2Wait", KeyKind::maximum, key_stage::login, KeyScope::any_session, 0, 3600, 0,
     &Parameters::default_time2wait},
    {Key::default_time2retain, "DefaultTime2Retain", KeyKind::minimum, key_stage::login, KeyScope::any_session, 0, 3600, 0,
     &Parameters::default_time2retain},
    {Key::max_outstanding_r2t, "MaxOutstandingR2T", KeyKind::minimum, key_stage::login, KeyScope::normal_session, 1, 65535,
     limits::max_outstanding_r2t, &Parameters::max_outstanding_r2t},
    {Key::data_pdu_in_order, "DataPDUInOrder", KeyKind::boolean_or, key_stage::login, KeyScope::normal_session, 0, 1, 1, nullptr,
     &Parameters::data_pdu_in_order},
    {Key::data_sequence_in_order, "DataSequenceInOrder", KeyKind::boolean_or, key_stage::login, KeyScope::normal_session, 0, 1, 1,
     nullptr, &Parameters::data_sequence_in_order},
    {Key::error_recovery_level, "ErrorRecoveryLevel", KeyKind::minimum, key_stage::login, KeyScope::any_session, 0, 2, 0,
     &Parameters::error_recovery_level},
    {Key::protocol_level, "iSCSIProtocolLevel", KeyKind::minimum, key_stage::login, KeyScope::any_session, 0, 31, 1,
     &Parameters::protocol_level},
    {Key::task_reporting, "TaskReporting", KeyKind::fixed_choice, key_stage::login, KeyScope::normal_session, 0, 0, 0, nullptr, nullptr,
     "RFC3720"},
    {Key::if_marker, "IFMarker", KeyKind::obsolete, key_stage::login, KeyScope::any_session, 0, 0, 0, nullptr, nullptr, "No"},
    {Key::of_marker, "OFMarker", KeyKind::obsolete, key_stage::login, KeyScope::any_session, 0, 0, 0, nullptr, nullptr, "No"},
    {Key::if_mark_int, "IFMarkInt", KeyKind::obsolete, key_stage::login, KeyScope::any_session, 0, 0, 0, nullptr, nullptr, "Reject"},
    {Key::of_mark_int, "OFMarkInt", KeyKind::obsolete, key_stage::login, KeyScope::any_session, 0, 0, 0, nullptr, nullptr, "Reject"},
}};

[[nodiscard]] constexpr const KeyRule& rule_of(Key key) { return login_keys[static_cast<std::size_t>(key)]; }

namespace detail {
constexpr bool table_is_in_order() {
    for (std::size_t i = 0; i < login_keys.size(); ++i) {
        if (static_cast<std::size_t>(login_keys[i].key) != i) {
            return false;
        }
    }
    return true;
}
} // namespace detail
static_assert(detail::table_is_in_order());

/// Null: no such key (the answer is NotUnderstood). Keys are case-sensitive.
[[nodiscard]] constexpr const KeyRule* find_key(std::string_view name) {
    for (const KeyRule& rule : login_keys) {
        if (rule.name == name) {
            return &rule;
        }
    }
    return nullptr;
}

} // namespace rootstock::iscsi
