#include "scsi/reservations.hpp"

#include "scsi/limits.hpp"

#include <algorithm>
#include <array>

namespace rootstock::scsi {
namespace {

/// SPC-4 table 52 and SBC-3 table 14 by type: what those may do who do not hold the reservation.
struct TypeRule {
    ReservationType type;
    bool others_may_read;       // anyone, registered or not
    bool registrants_may_all;   // "registrants only" and "all registrants"
    bool registrants_all_hold;
};
constexpr std::array<TypeRule, 6> type_rules{{
    {ReservationType::write_exclusive, true, false, false},
    {ReservationType::exclusive_access, false, false, false},
    {ReservationType::write_exclusive_registrants_only, true, true, false},
    {ReservationType::exclusive_access_registrants_only, false, true, false},
    {ReservationType::write_exclusive_all_registrants, true, true, true},
    {ReservationType::exclusive_access_all_registrants, false, true, true},
}};

const TypeRule* rule_of(ReservationType type) {
    const auto* const rule = std::find_if(type_rules.begin(), type_rules.end(), [type](const TypeRule& each) { return each.type == type; });
    return rule == type_rules.end() ? nullptr : rule;
}

ReserveOutcome conflict() {
    ReserveOutcome outcome;
    outcome.status = Status::reservation_conflict;
    return outcome;
}

ReserveOutcome check_condition(const Sense& sense) {
    ReserveOutcome outcome;
    outcome.status = Status::check_condition;
    outcome.sense = sense;
    return outcome;
}

constexpr std::uint16_t service_action_key_offset = 8; // in the parameter list

} // namespace

std::optional<ReservationType> reservation_type(std::uint8_t wire) {
    const TypeRule* const rule = rule_of(static_cast<ReservationType>(wire));
    return rule == nullptr ? std::nullopt : std::optional(rule->type);
}

bool is_all_registrants(ReservationType type) {
    const TypeRule* const rule = rule_of(type);
    return rule != nullptr && rule->registrants_all_hold;
}

Registration* Reservations::find(const NexusName& nexus) {
    const auto found = std::find_if(state_.registrations.begin(), state_.registrations.end(),
                                    [&](const Registration& each) { return each.nexus == nexus; });
    return found == state_.registrations.end() ? nullptr : &*found;
}

const Registration* Reservations::find(const NexusName& nexus) const { return const_cast<Reservations*>(this)->find(nexus); }

bool Reservations::is_holder(const Registration& registration) const {
    return held() && (registration.holder || is_all_registrants(state_.type));
}

bool Reservations::conflicts(const NexusName& nexus, Access access) const {
    const TypeRule* const rule = rule_of(state_.type);
    if (rule == nullptr || access == Access::any || (access == Access::read && rule->others_may_read)) {
        return false;
    }
    const Registration* const registration = find(nexus);
    return registration == nullptr || !(registration->holder || rule->registrants_may_all);
}

void Reservations::tell_others(const NexusName& but, Attention attention, ReserveOutcome& outcome) const {
    for (const Registration& each : state_.registrations) {
        if (each.nexus != but) {
            outcome.notices.push_back({each.nexus, attention});
        }
    }
}

void Reservations::end_reservation() {
    state_.type = ReservationType::none;
    for (Registration& each : state_.registrations) {
        each.holder = false;
    }
}

ReserveOutcome Reservations::perform(const NexusName& from, const ReserveOut& request) {
    using enum ReserveOutAction;
    if (request.action == register_key || request.action == register_and_ignore_existing_key) {
        return this->register_key(from, request);
    }
    Registration* const registration = find(from);
    if (registration == nullptr || registration->key != request.reservation_key) {
        return conflict();
    }
    switch (request.action) {
    case reserve: return this->reserve(*registration, request);
    case release: return this->release(*registration, request);
    case clear: return this->clear(from);
    case preempt:
    case preempt_and_abort: return this->preempt(from, request);
    case register_and_move: return move(from, request);
    case register_key:
    case register_and_ignore_existing_key: break;
    }
    return conflict();
}

/// SPC-4 tables 56 and 57: REGISTER, and REGISTER AND IGNORE EXISTING KEY.
ReserveOutcome Reservations::register_key(const NexusName& from, const ReserveOut& request) {
    Registration* const registration = find(from);
    const std::uint64_t existing_key = registration == nullptr ? 0 : registration->key;
    if (request.action == ReserveOutAction::register_key && request.reservation_key != existing_key) {
        return conflict();
    }
    ReserveOutcome outcome;
    if (request.service_action_key == 0) {
        if (registration == nullptr) {
            return outcome;
        }
        unregister(from, outcome);
    } else if (registration != nullptr) {
        registration->key = request.service_action_key;
    } else if (state_.registrations.size() >= limits::registrations) {
        return check_condition(illegal_request(Asc::insufficient_registration_resources));
    } else {
        state_.registrations.push_back({from, request.service_action_key, false});
    }
    state_.survives_power_loss = request.activate_persist_through_power_loss;
    ++state_.generation;
    return outcome;
}

/// SPC-4 5.12.11.2. The reservation ends with its holder, or with the last registrant when all hold it.
void Reservations::unregister(const NexusName& from, ReserveOutcome& outcome) {
    const ReservationType type = state_.type;
    const Registration* const registration = find(from);
    const bool was_holder = registration->holder;
    std::erase_if(state_.registrations, [&](const Registration& each) { return each.nexus == from; });
    const bool ends = is_all_registrants(type) ? state_.registrations.empty() : was_holder;
    if (!ends) {
        return;
    }
    end_reservation();
    if (type == ReservationType::write_exclusive_registrants_only || type == ReservationType::exclusive_access_registrants_only) {
        tell_others(from, Attention::reservations_released, outcome);
    }
}

/// SPC-4 5.12.9: only the holder may repeat its own reservation, and only unchanged.
ReserveOutcome Reservations::reserve(Registration& from, const ReserveOut& request) {
    if (held()) {
        return is_holder(from) && request.type == state_.type ? ReserveOutcome{} : conflict();
    }
    state_.type = request.type;
    from.holder = !is_all_registrants(request.type);
    return {};
}

/// SPC-4 5.12.11.1.
ReserveOutcome Reservations::release(const Registration& from, const ReserveOut& request) {
    if (!is_holder(from)) {
        return {};
    }
    if (request.type != state_.type) {
        return check_condition(illegal_request(Asc::invalid_release_of_persistent_reservation));
    }
    const TypeRule* const rule = rule_of(state_.type);
    end_reservation();
    ReserveOutcome outcome;
    if (rule->registrants_may_all) {
        tell_others(from.nexus, Attention::reservations_released, outcome);
    }
    return outcome;
}

/// SPC-4 5.12.11.5.
ReserveOutcome Reservations::clear(const NexusName& from) {
    ReserveOutcome outcome;
    tell_others(from, Attention::reservations_preempted, outcome);
    state_.registrations.clear();
    end_reservation();
    ++state_.generation;
    return outcome;
}

/// SPC-4 5.12.11.4, figure 7. The preempting nexus itself always stays registered.
ReserveOutcome Reservations::preempt(const NexusName& from, const ReserveOut& request) {
    const std::uint64_t victim_key = request.service_action_key;
    const bool everybody = is_all_registrants(state_.type) && victim_key == 0;
    if (victim_key == 0 && !everybody) {
        return check_condition(invalid_field_in_parameter_list(service_action_key_offset));
    }
    const auto is_victim = [&](const Registration& each) { return everybody || each.key == victim_key; };
    if (std::none_of(state_.registrations.begin(), state_.registrations.end(), is_victim)) {
        return conflict();
    }
    const bool takes_over = everybody || std::any_of(state_.registrations.begin(), state_.registrations.end(), [&](const Registration& each) {
                                return each.holder && each.key == victim_key;
                            });
    ReserveOutcome outcome;
    for (const Registration& each : state_.registrations) {
        if (is_victim(each) && each.nexus != from) {
            outcome.notices.push_back({each.nexus, Attention::registrations_preempted});
            if (request.action == ReserveOutAction::preempt_and_abort) {
                outcome.abort.push_back(each.nexus);
            }
        }
    }
    std::erase_if(state_.registrations, [&](const Registration& each) { return is_victim(each) && each.nexus != from; });
    if (takes_over) {
        const ReservationType before = state_.type;
        end_reservation();
        state_.type = request.type;
        find(from)->holder = !is_all_registrants(request.type);
        if (before != request.type) {
            tell_others(from, Attention::reservations_released, outcome);
        }
    }
    ++state_.generation;
    return outcome;
}

/// SPC-4 5.12.8: the holder hands the reservation to another nexus, which is registered on the way.
ReserveOutcome Reservations::move(const NexusName& from, const ReserveOut& request) {
    if (is_all_registrants(state_.type) || !find(from)->holder) {
        return conflict();
    }
    if (request.service_action_key == 0) {
        return check_condition(invalid_field_in_parameter_list(service_action_key_offset));
    }
    if (request.move_to == from) {
        constexpr std::uint16_t transport_id_offset = 24;
        return check_condition(invalid_field_in_parameter_list(transport_id_offset));
    }
    if (Registration* const existing = find(request.move_to)) {
        existing->key = request.service_action_key;
    } else if (state_.registrations.size() >= limits::registrations) {
        return check_condition(illegal_request(Asc::insufficient_registration_resources));
    } else {
        state_.registrations.push_back({request.move_to, request.service_action_key, false});
    }
    find(from)->holder = false;
    find(request.move_to)->holder = true;
    if (request.unregister) {
        std::erase_if(state_.registrations, [&](const Registration& each) { return each.nexus == from; });
    }
    state_.survives_power_loss = request.activate_persist_through_power_loss;
    ++state_.generation;
    return {};
}

} // namespace rootstock::scsi
