#include "app/applied_values.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"
#include "fleet/machine_rules.hpp"

#include <algorithm>

namespace rootstock::app {

namespace {

/// NewMachine and Machine have the same fields.
template <class Machine> FieldValues machine_values(const Machine& machine) {
    return {{"mac", fleet::mac_list(machine.macs)},
            {"image", machine.image},
            {"mode", std::string(fleet::mode_name(machine.mode))},
            {"address", machine.address ? machine.address->text() : ""},
            {"quota", machine.quota_bytes ? std::to_string(*machine.quota_bytes) : ""},
            {"group", machine.group}};
}

/// Tells one secret from another and cannot be turned back: "backup 9f86d081884c7d65".
std::string chap_value(const images::ChapIdentity& identity) {
    if (identity.empty()) {
        return "";
    }
    constexpr std::size_t shown_bytes = 8;
    const ByteVector digest = hash(HashAlgorithm::sha256, {as_bytes("rootstock applied secret\n"), as_bytes(identity.secret)});
    return identity.user + " " + hex(Bytes(digest).first(shown_bytes));
}

/// VolumeEntry and VolumeRow, too. A CD-ROM's other values follow from its image.
template <class Volume> FieldValues volume_values(const Volume& volume) {
    const bool is_cdrom = volume.options.kind == images::VolumeKind::cdrom;
    return {{"size", is_cdrom ? "" : std::to_string(volume.size_bytes)},
            {"initiators", join(volume.initiators, ", ")},
            {"chap", chap_value(volume.options.chap)},
            {"mutual_chap", chap_value(volume.options.mutual_chap)},
            {"read_only", volume.options.read_only && !is_cdrom ? "yes" : ""},
            {"volatile", volume.options.kind == images::VolumeKind::memory_only ? "yes" : ""},
            {"block_size", volume.options.block_size == 512 || is_cdrom ? "" : std::to_string(volume.options.block_size)},
            {"iso", volume.options.iso},
            {"moved_to", volume.options.moved_to}};
}

} // namespace

FieldValues values_of(const fleet::NewMachine& machine) { return machine_values(machine); }
FieldValues values_of(const fleet::Machine& machine) { return machine_values(machine); }
FieldValues values_of(const VolumeEntry& volume) { return volume_values(volume); }
FieldValues values_of(const images::VolumeRow& volume) { return volume_values(volume); }

void append(std::vector<fleet::AppliedValue>& out, const std::string& object, const FieldValues& values) {
    for (const auto& [field, value] : values) {
        out.push_back({object + "/" + field, value});
    }
}

AppliedValues::AppliedValues(const std::vector<fleet::AppliedValue>& values) {
    for (const fleet::AppliedValue& value : values) {
        if (const auto slash = value.key.rfind('/'); slash != std::string::npos) {
            objects_[value.key.substr(0, slash)][value.key.substr(slash + 1)] = value.value;
        }
    }
}

std::vector<std::string> AppliedValues::objects() const {
    std::vector<std::string> names;
    for (const auto& [object, values] : objects_) {
        names.push_back(object);
    }
    return names;
}

FieldValues AppliedValues::values(const std::string& object) const {
    const auto at = objects_.find(object);
    return at == objects_.end() ? FieldValues{} : at->second;
}

bool AppliedValues::is(const std::string& object, const std::string& field, const std::string& value) const {
    const FieldValues known = values(object);
    const auto at = known.find(field);
    return !known.empty() && (at != known.end() ? at->second : "") == value;
}

bool AppliedValues::are(const std::string& object, const FieldValues& wanted) const {
    return !wanted.empty() && std::all_of(wanted.begin(), wanted.end(), [&](const auto& entry) { return is(object, entry.first, entry.second); });
}

bool is_secret(const std::string& field) { return field.ends_with("chap"); }

std::string shown_value(const std::string& field, const std::string& value) {
    if (value.empty()) {
        return field == "quota" ? "default" : field == "block_size" ? "512" : field == "read_only" || field == "volatile" ? "no" : "none";
    }
    if (field == "quota" && value == "0") {
        return "none";
    }
    if (field == "size" || field == "quota") {
        const auto bytes = parse_number<std::uint64_t>(value);
        return bytes ? format_size(*bytes) : value;
    }
    return is_secret(field) ? "user " + value.substr(0, value.rfind(' ')) : value;
}

} // namespace rootstock::app
