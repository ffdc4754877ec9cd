// The rules of changing a machine, pure: what is refused and with which words, and what a replacement does to a machine.
#pragma once

#include "core/result.hpp"
#include "fleet/registry.hpp"

namespace rootstock::fleet {

/// Names, MACs and address are well-formed, and nobody else in `view` has them. `machine.id` tells which one it is itself.
[[nodiscard]] Result<void> check_machine(const Machine& machine, const FleetView& view);

/// The error for a machine that does not exist; suggests the nearest name.
[[nodiscard]] Error no_such_machine(std::string_view name, const FleetView& view);

/// Mode::maintenance comes by `image update` alone, and in it a machine keeps its image and its mode.
[[nodiscard]] Result<void> check_maintenance(const Machine& before, const MachineChange& change);
[[nodiscard]] Error only_by_update();
[[nodiscard]] Error in_maintenance(const Machine& machine);

/// `macs` take the place of the present ones: those that leave are retired in their generation, and the generation rises.
void replace_macs(Machine& machine, std::vector<Mac> macs, WallTime now);

/// "52:54:00:aa:00:07, 52:54:00:aa:00:08".
[[nodiscard]] std::string mac_list(const std::vector<Mac>& macs);

} // namespace rootstock::fleet
