// The fleet in SQLite: machines, unknown machines, boots, what was applied, who did what. The only SQL about them.
#pragma once

#include "core/clock.hpp"
#include "db/writer.hpp"
#include "fleet/store.hpp"

namespace rootstock::db {

class MachineStore final : public fleet::Store {
  public:
    MachineStore(Writer& writer, const Clock& clock) : writer_(writer), clock_(clock) {}

    Result<std::vector<fleet::Machine>> load_machines() override;
    Result<fleet::Machine> put_machine(const fleet::Machine& machine) override;
    Result<void> remove_machine(fleet::MachineId id) override;

    Result<std::vector<fleet::UnknownMachine>> load_unknown() override;
    Result<void> put_unknown(const fleet::UnknownMachine& unknown) override;
    Result<void> remove_unknown(Mac mac) override;

    Result<fleet::BootId> put_boot(const fleet::Boot& boot) override;
    Result<void> save_activity(const std::vector<fleet::Boot>& boots, const std::vector<fleet::UnknownMachine>& unknown) override;
    Result<std::vector<fleet::Boot>> load_boots(std::optional<fleet::MachineId> machine, std::size_t most) override;

    Result<std::vector<fleet::AppliedValue>> load_applied() override;
    Result<void> replace_applied(const std::vector<fleet::AppliedValue>& values) override;

    /// The oldest entries go when there are too many.
    Result<void> add_audit(std::string_view action, std::string_view object, std::string_view detail, std::string_view by) override;

  private:
    Writer& writer_;
    const Clock& clock_;
};

} // namespace rootstock::db
