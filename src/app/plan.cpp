#include "app/plan.hpp"

#include "app/applied_values.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <set>

namespace rootstock::app {

namespace {

bool is_persistent_disk_in_the_way(const fleet::Machine& machine, const fleet::MachineChange& change, bool has_disk) {
    return has_disk && machine.mode == fleet::Mode::persistent && (change.image || change.mode);
}

class Planner {
  public:
    Planner(const Config& config, const std::vector<fleet::AppliedValue>& applied, const Actual& actual)
        : config_(config), applied_(applied), actual_(actual) {
        for (const images::ImageInfo& image : actual.images) {
            images_.insert(image.version.image);
            with_disk_.insert(image.machines.begin(), image.machines.end());
        }
    }

    Plan run() {
        for (const ImageEntry& image : config_.images) {
            need_image(image.name);
        }
        for (const MachineEntry& entry : config_.machines) {
            plan_machine(entry.machine);
        }
        for (const VolumeEntry& volume : config_.volumes) {
            plan_volume(volume);
        }
        for (const std::string& object : applied_.objects()) {
            if (!planned_.contains(object)) {
                plan_leaver(object);
            }
        }
        return std::move(plan_);
    }

  private:
    void plan_machine(const fleet::NewMachine& wanted) {
        const std::string object = "machine/" + wanted.name;
        const FieldValues values = values_of(wanted);
        begin(object, values);
        need_image(wanted.image);
        const fleet::Machine* machine = actual_.fleet.find(wanted.name);
        if (machine != nullptr) {
            compare_machine(object, *machine, values, wanted);
        } else if (was_removed_elsewhere(object, values)) {
            note("machine " + wanted.name + " was removed since; to have it again, change its entry in the file or assign it");
        } else {
            show({"add", object, "", "", "", "machine " + wanted.name + ": new, PC " + values.at("mac") + ", image " + wanted.image});
            step(object, AddMachine{wanted});
        }
    }

    void compare_machine(const std::string& object, const fleet::Machine& machine, const FieldValues& values, const fleet::NewMachine& wanted) {
        fleet::MachineChange change;
        bool changed = false;
        const FieldValues present = values_of(machine);
        for (const auto& [field, value] : values) {
            if (file_wins(object, field, value, present.at(field))) {
                set_field(change, field, wanted);
                changed = true;
            }
        }
        if (!changed) {
            return;
        }
        if (is_persistent_disk_in_the_way(machine, change, with_disk_.contains(machine.name))) {
            note("machine " + machine.name + " has a disk of image " + machine.image + ", " + std::string(fleet::mode_name(machine.mode)) +
                 ": it boots again after `rootstock machine reset " + machine.name + "`, which throws that disk away");
        }
        step(object, ChangeMachine{machine.name, std::move(change)});
    }

    void plan_volume(const VolumeEntry& wanted) {
        const std::string object = "volume/" + wanted.name;
        const FieldValues values = values_of(wanted);
        begin(object, values);
        const images::VolumeRow* volume = find_volume(wanted.name);
        if (volume == nullptr && was_removed_elsewhere(object, values)) {
            note("volume " + wanted.name + " was removed since; to have it again, change its entry in the file or create it");
        } else if (volume == nullptr) {
            const bool is_cdrom = wanted.options.kind == images::VolumeKind::cdrom;
            show({"add", object, "", "", "", "volume " + wanted.name + ": new, " +
                                                (is_cdrom ? "CD-ROM with " + wanted.options.iso : format_size(wanted.size_bytes)) + ", for " +
                                                shown_value("initiators", values.at("initiators"))});
            step(object, CreateVolume{wanted});
            check_iso(wanted, nullptr);
        } else {
            compare_volume(object, *volume, values, wanted);
        }
    }

    /// Tells of an ISO image that cannot be had, or is no longer what it was.
    void check_iso(const VolumeEntry& wanted, const images::VolumeRow* volume) {
        const std::string& path = wanted.options.iso;
        const auto found = actual_.isos.find(path);
        if (found == actual_.isos.end()) {
            return;
        }
        Result<void> usable = found->second ? Result<void>() : found->second.error();
        if (usable && volume != nullptr && volume->options.iso == path) {
            usable = images::check_same_iso(path, *found->second, {volume->size_bytes, volume->iso_modified_ns}, volume->name);
        }
        if (!usable) {
            note("volume " + wanted.name + ": " + usable.error().what);
        }
    }

    void compare_volume(const std::string& object, const images::VolumeRow& volume, const FieldValues& values, const VolumeEntry& wanted) {
        const FieldValues present = values_of(volume);
        check_iso(wanted, &volume);
        const auto is_cdrom = [](const auto& one) { return one.options.kind == images::VolumeKind::cdrom; };
        if (is_cdrom(volume) != is_cdrom(wanted)) {
            const auto kind = [](bool cdrom) { return std::string(cdrom ? "a CD-ROM" : "a disk"); };
            note("volume " + volume.name + " is " + kind(is_cdrom(volume)) + ", the file says " + kind(is_cdrom(wanted)) +
                 ": that never changes; make a new volume");
            return;
        }
        compare_size(object, volume, values, wanted);
        for (const char* field : {"volatile", "block_size"}) {
            if (present.at(field) != values.at(field)) {
                note("volume " + volume.name + ": " + field + " is " + shown_value(field, present.at(field)) + ", the file says " +
                     shown_value(field, values.at(field)) + ": that never changes; make a new volume and copy");
            }
        }
        images::VolumeChange change;
        bool changed = false;
        const auto take = [&](const char* field, auto& to, const auto& from) {
            if (file_wins(object, field, values.at(field), present.at(field))) {
                to = from;
                changed = true;
            }
        };
        take("initiators", change.initiators, wanted.initiators);
        take("chap", change.chap, wanted.options.chap);
        take("mutual_chap", change.mutual_chap, wanted.options.mutual_chap);
        take("read_only", change.read_only, wanted.options.read_only);
        take("iso", change.iso, wanted.options.iso);
        take("moved_to", change.moved_to, wanted.options.moved_to);
        if (changed) {
            step(object, ChangeVolume{volume.name, std::move(change)});
        }
    }

    /// Larger is done, smaller never.
    void compare_size(const std::string& object, const images::VolumeRow& volume, const FieldValues& values, const VolumeEntry& wanted) {
        const std::string& size = values.at("size");
        if (size.empty()) {
            return; // of a CD-ROM: its image's
        }
        if (wanted.size_bytes < volume.size_bytes && !applied_.is(object, "size", size)) {
            note("volume " + volume.name + " has " + format_size(volume.size_bytes) + ", the file says " + format_size(wanted.size_bytes) +
                 ": a volume never shrinks; make a new one and copy");
        } else if (file_wins(object, "size", size, std::to_string(volume.size_bytes))) {
            step(object, GrowVolume{volume.name, wanted.size_bytes});
        }
    }

    /// It came from the file and is no longer in it.
    void plan_leaver(const std::string& object) {
        const std::string name = object.substr(object.find('/') + 1);
        const fleet::Machine* machine = object.starts_with("machine/") ? actual_.fleet.find(name) : nullptr;
        if (machine != nullptr && !with_disk_.contains(name) && applied_.are(object, values_of(*machine))) {
            show({"remove", object, "", "", "", "machine " + name + ": removed, it left the file and has no disk"});
            step(object, RemoveMachine{name});
        } else if (machine != nullptr) {
            keep(object);
            note("machine " + name + " left the file, but " + (with_disk_.contains(name) ? "has a disk" : "was changed since") +
                 "; it stays until `rootstock machine remove " + name + "`");
        } else if (object.starts_with("volume/") && find_volume(name) != nullptr) {
            keep(object);
            note("volume " + name + " left the file; it stays with its data until `rootstock volume remove " + name + "`");
        }
    }

    /// Decides about one field of something that exists, and tells so. True: it is to be changed.
    bool file_wins(const std::string& object, const std::string& field, const std::string& file, const std::string& present) {
        if (file == present) {
            return false;
        }
        const std::string name = described(object);
        const std::string is = shown_value(field, present);
        const std::string wanted = shown_value(field, file);
        if (applied_.is(object, field, file)) {
            note(name + ": " + field + " was changed since to " + is + " and stays; the file still says " + wanted +
                 " and counts again when that line changes");
            return false;
        }
        const bool secret = is_secret(field);
        show({"change", object, field, secret ? is : present, secret ? wanted : file,
              name + ": " + field + " " + is + " -> " + wanted + (is == wanted ? " with another secret" : "")});
        return true;
    }

    static void set_field(fleet::MachineChange& change, const std::string& field, const fleet::NewMachine& wanted) {
        if (field == "mac") {
            change.macs = wanted.macs;
        } else if (field == "image") {
            change.image = wanted.image;
        } else if (field == "mode") {
            change.mode = wanted.mode;
        } else if (field == "address") {
            change.address = wanted.address;
        } else if (field == "quota") {
            change.quota_bytes = wanted.quota_bytes;
        } else {
            change.group = wanted.group;
        }
    }

    [[nodiscard]] bool was_removed_elsewhere(const std::string& object, const FieldValues& values) const { return applied_.are(object, values); }

    void need_image(const std::string& name) {
        if (images_.insert(name).second) { // told once
            note("image " + name + " is not imported yet: rootstock image import FILE --name " + name);
        }
    }

    void begin(const std::string& object, const FieldValues& values) {
        planned_.insert(object);
        append(plan_.applied, object, values);
    }
    void keep(const std::string& object) { append(plan_.applied, object, applied_.values(object)); }

    [[nodiscard]] const images::VolumeRow* find_volume(const std::string& name) const {
        const auto at =
            std::find_if(actual_.volumes.begin(), actual_.volumes.end(), [&](const images::VolumeRow& volume) { return volume.name == name; });
        return at == actual_.volumes.end() ? nullptr : &*at;
    }

    /// "machine/lab1-07" -> "machine lab1-07".
    static std::string described(std::string object) {
        object[object.find('/')] = ' ';
        return object;
    }

    void show(PlannedChange change) { plan_.changes.push_back(std::move(change)); }
    void note(std::string text) { plan_.notes.push_back(std::move(text)); }
    template <class Action> void step(const std::string& object, Action action) { plan_.steps.push_back({object, std::move(action)}); }

    const Config& config_;
    const AppliedValues applied_;
    const Actual& actual_;
    std::set<std::string> images_;    // imported, or already told to be missing
    std::set<std::string> with_disk_; // machines
    std::set<std::string> planned_;
    Plan plan_;
};

template <class Address> std::string text_of(const std::optional<Address>& address) { return address ? address->text() : "none"; }

std::string text_of(const std::optional<std::pair<Ipv4, Ipv4>>& range) {
    return range ? range->first.text() + " - " + range->second.text() : "default";
}

std::string text_of(const std::vector<Ipv4>& addresses) {
    std::vector<std::string> texts;
    for (const Ipv4 address : addresses) {
        texts.push_back(address.text());
    }
    return texts.empty() ? "none" : join(texts, ", ");
}

std::string text_of(const std::vector<std::string>& addresses) { return addresses.empty() ? "default" : join(addresses, ", "); }

std::string text_of(const std::vector<PortalEntry>& portals) {
    std::vector<std::string> texts;
    for (const PortalEntry& portal : portals) {
        texts.push_back(portal.address + " port " + std::to_string(portal.port));
    }
    return texts.empty() ? "default" : join(texts, ", ");
}

std::string text_of(std::chrono::seconds time) { return std::to_string(time.count()) + "s"; }

std::string text_of(const std::optional<std::uint64_t>& bytes) { return bytes ? format_size(*bytes) : "default"; }

std::string text_of(DhcpMode mode) { return mode == DhcpMode::server ? "server" : mode == DhcpMode::proxy ? "proxy" : "off"; }

std::string text_of(const Config& config) { // [unknown] action
    switch (config.unknown) {
    case UnknownAction::wait:
        return "wait";
    case UnknownAction::local_disk:
        return "local-disk";
    case UnknownAction::ignore:
        return "ignore";
    case UnknownAction::image:
        return "image:" + config.unknown_image;
    }
    return {};
}

} // namespace

Plan make_plan(const Config& config, const std::vector<fleet::AppliedValue>& applied, const Actual& actual) {
    return Planner(config, applied, actual).run();
}

std::vector<std::string> restart_notes(const Config& running, const Config& file) {
    std::vector<std::string> notes;
    const auto compare = [&notes](const char* key, const std::string& before, const std::string& after) {
        if (before != after) {
            notes.push_back(std::string(key) + " " + (before.empty() ? "none" : before) + " -> " + (after.empty() ? "none" : after) + " takes a restart");
        }
    };
    compare("[server] interface", running.server.interface, file.server.interface);
    compare("[server] data", running.server.data, file.server.data);
    compare("[server] name", running.server.name, file.server.name);
    compare("[server] loaders", running.server.loaders, file.server.loaders);
    compare("[server] verify", text_of(running.server.verify), text_of(file.server.verify));
    compare("[dhcp] mode", text_of(running.dhcp.mode), text_of(file.dhcp.mode));
    compare("[dhcp] range", text_of(running.dhcp.range), text_of(file.dhcp.range));
    compare("[dhcp] router", text_of(running.dhcp.router), text_of(file.dhcp.router));
    compare("[dhcp] dns", text_of(running.dhcp.dns), text_of(file.dhcp.dns));
    compare("[dhcp] domain", running.dhcp.domain, file.dhcp.domain);
    compare("[dhcp] lease", text_of(running.dhcp.lease), text_of(file.dhcp.lease));
    compare("[http] port", std::to_string(running.http_port), std::to_string(file.http_port));
    compare("[http] addresses", text_of(running.http_addresses), text_of(file.http_addresses));
    compare("[iscsi] port", std::to_string(running.iscsi_port), std::to_string(file.iscsi_port));
    compare("[iscsi] portals", text_of(running.portals), text_of(file.portals));
    compare("[iscsi] iqn_prefix", running.iqn_prefix, file.iqn_prefix);
    if (running.discovery_chap != file.discovery_chap || running.discovery_mutual_chap != file.discovery_mutual_chap) {
        notes.emplace_back("[iscsi] discovery_chap or discovery_mutual_chap has changed: that takes a restart");
    }
    compare("[isns] server", text_of(running.isns_server), text_of(file.isns_server));
    const iscsi::Limits& was = running.iscsi_limits;
    const iscsi::Limits& is = file.iscsi_limits;
    compare("[limits] iscsi_connections", std::to_string(was.connections), std::to_string(is.connections));
    compare("[limits] iscsi_connections_per_address", std::to_string(was.connections_per_address), std::to_string(is.connections_per_address));
    compare("[limits] iscsi_connections_before_login", std::to_string(was.connections_before_login), std::to_string(is.connections_before_login));
    compare("[limits] iscsi_login_time", text_of(was.login_time), text_of(is.login_time));
    compare("[limits] iscsi_idle_before_ping", text_of(was.idle_before_ping), text_of(is.idle_before_ping));
    compare("[limits] iscsi_ping_answer_time", text_of(was.ping_answer_time), text_of(is.ping_answer_time));
    compare("[limits] iscsi_ping_answer_time_of_ipxe", text_of(was.ping_answer_time_of_ipxe), text_of(is.ping_answer_time_of_ipxe));
    compare("[limits] iscsi_logout_time", text_of(was.logout_time), text_of(is.logout_time));
    compare("[limits] volatile_memory", text_of(running.volatile_bytes), text_of(file.volatile_bytes));
    compare("[boot] chain", running.always_chain ? "always" : "auto", file.always_chain ? "always" : "auto");
    compare("[unknown] action", text_of(running), text_of(file));
    return notes;
}

} // namespace rootstock::app
