#include "iscsi/negotiation.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {
constexpr std::string_view yes = "Yes";
constexpr std::string_view no = "No";
constexpr std::string_view reject = "Reject";
} // namespace

Result<void, NegotiationError>
Negotiation::take(const KeyValue& pair, std::uint8_t stage, SessionType type, TextWriter& answer) {
    const KeyRule* rule = find_key(pair.key);
    if (rule == nullptr) {
        answer.add(pair.key, "NotUnderstood");
        return {};
    }
    const auto index = static_cast<std::size_t>(rule->key);
    if (seen_[index]) {
        return NegotiationError::duplicate_key;
    }
    seen_.set(index);
    if (rule->kind == KeyKind::target_declares) {
        return NegotiationError::target_only_key;
    }
    if ((rule->stages & stage) == 0) {
        if (stage == key_stage::full_feature) { // section 13: keys of the login are refused, the session goes on
            answer.add(pair.key, reject);
            return {};
        }
        return NegotiationError::not_at_this_stage;
    }
    if (type == SessionType::discovery && rule->scope == KeyScope::normal_session) {
        answer.add(pair.key, "Irrelevant");
        return {};
    }
    answer_offer(*rule, pair.value, answer);
    return {};
}

void Negotiation::answer_offer(const KeyRule& rule, std::string_view value, TextWriter& answer) {
    switch (rule.kind) {
    case KeyKind::declared:
    case KeyKind::target_declares:
    case KeyKind::security:
    case KeyKind::send_targets:
        return;
    case KeyKind::digest_list:
        return answer_digest(rule, value, answer);
    case KeyKind::boolean_or:
    case KeyKind::boolean_and:
        return answer_boolean(rule, value, answer);
    case KeyKind::minimum:
    case KeyKind::maximum:
    case KeyKind::own_number:
        return answer_number(rule, value, answer);
    case KeyKind::fixed_choice: {
        const auto offers = split(value, ',');
        const bool offered = std::find(offers.begin(), offers.end(), rule.choice) != offers.end();
        return answer.add(rule.name, offered ? rule.choice : reject);
    }
    case KeyKind::obsolete:
        return answer.add(rule.name, rule.choice);
    }
}

void Negotiation::answer_boolean(const KeyRule& rule, std::string_view value, TextWriter& answer) {
    if (value != yes && value != no) {
        return answer.add(rule.name, reject);
    }
    const bool theirs = value == yes;
    const bool ours = rule.ours != 0;
    const bool result = rule.kind == KeyKind::boolean_or ? theirs || ours : theirs && ours;
    parameters_.*rule.flag = result;
    answer.add(rule.name, result ? yes : no);
}

void Negotiation::answer_number(const KeyRule& rule, std::string_view value, TextWriter& answer) {
    const auto theirs = parse_numeric(value);
    if (!theirs || *theirs < rule.lowest || *theirs > rule.highest) {
        return answer.add(rule.name, reject);
    }
    const auto number = static_cast<std::uint32_t>(*theirs);
    if (rule.kind == KeyKind::own_number) {
        parameters_.*rule.number = number;
        return;
    }
    const std::uint32_t result = rule.kind == KeyKind::minimum ? std::min(number, rule.ours) : std::max(number, rule.ours);
    parameters_.*rule.number = result;
    answer.add(rule.name, result);
}

void Negotiation::answer_digest(const KeyRule& rule, std::string_view value, TextWriter& answer) {
    for (const std::string_view offer : split(value, ',')) {
        if (offer == "None" || offer == "CRC32C") {
            parameters_.*rule.flag = offer == "CRC32C";
            return answer.add(rule.name, offer);
        }
    }
    answer.add(rule.name, reject);
}

void Negotiation::declare_ours(TextWriter& answer) {
    if (!std::exchange(declared_, true)) {
        const KeyRule& rule = rule_of(Key::max_recv_data_segment_length);
        answer.add(rule.name, rule.ours);
    }
}

Parameters Negotiation::parameters() const {
    Parameters result = parameters_;
    result.first_burst_length = std::min(result.first_burst_length, result.max_burst_length); // section 13.14
    return result;
}

} // namespace rootstock::iscsi
