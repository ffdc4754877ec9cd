#include "fleet/machine_rules.hpp"

#include "core/text.hpp"
#include "fleet/limits.hpp"

#include <algorithm>
#include <set>

namespace rootstock::fleet {

namespace {

Error invalid(std::string what) { return make_error(std::errc::invalid_argument, std::move(what)); }
Error taken(std::string what) { return make_error(std::errc::file_exists, std::move(what)); }

Result<void> check_form(const Machine& machine) {
    if (!is_valid_machine_name(machine.name)) {
        return invalid("'" + plain_text(machine.name) +
                       "' is no machine name: use a-z, 0-9 and inner hyphens, at most 63, like lab1-07");
    }
    if (!is_valid_store_name(machine.image)) {
        return invalid("machine " + machine.name + ": '" + plain_text(machine.image) +
                       "' is no image name: use a-z, 0-9 and inner . _ -, like win11-lab");
    }
    if (!machine.group.empty() && !is_valid_store_name(machine.group)) {
        return invalid("machine " + machine.name + ": '" + plain_text(machine.group) + "' is no group name: use a-z, 0-9 and inner . _ -, like lab1");
    }
    if (machine.macs.empty() || machine.macs.size() > macs_per_machine_max) {
        return invalid("machine " + machine.name + " has " + std::to_string(machine.macs.size()) +
                       " MAC addresses: 1 to " + std::to_string(macs_per_machine_max) + " are possible");
    }
    std::set<Mac> seen;
    for (const Mac mac : machine.macs) {
        if (!mac.is_station()) {
            return invalid(mac.text() + " is a group or empty address, no PC can have it");
        }
        if (!seen.insert(mac).second) {
            return invalid("machine " + machine.name + " names " + mac.text() + " twice");
        }
    }
    return {};
}

} // namespace

Result<void> check_machine(const Machine& machine, const FleetView& view) {
    if (auto form = check_form(machine); !form) {
        return form;
    }
    if (const Machine* same = view.find(machine.name); same != nullptr && same->id != machine.id) {
        return taken("a machine " + machine.name + " exists already (PC " + mac_list(same->macs) +
                     "); to give its disk to another PC, replace it");
    }
    if (machine.id == 0 && view.machines().size() >= machines_max) {
        return invalid("there are " + std::to_string(machines_max) + " machines already, which is the limit");
    }
    for (const Mac mac : machine.macs) {
        const MacOwner owner = view.owner(mac);
        if (owner.machine != nullptr && owner.retired == nullptr && owner.machine->id != machine.id) {
            return taken(mac.text() + " is the PC of machine " + owner.machine->name + "; remove or replace that one first");
        }
    }
    for (const Machine& other : view.machines()) {
        if (machine.address && other.address == machine.address && other.id != machine.id) {
            return taken("address " + machine.address->text() + " is reserved for machine " + other.name);
        }
    }
    return {};
}

Error no_such_machine(std::string_view name, const FleetView& view) {
    std::vector<std::string> names;
    for (const Machine& machine : view.machines()) {
        names.push_back(machine.name);
    }
    const auto nearest = nearest_word(name, names);
    return make_error(std::errc::no_such_file_or_directory,
                      "there is no machine '" + plain_text(name) + "'" + (nearest ? "; did you mean " + *nearest + "?" : ""));
}

Error only_by_update() {
    return invalid("maintenance is no mode to choose; let `rootstock image update IMAGE --on MACHINE` begin it");
}

Error in_maintenance(const Machine& machine) {
    return make_error(std::errc::operation_not_permitted,
                      "machine " + machine.name + " writes the next version of image " + machine.image +
                          "; publish it (rootstock image publish " + machine.image + ") or give it up (rootstock image update " +
                          machine.image + " --cancel) first");
}

Result<void> check_maintenance(const Machine& before, const MachineChange& change) {
    if (change.mode == Mode::maintenance && before.mode != Mode::maintenance) {
        return only_by_update();
    }
    const bool changes = (change.mode && *change.mode != before.mode) || (change.image && *change.image != before.image);
    return before.mode == Mode::maintenance && changes ? Result<void>(in_maintenance(before)) : Result<void>();
}

void replace_macs(Machine& machine, std::vector<Mac> macs, WallTime now) {
    const auto comes_back = [&](const RetiredMac& retired) { return std::find(macs.begin(), macs.end(), retired.mac) != macs.end(); };
    std::erase_if(machine.retired, comes_back);
    for (const Mac old : machine.macs) {
        machine.retired.push_back({old, macs.front(), machine.generation, now});
    }
    while (machine.retired.size() > retired_macs_per_machine_max) {
        machine.retired.erase(machine.retired.begin());
    }
    machine.macs = std::move(macs);
    ++machine.generation;
}

std::string mac_list(const std::vector<Mac>& macs) {
    std::vector<std::string> texts;
    for (const Mac mac : macs) {
        texts.push_back(mac.text());
    }
    return join(texts, ", ");
}

} // namespace rootstock::fleet
