// Store: where the fleet survives; db/ implements it. Every call is one transaction and blocks until it is durable.
#pragma once

#include "core/result.hpp"
#include "fleet/machine.hpp"

namespace rootstock::fleet {

/// What `apply` remembers of the file's values, for the three-way comparison: key "machine/lab1-07/image" -> value as text.
struct AppliedValue {
    std::string key;
    std::string value;
};

class Store {
  public:
    virtual ~Store() = default;

    virtual Result<std::vector<Machine>> load_machines() = 0;
    /// Inserts (id 0) or rewrites a machine with its MACs and retired MACs; gives it back with its id. A MAC or name that another machine has is
    /// an error that names that machine.
    virtual Result<Machine> put_machine(const Machine& machine) = 0;
    virtual Result<void> remove_machine(MachineId id) = 0;

    virtual Result<std::vector<UnknownMachine>> load_unknown() = 0;
    virtual Result<void> put_unknown(const UnknownMachine& unknown) = 0;
    virtual Result<void> remove_unknown(Mac mac) = 0;

    /// Inserts a boot (id 0: the next one) and gives its id, or rewrites the boot of that id with its stages.
    virtual Result<BootId> put_boot(const Boot& boot) = 0;
    /// What may be written late and together: one transaction. Keeps the bounds of limits.hpp. A boot here never takes a secret away that
    /// put_boot wrote; an unknown MAC that meanwhile belongs to a machine is left out.
    virtual Result<void> save_activity(const std::vector<Boot>& boots, const std::vector<UnknownMachine>& unknown) = 0;
    /// Newest first. `machine`: only its boots. The chap secrets are included.
    virtual Result<std::vector<Boot>> load_boots(std::optional<MachineId> machine, std::size_t most) = 0;

    virtual Result<std::vector<AppliedValue>> load_applied() = 0;
    virtual Result<void> replace_applied(const std::vector<AppliedValue>& values) = 0;

    /// Who did what, for the audit trail: "machine.replace", "lab1-07", "52:54:00:aa:00:07 -> 52:54:00:bb:00:07", "cli".
    virtual Result<void> add_audit(std::string_view action, std::string_view object, std::string_view detail, std::string_view by) = 0;
};

} // namespace rootstock::fleet
