#include "boot/volume_access.hpp"

#include "core/text.hpp"
#include "fleet/machine_rules.hpp"

#include <algorithm>

namespace rootstock::boot {
namespace {

constexpr std::size_t iscsi_name_max = 223; // RFC 7143 section 4.2.7.1

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_character(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '.' || c == ':'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// With colons only: what has hyphens is a machine's name.
std::optional<Mac> parse_mac(std::string_view text) { return text.find(':') == std::string_view::npos ? std::nullopt : Mac::parse(text); }

bool has_card(const Visitor& visitor, Mac mac, const LeaseOwner& owner) {
    const auto address = Ipv4::parse(visitor.address);
    return address && owner && owner(*address) == mac;
}

} // namespace

bool is_valid_iqn(std::string_view name) {
    // iqn.YYYY-MM.domain
    constexpr std::string_view type = "iqn.";
    constexpr std::size_t date_size = 8; // "2026-01."
    if (!name.starts_with(type) || name.size() < type.size() + date_size + 1 || name.size() > iscsi_name_max) {
        return false;
    }
    const std::string_view date = name.substr(type.size(), date_size);
    const auto year = date.substr(0, 4);
    const auto month = parse_number<int>(date.substr(5, 2));
    const bool dated = std::all_of(year.begin(), year.end(), is_digit) && date[4] == '-' && month && *month >= 1 && *month <= 12 && date[7] == '.';
    return dated && std::all_of(name.begin(), name.end(), is_name_character) && name.back() != '.' && name.back() != ':' && name.back() != '-';
}

bool is_valid_initiator_entry(std::string_view entry) {
    if (entry.starts_with("iqn.")) {
        return is_valid_iqn(entry);
    }
    if (entry.starts_with("eui.") || entry.starts_with("naa.")) {
        return entry.size() > 4 && entry.size() <= iscsi_name_max && std::all_of(entry.begin() + 4, entry.end(), is_hex);
    }
    return entry == "*" || fleet::is_valid_machine_name(entry) || IpPrefix::parse(entry) || parse_mac(entry);
}

bool is_listed(const std::vector<std::string>& entries, const Visitor& visitor, const LeaseOwner& owner) {
    const auto address = IpAddress::parse(visitor.address);
    return std::any_of(entries.begin(), entries.end(), [&](const std::string& entry) {
        if (entry == "*" || entry == visitor.initiator || (!visitor.machine.empty() && entry == visitor.machine)) {
            return true;
        }
        if (const auto prefix = IpPrefix::parse(entry)) {
            return address && prefix->contains(*address);
        }
        const auto mac = parse_mac(entry);
        return mac && has_card(visitor, *mac, owner);
    });
}

} // namespace rootstock::boot
