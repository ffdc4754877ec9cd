#include "fleet/registry.hpp"

#include "core/text.hpp"
#include "fleet/limits.hpp"
#include "fleet/machine_rules.hpp"

#include <algorithm>
#include <array>

namespace rootstock::fleet {

namespace {

constexpr std::size_t chap_secret_bytes = 16; // 128 bits, above the 96 that RFC 7143 section 12.1.3 asks for

std::string new_secret(Random& random) {
    std::array<std::uint8_t, chap_secret_bytes> bytes{};
    random.fill(bytes);
    return hex(bytes);
}

BootOwner boot_owner(const MacOwner& owner) {
    if (owner.machine == nullptr) {
        return {};
    }
    return {owner.machine->id, owner.retired != nullptr ? owner.retired->generation : owner.machine->generation};
}

bool share_a_mac(const std::vector<Mac>& a, const std::vector<Mac>& b) {
    return std::find_first_of(a.begin(), a.end(), b.begin(), b.end()) != a.end();
}

/// What `change` does, for the audit trail: "image=debian12 mode=reset".
std::string describe(const Machine& before, const Machine& after) {
    std::vector<std::string> parts;
    if (before.macs != after.macs) {
        parts.push_back("mac=" + mac_list(after.macs));
    }
    if (before.image != after.image) {
        parts.push_back("image=" + after.image);
    }
    if (before.mode != after.mode) {
        parts.push_back("mode=" + std::string(mode_name(after.mode)));
    }
    if (before.address != after.address) {
        parts.push_back("address=" + (after.address ? after.address->text() : "none"));
    }
    if (before.quota_bytes != after.quota_bytes) {
        parts.push_back("quota=" + (after.quota_bytes ? std::to_string(*after.quota_bytes) : "default"));
    }
    if (before.group != after.group) {
        parts.push_back("group=" + (after.group.empty() ? "none" : after.group));
    }
    return join(parts, " ");
}

} // namespace

Registry::Registry(Store& store, Random& random, const Clock& clock)
    : store_(store), random_(random), clock_(clock), writer_([this] { return write_activity(); }) {}

Result<void> Registry::load() {
    auto machines = store_.load_machines();
    if (!machines) {
        return machines.error();
    }
    auto unknown = store_.load_unknown();
    if (!unknown) {
        return unknown.error();
    }
    auto boots = store_.load_boots(std::nullopt, machines->size() * boots_per_machine_max + boots_without_machine_max);
    if (!boots) {
        return boots.error();
    }
    view_.publish(FleetView(std::move(*machines)));
    std::lock_guard lock(activity_mutex_);
    unknown_.restore(std::move(*unknown));
    boots_.restore(std::move(*boots), moment());
    return {};
}

Result<Machine> Registry::assign(const NewMachine& wanted, std::string_view by) {
    if (wanted.mode == Mode::maintenance) {
        return only_by_update();
    }
    Machine machine;
    machine.name = wanted.name;
    machine.macs = wanted.macs;
    machine.image = wanted.image;
    machine.mode = wanted.mode;
    machine.address = wanted.address;
    machine.quota_bytes = wanted.quota_bytes;
    machine.group = wanted.group;
    std::unique_lock lock(change_mutex_);
    auto put_machine = put(machine, "machine.assign", mac_list(machine.macs) + " image=" + machine.image, by);
    lock.unlock();
    if (put_machine) {
        listeners_.tell({Change::Kind::machine_assigned, machine.name, machine.macs.front(), 0});
    }
    return put_machine;
}

Result<Machine> Registry::change(const std::string& name, const MachineChange& change, std::string_view by) {
    std::unique_lock lock(change_mutex_);
    const auto view = view_.get();
    const Machine* before = view->find(name);
    if (before == nullptr) {
        return no_such_machine(name, *view);
    }
    if (auto allowed = check_maintenance(*before, change); !allowed) {
        return allowed.error();
    }
    Machine after = *before;
    after.image = change.image.value_or(after.image);
    after.mode = change.mode.value_or(after.mode);
    after.address = change.address.value_or(after.address);
    after.quota_bytes = change.quota_bytes.value_or(after.quota_bytes);
    after.group = change.group.value_or(after.group);
    auto kind = Change::Kind::machine_changed;
    if (change.macs && !change.macs->empty() && !share_a_mac(*change.macs, after.macs)) {
        replace_macs(after, *change.macs, clock_.wall()); // no card stays: another PC, and the old one must be fenced
        kind = Change::Kind::machine_replaced;
    } else if (change.macs) {
        after.macs = *change.macs;
    }
    return put_changed(*before, after, kind, std::move(lock), by);
}

Result<Machine> Registry::put_changed(const Machine& before, const Machine& after, Change::Kind kind, std::unique_lock<std::mutex> lock,
                                      std::string_view by) {
    const std::string detail = describe(before, after);
    if (detail.empty()) {
        return after;
    }
    auto changed = put(after, "machine.change", detail, by);
    lock.unlock();
    if (changed) {
        listeners_.tell({kind, after.name, changed->macs.front(), 0});
    }
    return changed;
}

Result<Machine> Registry::begin_maintenance(const std::string& name, std::string_view by) { return set_mode(name, true, by); }
Result<Machine> Registry::end_maintenance(const std::string& name, std::string_view by) { return set_mode(name, false, by); }

Result<Machine> Registry::set_mode(const std::string& name, bool in_maintenance, std::string_view by) {
    std::unique_lock lock(change_mutex_);
    const auto view = view_.get();
    const Machine* before = view->find(name);
    if (before == nullptr) {
        return no_such_machine(name, *view);
    }
    if ((before->mode == Mode::maintenance) == in_maintenance) {
        return *before;
    }
    Machine after = *before;
    after.former_mode = before->mode;
    after.mode = in_maintenance ? Mode::maintenance : before->former_mode;
    return put_changed(*before, after, Change::Kind::machine_changed, std::move(lock), by);
}

Result<Machine> Registry::replace(const std::string& name, Mac with, std::string_view by) {
    std::unique_lock lock(change_mutex_);
    const auto view = view_.get();
    const Machine* before = view->find(name);
    if (before == nullptr) {
        return no_such_machine(name, *view);
    }
    if (std::find(before->macs.begin(), before->macs.end(), with) != before->macs.end()) {
        return make_error(std::errc::file_exists, with.text() + " is the PC of machine " + name + " already");
    }
    Machine after = *before;
    replace_macs(after, {with}, clock_.wall());
    auto replaced = put(after, "machine.replace", mac_list(before->macs) + " -> " + with.text(), by);
    lock.unlock();
    if (replaced) {
        listeners_.tell({Change::Kind::machine_replaced, name, with, 0});
    }
    return replaced;
}

Result<void> Registry::remove(const std::string& name, std::string_view by) {
    std::unique_lock lock(change_mutex_);
    const auto view = view_.get();
    const Machine* machine = view->find(name);
    if (machine == nullptr) {
        return no_such_machine(name, *view);
    }
    if (machine->mode == Mode::maintenance) {
        return in_maintenance(*machine);
    }
    if (auto removed = store_.remove_machine(machine->id); !removed) {
        return removed;
    }
    audit("machine.remove", name, mac_list(machine->macs), by);
    std::vector<Machine> machines = view->machines();
    std::erase_if(machines, [machine](const Machine& other) { return other.id == machine->id; });
    view_.publish(FleetView(std::move(machines)));
    {
        std::lock_guard activity(activity_mutex_);
        boots_.forget_machine(machine->id);
    }
    writer_.poke();
    lock.unlock();
    listeners_.tell({Change::Kind::machine_removed, name, machine->macs.front(), 0});
    return {};
}

/// What was done is durable; a trail that cannot be written does not undo it.
void Registry::audit(std::string_view action, std::string_view object, std::string_view detail, std::string_view by) {
    static_cast<void>(store_.add_audit(action, object, detail, by));
}

/// Checks, writes and publishes. The caller holds change_mutex_.
Result<Machine> Registry::put(const Machine& machine, std::string_view action, std::string_view detail, std::string_view by) {
    if (auto checked = check_machine(machine, *view_.get()); !checked) {
        return checked.error();
    }
    auto stored = store_.put_machine(machine);
    if (!stored) {
        return stored;
    }
    audit(action, machine.name, detail, by);
    publish(*stored);
    std::lock_guard lock(activity_mutex_);
    for (const Mac mac : stored->macs) {
        unknown_.erase(mac);
    }
    return stored;
}

/// The view with `machine` in it. A MAC that is present again is retired nowhere.
void Registry::publish(const Machine& machine) {
    std::vector<Machine> machines = view_.get()->machines();
    std::erase_if(machines, [&](const Machine& other) { return other.id == machine.id; });
    for (Machine& other : machines) {
        std::erase_if(other.retired, [&](const RetiredMac& retired) {
            return std::find(machine.macs.begin(), machine.macs.end(), retired.mac) != machine.macs.end();
        });
    }
    machines.push_back(machine);
    view_.publish(FleetView(std::move(machines)));
}

void Registry::saw_unknown(const UnknownMachine& facts) {
    if (const MacOwner owner = view()->owner(facts.mac); owner.machine != nullptr && owner.retired == nullptr) {
        return; // assigned a moment ago
    }
    bool changed = false;
    {
        std::lock_guard lock(activity_mutex_);
        changed = unknown_.merge(facts, clock_.wall());
    }
    writer_.poke();
    if (changed) {
        listeners_.tell({Change::Kind::unknown_changed, {}, facts.mac, 0});
    }
}

void Registry::unknown_waiting(Mac mac, bool waiting) {
    bool changed = false;
    {
        std::lock_guard lock(activity_mutex_);
        changed = unknown_.set_waiting(mac, waiting, clock_.wall());
    }
    if (changed) {
        writer_.poke();
        listeners_.tell({Change::Kind::unknown_changed, {}, mac, 0});
    }
}

Result<void> Registry::forget_unknown(Mac mac) {
    bool known = false;
    {
        std::lock_guard lock(activity_mutex_);
        known = unknown_.erase(mac);
    }
    if (!known) {
        return make_error(std::errc::no_such_file_or_directory, "there is no unknown machine " + mac.text());
    }
    auto removed = store_.remove_unknown(mac);
    listeners_.tell({Change::Kind::unknown_changed, {}, mac, 0});
    return removed;
}

std::vector<UnknownMachine> Registry::unknown() const {
    std::lock_guard lock(activity_mutex_);
    return unknown_.all();
}

BootId Registry::stage(Mac mac, Stage stage, std::string detail) {
    const BootOwner owner = boot_owner(view()->owner(mac));
    BootLog::Sighting sighting;
    {
        std::lock_guard lock(activity_mutex_);
        sighting = boots_.see(mac, stage, detail, owner, moment());
    }
    if (sighting.changed) {
        tell_boot(sighting.id);
    }
    return sighting.id;
}

Result<Boot> Registry::begin_disk_boot(Mac mac) {
    const auto fleet = view();
    const MacOwner owner = fleet->owner(mac);
    if (owner.machine == nullptr || owner.retired != nullptr) {
        return make_error(std::errc::permission_denied, mac.text() + " is no machine's PC, there is no disk for it");
    }
    Boot boot;
    {
        std::lock_guard lock(activity_mutex_);
        Boot& present = boots_.disk_boot(mac, boot_owner(owner), moment());
        if (present.chap_secret.empty()) {
            present.chap_secret = new_secret(random_);
        }
        boot = present;
    }
    auto stored = save_boot(boot.id);
    tell_boot(boot.id);
    if (!stored) {
        return stored.error();
    }
    return boot;
}

std::optional<Boot> Registry::boot(BootId id) const {
    std::lock_guard lock(activity_mutex_);
    const Boot* boot = boots_.find(id);
    return boot == nullptr ? std::nullopt : std::optional(*boot);
}

void Registry::boot_disk(BootId id, const std::string& image, std::uint32_t version) {
    bool changed = false;
    {
        std::lock_guard lock(activity_mutex_);
        changed = boots_.set_disk(id, image, version);
    }
    if (changed) {
        tell_boot(id);
    }
}

void Registry::boot_stage(BootId id, Stage stage, std::string detail) {
    bool changed = false;
    {
        std::lock_guard lock(activity_mutex_);
        changed = boots_.stage(id, stage, detail, moment());
    }
    if (changed) {
        tell_boot(id);
    }
}

Result<void> Registry::save_boot(BootId id) {
    const std::lock_guard writing(write_mutex_);
    const auto present = boot(id);
    if (!present) {
        return {}; // pushed out by newer ones
    }
    if (auto stored = store_.put_boot(*present); !stored) {
        return stored.error();
    }
    return {};
}

void Registry::boot_ended(BootId id, BootOutcome outcome, std::string reason) {
    bool changed = false;
    {
        std::lock_guard lock(activity_mutex_);
        changed = boots_.end(id, outcome, reason);
    }
    if (changed) {
        tell_boot(id);
    }
}

std::vector<Boot> Registry::boots(std::optional<MachineId> machine, std::size_t most) const {
    std::lock_guard lock(activity_mutex_);
    return boots_.newest(machine, most);
}

std::shared_ptr<void> Registry::listen(Listener listener) { return listeners_.add(std::move(listener)); }

void Registry::tell_boot(BootId id) {
    writer_.poke();
    Change change;
    change.kind = Change::Kind::boot_changed;
    change.boot = id;
    if (const auto boot = this->boot(id)) {
        change.mac = boot->mac;
        const auto fleet = view();
        if (const Machine* machine = boot->machine ? fleet->find(*boot->machine) : nullptr) {
            change.machine = machine->name;
        }
    }
    listeners_.tell(change);
}

/// On the writer's thread: all that changed since the last time, in one transaction.
bool Registry::write_activity() {
    const std::lock_guard writing(write_mutex_);
    std::vector<Boot> boots;
    std::vector<UnknownMachine> unknown;
    {
        std::lock_guard lock(activity_mutex_);
        boots = boots_.take_changed();
        unknown = unknown_.take_changed();
    }
    if ((boots.empty() && unknown.empty()) || store_.save_activity(boots, unknown)) {
        return true;
    }
    std::lock_guard lock(activity_mutex_);
    boots_.mark_changed(boots);
    unknown_.mark_changed(unknown);
    return false;
}

} // namespace rootstock::fleet
