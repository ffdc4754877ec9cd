#include "fleet/unknown_list.hpp"

#include "fleet/limits.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace rootstock::fleet {

namespace {

bool merge_text(std::string& known, const std::string& said) {
    std::string text = plain_text(said);
    if (text.empty() || text == known) {
        return false;
    }
    known = std::move(text);
    return true;
}

template <class T> bool merge_value(std::optional<T>& known, const std::optional<T>& said) {
    if (!said || known == said) {
        return false;
    }
    known = said;
    return true;
}

} // namespace

void UnknownList::restore(std::vector<UnknownMachine> machines) {
    for (UnknownMachine& machine : machines) {
        machine.waiting = false; // nobody waits yet for a server that has just come up
        machines_.insert_or_assign(machine.mac, std::move(machine));
        while (machines_.size() > unknown_machines_max) {
            make_room();
        }
    }
}

bool UnknownList::merge(const UnknownMachine& facts, WallTime now) {
    bool changed = !machines_.contains(facts.mac);
    if (changed) {
        if (machines_.size() >= unknown_machines_max) {
            make_room();
        }
        UnknownMachine fresh;
        fresh.mac = facts.mac;
        fresh.first_seen = now;
        machines_.emplace(facts.mac, std::move(fresh));
    }
    UnknownMachine& known = machines_.at(facts.mac);
    changed |= merge_value(known.uuid, facts.uuid);
    changed |= merge_value(known.address, facts.address);
    changed |= merge_text(known.architecture, facts.architecture);
    changed |= merge_text(known.manufacturer, facts.manufacturer);
    changed |= merge_text(known.product, facts.product);
    changed |= merge_text(known.serial, facts.serial);
    known.last_seen = now;
    changed_.insert(facts.mac);
    return changed;
}

bool UnknownList::set_waiting(Mac mac, bool waiting, WallTime now) {
    const auto at = machines_.find(mac);
    if (at == machines_.end()) {
        return false;
    }
    at->second.last_seen = now;
    changed_.insert(mac);
    return std::exchange(at->second.waiting, waiting) != waiting;
}

bool UnknownList::erase(Mac mac) {
    changed_.erase(mac);
    return machines_.erase(mac) != 0;
}

std::vector<UnknownMachine> UnknownList::all() const {
    std::vector<UnknownMachine> all;
    all.reserve(machines_.size());
    for (const auto& [mac, machine] : machines_) {
        all.push_back(machine);
    }
    return all;
}

std::vector<UnknownMachine> UnknownList::take_changed() {
    std::vector<UnknownMachine> changed;
    for (const Mac mac : std::exchange(changed_, {})) {
        changed.push_back(machines_.at(mac));
    }
    return changed;
}

void UnknownList::mark_changed(const std::vector<UnknownMachine>& machines) {
    for (const UnknownMachine& machine : machines) {
        if (machines_.contains(machine.mac)) {
            changed_.insert(machine.mac);
        }
    }
}

/// Who waits at a screen stays before who was only heard of.
void UnknownList::make_room() {
    const auto oldest = std::min_element(machines_.begin(), machines_.end(), [](const auto& a, const auto& b) {
        return std::tie(a.second.waiting, a.second.last_seen) < std::tie(b.second.waiting, b.second.last_seen);
    });
    changed_.erase(oldest->first);
    machines_.erase(oldest);
}

} // namespace rootstock::fleet
