#include "fleet/registry.hpp"

#include <algorithm>

namespace rootstock::fleet {

FleetView::FleetView(std::vector<Machine> machines) : machines_(std::move(machines)) {
    std::sort(machines_.begin(), machines_.end(), [](const Machine& a, const Machine& b) { return a.name < b.name; });
    for (std::size_t at = 0; at < machines_.size(); ++at) {
        by_id_.emplace(machines_[at].id, at);
        if (machines_[at].address) {
            addresses_.insert(*machines_[at].address);
        }
        for (const Mac mac : machines_[at].macs) {
            by_mac_.emplace(mac, at);
        }
        for (std::size_t retired = 0; retired < machines_[at].retired.size(); ++retired) {
            by_retired_mac_.insert_or_assign(machines_[at].retired[retired].mac, std::pair(at, retired));
        }
    }
}

const Machine* FleetView::find(std::string_view name) const {
    const auto at = std::lower_bound(machines_.begin(), machines_.end(), name,
                                     [](const Machine& machine, std::string_view wanted) { return machine.name < wanted; });
    return at == machines_.end() || at->name != name ? nullptr : &*at;
}

const Machine* FleetView::find(MachineId id) const {
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? nullptr : &machines_[at->second];
}

MacOwner FleetView::owner(Mac mac) const {
    if (const auto present = by_mac_.find(mac); present != by_mac_.end()) {
        return {&machines_[present->second], nullptr};
    }
    if (const auto retired = by_retired_mac_.find(mac); retired != by_retired_mac_.end()) {
        const Machine& machine = machines_[retired->second.first];
        return {&machine, &machine.retired[retired->second.second]};
    }
    return {};
}

} // namespace rootstock::fleet
