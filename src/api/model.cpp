#include "api/model.hpp"

#include "api/limits.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

#include <algorithm>

namespace rootstock::api {

namespace {

using Kind = boot::Names::TargetName::Kind;

/// A boot that shows no progress for this long is no longer under way.
constexpr std::chrono::minutes boot_silence{10};

std::size_t
sessions_on(const std::vector<boot::Session>& sessions, Kind kind, const std::string& name) {
    return static_cast<std::size_t>(
        std::count_if(sessions.begin(), sessions.end(), [&](const boot::Session& session) {
            return session.disk.kind == kind && session.disk.name == name;
        }));
}

json::array mac_array(const std::vector<Mac>& macs) {
    json::array array;
    for (const Mac mac : macs) {
        array.emplace_back(mac.text());
    }
    return array;
}

json::value address_value(const std::optional<Ipv4>& address) {
    return address ? json::value(address->text()) : json::value(nullptr);
}

template <class Row, class Render>
json::array array_of(const std::vector<Row>& rows, Render render) {
    json::array array;
    for (const Row& row : rows) {
        array.push_back(render(row));
    }
    return array;
}

json::value optional_number(std::optional<std::uint64_t> number) {
    return number ? json::value(*number) : json::value(nullptr);
}

/// Of something with a limit or without one (null).
json::object use_json(const images::SpaceUse& use) {
    return {{"used_bytes", use.used_bytes},
            {"limit_bytes", use.limit_bytes == 0 ? json::value(nullptr) : json::value(use.limit_bytes)},
            {"alarm", use.alarm},
            {"full", use.full}};
}

/// Who must be proved; never the secret.
json::value user_json(const images::ChapIdentity& identity) {
    return identity.empty() ? json::value(nullptr) : json::value(identity.user);
}

} // namespace

std::string_view state_name(MachineState state) {
    switch (state) {
    case MachineState::off:
        return "off";
    case MachineState::booting:
        return "booting";
    case MachineState::running:
        return "running";
    case MachineState::failed:
        return "failed";
    }
    return "off";
}

MachineState machine_state(const fleet::Boot* newest, std::size_t sessions, WallTime now) {
    if (newest == nullptr) {
        return sessions > 0 ? MachineState::running : MachineState::off;
    }
    switch (newest->outcome) {
    case fleet::BootOutcome::failed:
    case fleet::BootOutcome::refused:
        return MachineState::failed;
    case fleet::BootOutcome::running:
        return sessions > 0 ? MachineState::running : MachineState::off;
    case fleet::BootOutcome::ended:
        return MachineState::off;
    case fleet::BootOutcome::in_progress:
        break;
    }
    const WallTime last_sign =
        newest->stages.empty() ? newest->started : newest->stages.back().when;
    return sessions > 0 || now - last_sign < boot_silence ? MachineState::booting
                                                          : MachineState::off;
}

// --- machines and boots

json::object Model::boot_json(const fleet::Boot& boot, const fleet::FleetView& view) const {
    json::array stages;
    for (const fleet::StageTime& stage : boot.stages) {
        stages.push_back(json::object{{"stage", fleet::stage_name(stage.stage)},
                                      {"when", time_json(stage.when)},
                                      {"after_ms", time_json(stage.when) - time_json(boot.started)},
                                      {"detail", stage.detail}});
    }
    const fleet::Machine* machine = boot.machine ? view.find(*boot.machine) : nullptr;
    return {{"id", boot.id},
            {"machine", machine == nullptr ? json::value(nullptr) : json::value(machine->name)},
            {"mac", boot.mac.text()},
            {"generation", boot.generation},
            {"started", time_json(boot.started)},
            {"image", boot.image.empty() ? json::value(nullptr) : json::value(boot.image)},
            {"version", boot.version == 0 ? json::value(nullptr) : json::value(boot.version)},
            {"outcome", fleet::outcome_name(boot.outcome)},
            {"reason", boot.reason},
            {"stages", std::move(stages)}};
}

json::object Model::machine_json(const fleet::Machine& machine, const Seen& seen) const {
    json::array retired;
    for (const fleet::RetiredMac& old : machine.retired) {
        retired.push_back(json::object{{"mac", old.mac.text()},
                                       {"replaced_by", old.replaced_by.text()},
                                       {"generation", old.generation},
                                       {"when", time_json(old.when)}});
    }
    // A replaced PC that still tries is no boot of the machine as it is.
    const auto boots = parts_.registry.boots(machine.id, boots_listed_max);
    const auto newest = std::find_if(boots.begin(), boots.end(), [&](const fleet::Boot& boot) {
        return boot.generation == machine.generation;
    });
    const fleet::Boot* boot = newest == boots.end() ? nullptr : &*newest;
    const std::size_t sessions = sessions_on(seen.sessions, Kind::machine, machine.name);
    return {{"name", machine.name},
            {"macs", mac_array(machine.macs)},
            {"image", machine.image},
            {"mode", fleet::mode_name(machine.mode)},
            {"address", address_value(machine.address)},
            {"quota_bytes", optional_number(machine.quota_bytes)},
            {"group", machine.group.empty() ? json::value(nullptr) : json::value(machine.group)},
            {"disk", use_json(parts_.store.space().machine(machine.name))},
            {"generation", machine.generation},
            {"retired", std::move(retired)},
            {"target", parts_.disks.names().machine_target(machine.name)},
            {"initiator", parts_.disks.names().initiator(machine)},
            {"state", state_name(machine_state(boot, sessions, parts_.clock.wall()))},
            {"sessions", sessions},
            {"boot",
             boot == nullptr ? json::value(nullptr) : json::value(boot_json(*boot, *seen.view))}};
}

json::array Model::machines() const {
    const Seen seen = look();
    return array_of(seen.view->machines(),
                    [&](const fleet::Machine& machine) { return machine_json(machine, seen); });
}

std::optional<json::object> Model::machine(std::string_view name) const {
    const Seen seen = look();
    const fleet::Machine* machine = seen.view->find(name);
    return machine == nullptr ? std::nullopt : std::optional(machine_json(*machine, seen));
}

json::array Model::boots(std::optional<fleet::MachineId> machine, std::size_t most) const {
    const auto view = parts_.registry.view();
    return array_of(parts_.registry.boots(machine, most),
                    [&](const fleet::Boot& boot) { return boot_json(boot, *view); });
}

std::optional<json::object> Model::boot(fleet::BootId id) const {
    const auto boot = parts_.registry.boot(id);
    return boot ? std::optional(boot_json(*boot, *parts_.registry.view())) : std::nullopt;
}

// --- unknown machines

std::string Model::proposed_name(const fleet::FleetView& view) {
    if (view.machines().empty()) {
        return "pc-01";
    }
    const std::string& last = view.machines().back().name; // they are sorted
    const std::size_t digits = last.find_last_not_of("0123456789") + 1;
    const std::string stem = digits == last.size() ? last + "-" : last.substr(0, digits);
    const std::size_t width = std::max<std::size_t>(last.size() - digits, 1);
    for (std::uint64_t number =
             parse_number<std::uint64_t>(std::string_view(last).substr(digits)).value_or(1) + 1;
         ;
         ++number) {
        std::string text = std::to_string(number);
        text.insert(0, width > text.size() ? width - text.size() : 0, '0');
        if (view.find(stem + text) == nullptr) {
            return stem + text;
        }
    }
}

json::object Model::unknown_json(const fleet::UnknownMachine& unknown,
                                 const std::string& proposed) const {
    const bool waiting =
        unknown.waiting && parts_.clock.wall() - unknown.last_seen < waiting_sign_of_life;
    return {{"mac", unknown.mac.text()},
            {"uuid", unknown.uuid ? json::value(unknown.uuid->text()) : json::value(nullptr)},
            {"architecture", unknown.architecture},
            {"manufacturer", unknown.manufacturer},
            {"product", unknown.product},
            {"serial", unknown.serial},
            {"address", address_value(unknown.address)},
            {"first_seen", time_json(unknown.first_seen)},
            {"last_seen", time_json(unknown.last_seen)},
            {"waiting", waiting},
            {"proposed_name", proposed}};
}

json::array Model::unknown() const {
    auto rows = parts_.registry.unknown();
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        return a.first_seen > b.first_seen;
    });
    const std::string proposed = proposed_name(*parts_.registry.view());
    return array_of(rows,
                    [&](const fleet::UnknownMachine& row) { return unknown_json(row, proposed); });
}

std::optional<json::object> Model::unknown(Mac mac) const {
    const auto rows = parts_.registry.unknown();
    const auto row = std::find_if(
        rows.begin(), rows.end(), [mac](const auto& other) { return other.mac == mac; });
    return row == rows.end()
               ? std::nullopt
               : std::optional(unknown_json(*row, proposed_name(*parts_.registry.view())));
}

// --- disks

json::object Model::space() const {
    const images::SpaceReport report = parts_.store.space().report();
    const auto forecast = [this](const images::SpaceUse& use, const std::string& what) {
        json::object object = use_json(use);
        const auto days = parts_.store.days_until_full(what);
        object["full_in_days"] = days ? json::value(*days) : json::value(nullptr);
        return object;
    };
    json::array groups = array_of(report.groups, [&](const images::SpaceUse& group) {
        json::object object = forecast(group, "group/" + group.name);
        object["name"] = group.name;
        return object;
    });
    return {{"file_system", forecast(report.file_system, "file-system")},
            {"store", forecast(report.store, "store")},
            {"groups", std::move(groups)}};
}

json::object Model::image_json(const images::ImageInfo& image) const {
    return {{"name", image.version.image},
            {"version", image.version.number},
            {"size_bytes", image.version.identity.virtual_size},
            {"stored_bytes", image.stored_bytes},
            {"created", time_json(image.version.created)},
            {"file", parts_.store.file_path(image.version.file)},
            {"machines", text_array(image.machines)},
            {"versions", versions_json(image.version.image)},
            {"releases", releases_json(image.version.image)},
            {"maintenance", maintenance_json(image.version.image)},
            {"content", content_json(image.content)}};
}

json::object Model::content_json(const images::LayerContent& content) {
    json::object all{{"file", content.file}, {"digest", nullptr}, {"verified", nullptr}, {"damage", json::array()}, {"problem", nullptr}};
    if (!content.problem.empty()) {
        all["problem"] = content.problem;
    }
    if (content.state) {
        all["digest"] = content.state->root;
        all["verified"] = content.state->verified ? json::value(time_json(*content.state->verified))
                                                  : json::value(nullptr);
        all["damage"] = array_of(content.state->damage, [](const images::File::Stretch& bytes) {
            return json::object{{"offset", bytes.offset}, {"length", bytes.length}};
        });
    }
    all["verifying_bytes"] =
        content.verifying ? json::value(content.verified_bytes) : json::value(nullptr);
    return all;
}

Result<json::array> Model::images() const {
    const auto rows = parts_.store.images();
    if (!rows) {
        return rows.error();
    }
    return array_of(*rows, [&](const images::ImageInfo& row) { return image_json(row); });
}

json::object Model::volume_json(const images::VolumeRow& volume, const Seen& seen) const {
    return {{"name", volume.name},
            {"size_bytes", volume.size_bytes},
            {"initiators", text_array(volume.initiators)},
            {"chap_user", user_json(volume.options.chap)},
            {"mutual_chap_user", user_json(volume.options.mutual_chap)},
            {"read_only", volume.options.read_only},
            {"kind", images::kind_name(volume.options.kind)},
            {"volatile", volume.options.kind == images::VolumeKind::memory_only},
            {"block_size", volume.options.block_size},
            {"iso",
             volume.options.iso.empty() ? json::value(nullptr) : json::value(volume.options.iso)},
            {"moved_to",
             volume.options.moved_to.empty() ? json::value(nullptr)
                                             : json::value(volume.options.moved_to)},
            {"target", parts_.disks.names().volume_target(volume.name)},
            {"created", time_json(volume.created)},
            {"sessions", sessions_on(seen.sessions, Kind::volume, volume.name)}};
}

Result<json::array> Model::volumes() const {
    const auto rows = parts_.store.volumes();
    if (!rows) {
        return rows.error();
    }
    const Seen seen = look();
    return array_of(*rows, [&](const images::VolumeRow& row) { return volume_json(row, seen); });
}

json::object Model::session_json(const boot::Session& session) {
    const bool of_machine = session.disk.kind == Kind::machine;
    const json::value name(session.disk.name);
    return {{"id", session.id},
            {"target", session.target},
            {"machine", of_machine ? name : json::value(nullptr)},
            {"volume", of_machine ? json::value(nullptr) : name},
            {"initiator", session.initiator},
            {"address", session.address},
            {"portal", session.portal},
            {"isid", hex(session.isid)},
            {"generation", session.generation},
            {"boot", session.boot == 0 ? json::value(nullptr) : json::value(session.boot)},
            {"since", time_json(session.since)}};
}

json::array Model::sessions() const {
    return array_of(parts_.disks.sessions(), session_json);
}

std::optional<json::object> Model::session(boot::SessionId id) const {
    const auto session = parts_.disks.session(id);
    return session ? std::optional(session_json(*session)) : std::nullopt;
}

// --- the server

Result<json::array> Model::leases() const {
    auto rows = parts_.leases();
    if (!rows) {
        return rows.error();
    }
    std::sort(rows->begin(), rows->end(), [](const auto& a, const auto& b) {
        return a.address < b.address;
    });
    const auto view = parts_.registry.view();
    return array_of(*rows, [&](const dhcp::Lease& lease) -> json::object {
        const fleet::MacOwner owner = view->owner(lease.mac);
        const bool present = owner.machine != nullptr && owner.retired == nullptr;
        return {{"address", lease.address.text()},
                {"mac", lease.mac.text()},
                {"host_name", lease.host_name},
                {"machine", present ? json::value(owner.machine->name) : json::value(nullptr)},
                {"granted", time_json(lease.granted)},
                {"expires", time_json(lease.expires)}};
    });
}

json::object Model::log_json(const LogEvent& event) {
    json::object fields;
    for (const auto& [key, value] : event.fields) {
        fields[key] = std::visit([](const auto& held) { return json::value(held); }, value);
    }
    return {{"id", event.id},
            {"when", time_json(event.when)},
            {"level", level_name(event.level)},
            {"event", event.name},
            {"fields", std::move(fields)}};
}

json::object Model::status() const {
    const auto machine_rows = machines();
    const auto in_state = [&](std::string_view state) {
        return std::count_if(machine_rows.begin(), machine_rows.end(), [&](const json::value& row) {
            return row.as_object().at("state").as_string() == state;
        });
    };
    const auto unknown_rows = unknown();
    const auto waiting =
        std::count_if(unknown_rows.begin(), unknown_rows.end(), [](const json::value& row) {
            return row.as_object().at("waiting").as_bool();
        });
    const auto disk = parts_.files.space(parts_.facts.data_directory);
    const auto image_rows = parts_.store.images();
    const auto volume_rows = parts_.store.volumes();
    const boot::Settings& settings = parts_.settings;
    return {{"name", parts_.facts.name},
            {"version", version()},
            {"started", time_json(parts_.facts.started)},
            {"time", time_json(parts_.clock.wall())},
            {"address", settings.address.text()},
            {"http_port", settings.http_port},
            {"iscsi_port", settings.iscsi_port},
            {"iqn_prefix", settings.names.iqn_prefix},
            {"url", settings.base_url() + "/"},
            {"dhcp", parts_.facts.dhcp_mode},
            {"config", parts_.facts.config_file},
            {"data",
             json::object{{"path", parts_.facts.data_directory},
                          {"total_bytes", disk ? disk->total_bytes : 0},
                          {"free_bytes", disk ? disk->free_bytes : 0}}},
            {"space", space()},
            {"counts",
             json::object{{"machines", machine_rows.size()},
                          {"running", in_state("running")},
                          {"booting", in_state("booting")},
                          {"unknown", unknown_rows.size()},
                          {"waiting", waiting},
                          {"images", image_rows ? image_rows->size() : 0},
                          {"volumes", volume_rows ? volume_rows->size() : 0},
                          {"sessions", parts_.disks.sessions().size()}}}};
}

} // namespace rootstock::api
