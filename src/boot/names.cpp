#include "boot/names.hpp"

#include "core/text.hpp"

namespace rootstock::boot {

namespace {

constexpr std::string_view machine_word = ":machine.";
constexpr std::string_view volume_word = ":volume.";
constexpr std::string_view initiator_word = ":initiator.";

/// What follows `prefix` + `word` in `iqn`. iSCSI names are compared without case (RFC 3720
/// section 3.2.6.1: normalised to lower case).
std::optional<std::string>
rest_after(const std::string& iqn, const std::string& prefix, std::string_view word) {
    const std::string head = to_lower(prefix) + std::string(word);
    if (!iqn.starts_with(head)) {
        return std::nullopt;
    }
    return iqn.substr(head.size());
}

} // namespace

std::string Names::machine_target(std::string_view machine) const {
    return iqn_prefix + std::string(machine_word) + std::string(machine);
}

std::string Names::volume_target(std::string_view volume) const {
    return iqn_prefix + std::string(volume_word) + std::string(volume);
}

std::string Names::initiator(const fleet::Machine& machine) const {
    return iqn_prefix + std::string(initiator_word) + std::to_string(machine.generation) + ":" +
           machine.name;
}

std::optional<Names::TargetName> Names::parse_target(std::string_view iqn) const {
    const std::string name = to_lower(iqn);
    if (const auto machine = rest_after(name, iqn_prefix, machine_word);
        machine && fleet::is_valid_machine_name(*machine)) {
        return TargetName{TargetName::Kind::machine, *machine};
    }
    if (const auto volume = rest_after(name, iqn_prefix, volume_word);
        volume && fleet::is_valid_store_name(*volume)) {
        return TargetName{TargetName::Kind::volume, *volume};
    }
    return std::nullopt;
}

std::optional<Names::InitiatorName> Names::parse_initiator(std::string_view iqn) const {
    const auto rest = rest_after(to_lower(iqn), iqn_prefix, initiator_word);
    if (!rest) {
        return std::nullopt;
    }
    const std::size_t colon = rest->find(':');
    const auto generation = parse_number<std::uint32_t>(std::string_view(*rest).substr(0, colon));
    if (colon == std::string::npos || !generation ||
        !fleet::is_valid_machine_name(rest->substr(colon + 1))) {
        return std::nullopt;
    }
    return InitiatorName{rest->substr(colon + 1), *generation};
}

std::string chap_user(std::string_view machine, fleet::BootId boot) {
    return std::string(machine) + "." + std::to_string(boot);
}

std::optional<fleet::BootId> boot_of_chap_user(std::string_view user, std::string_view machine) {
    if (user.size() <= machine.size() + 1 || !user.starts_with(machine) ||
        user[machine.size()] != '.') {
        return std::nullopt;
    }
    const auto boot = parse_number<fleet::BootId>(user.substr(machine.size() + 1));
    return boot && *boot > 0 ? boot : std::nullopt;
}

} // namespace rootstock::boot
