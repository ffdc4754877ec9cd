// A fleet::Store in memory that can be told to fail: for tests of what happens around the store. Tests of storing itself use db/.
#pragma once

#include "fleet/store.hpp"

#include <algorithm>
#include <map>
#include <mutex>

namespace rootstock::test {

class MemoryFleetStore final : public fleet::Store {
  public:
    struct Audit {
        std::string action, object, detail, by;
    };

    /// From now on every write fails.
    void fail(bool failing) {
        std::lock_guard lock(mutex_);
        failing_ = failing;
    }
    [[nodiscard]] std::vector<Audit> audit() const {
        std::lock_guard lock(mutex_);
        return audit_;
    }
    [[nodiscard]] int writes() const {
        std::lock_guard lock(mutex_);
        return writes_;
    }

    Result<std::vector<fleet::Machine>> load_machines() override { return values(machines_); }
    Result<fleet::Machine> put_machine(const fleet::Machine& machine) override {
        std::lock_guard lock(mutex_);
        if (auto allowed = count_write(); !allowed) {
            return allowed.error();
        }
        fleet::Machine stored = machine;
        if (stored.id == 0) {
            stored.id = ++last_machine_;
        }
        for (const Mac mac : stored.macs) {
            unknown_.erase(mac);
        }
        machines_[stored.id] = stored;
        return stored;
    }
    Result<void> remove_machine(fleet::MachineId id) override {
        std::lock_guard lock(mutex_);
        machines_.erase(id);
        return count_write();
    }
    Result<std::vector<fleet::UnknownMachine>> load_unknown() override { return values(unknown_); }
    Result<void> put_unknown(const fleet::UnknownMachine& unknown) override {
        std::lock_guard lock(mutex_);
        unknown_[unknown.mac] = unknown;
        return count_write();
    }
    Result<void> remove_unknown(Mac mac) override {
        std::lock_guard lock(mutex_);
        unknown_.erase(mac);
        return count_write();
    }
    Result<fleet::BootId> put_boot(const fleet::Boot& boot) override {
        std::lock_guard lock(mutex_);
        if (auto allowed = count_write(); !allowed) {
            return allowed.error();
        }
        fleet::Boot stored = boot;
        if (stored.id == 0) {
            stored.id = boots_.empty() ? 1 : boots_.rbegin()->first + 1;
        }
        boots_[stored.id] = stored;
        return stored.id;
    }
    Result<void> save_activity(const std::vector<fleet::Boot>& boots, const std::vector<fleet::UnknownMachine>& unknown) override {
        std::lock_guard lock(mutex_);
        if (auto allowed = count_write(); !allowed) {
            return allowed;
        }
        for (const fleet::Boot& boot : boots) {
            boots_[boot.id] = boot;
        }
        for (const fleet::UnknownMachine& machine : unknown) {
            unknown_[machine.mac] = machine;
        }
        return {};
    }
    Result<std::vector<fleet::Boot>> load_boots(std::optional<fleet::MachineId> machine, std::size_t most) override {
        std::vector<fleet::Boot> boots = values(boots_);
        std::reverse(boots.begin(), boots.end());
        std::erase_if(boots, [&](const fleet::Boot& boot) { return machine && boot.machine != machine; });
        boots.resize(std::min(most, boots.size()));
        return boots;
    }
    Result<std::vector<fleet::AppliedValue>> load_applied() override {
        std::lock_guard lock(mutex_);
        return applied_;
    }
    Result<void> replace_applied(const std::vector<fleet::AppliedValue>& values) override {
        std::lock_guard lock(mutex_);
        auto allowed = count_write();
        if (allowed) {
            applied_ = values;
        }
        return allowed;
    }
    Result<void> add_audit(std::string_view action, std::string_view object, std::string_view detail, std::string_view by) override {
        std::lock_guard lock(mutex_);
        audit_.push_back({std::string(action), std::string(object), std::string(detail), std::string(by)});
        return {};
    }

  private:
    template <class Key, class Value> std::vector<Value> values(const std::map<Key, Value>& map) const {
        std::lock_guard lock(mutex_);
        std::vector<Value> all;
        for (const auto& [key, value] : map) {
            all.push_back(value);
        }
        return all;
    }
    Result<void> count_write() {
        if (failing_) {
            return make_error(std::errc::no_space_on_device, "the disk is full");
        }
        ++writes_;
        return {};
    }

    mutable std::mutex mutex_; // guards everything below
    std::map<fleet::MachineId, fleet::Machine> machines_;
    std::map<Mac, fleet::UnknownMachine> unknown_;
    std::map<fleet::BootId, fleet::Boot> boots_;
    std::vector<fleet::AppliedValue> applied_;
    std::vector<Audit> audit_;
    fleet::MachineId last_machine_ = 0;
    int writes_ = 0;
    bool failing_ = false;
};

} // namespace rootstock::test
