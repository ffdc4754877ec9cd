// The rows of boots and unknown machines, for machine_store: on the writer's thread, inside its transaction.
#pragma once

#include "db/connection.hpp"
#include "fleet/machine.hpp"

namespace rootstock::db {

/// Inserts (id 0) or rewrites, with its stages; then drops the owner's oldest boots (fleet/limits.hpp).
[[nodiscard]] Result<fleet::BootId> write_boot(Connection& connection, const fleet::Boot& boot);
[[nodiscard]] Result<std::vector<fleet::Boot>> read_boots(Connection& connection, std::optional<fleet::MachineId> machine, std::size_t most);

/// Left out when a machine has the MAC by now.
[[nodiscard]] Result<void> write_unknown(Connection& connection, const fleet::UnknownMachine& unknown);
/// Drops those that were silent longest when there are too many.
[[nodiscard]] Result<void> prune_unknown(Connection& connection);
[[nodiscard]] Result<std::vector<fleet::UnknownMachine>> read_unknown(Connection& connection);

} // namespace rootstock::db
