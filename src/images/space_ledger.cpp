#include "images/space_ledger.hpp"

#include "images/fill_level.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

constexpr std::string_view machine_word = "machine/";

bool is_machine(const std::string& disk) { return disk.starts_with(machine_word); }
std::string name_of(const std::string& disk) { return disk.substr(disk.find('/') + 1); }

std::string_view scope_name(SpaceScope scope) {
    switch (scope) {
    case SpaceScope::disk: return "machine";
    case SpaceScope::group: return "group";
    case SpaceScope::store: return "store";
    case SpaceScope::file_system: return "file-system";
    }
    return "store";
}

} // namespace

void SpaceLedger::set_limits(const SpaceLimits& limits) {
    std::lock_guard lock(mutex_);
    limits_ = limits;
    store_->set_limit(limits.store);
    std::map<std::string, std::shared_ptr<SpaceBudget>> groups;
    for (const auto& [name, quota] : limits.groups) {
        const auto known = groups_.find(name);
        const auto& group = groups[name] = known != groups_.end() ? known->second : std::make_shared<SpaceBudget>();
        group->set_limit(quota);
    }
    groups_ = std::move(groups);
    for (const auto& [disk, account] : accounts_) {
        limit(disk, *account);
    }
}

/// The limits that count for a disk. Volumes are of a size of their own, and count for the store alone.
void SpaceLedger::limit(const std::string& disk, SpaceAccount& account) {
    if (!is_machine(disk)) {
        return;
    }
    const auto own = limits_.machines.find(name_of(disk));
    account.set_limit(own != limits_.machines.end() && own->second.quota ? *own->second.quota : limits_.machine);
    const auto group = groups_.find(group_of(disk));
    account.join(group != groups_.end() ? group->second : nullptr);
}

std::string SpaceLedger::group_of(const std::string& disk) const {
    const auto own = limits_.machines.find(name_of(disk));
    return is_machine(disk) && own != limits_.machines.end() ? own->second.group : std::string();
}

std::shared_ptr<SpaceAccount> SpaceLedger::account(const std::string& disk) {
    std::lock_guard lock(mutex_);
    return account_locked(disk);
}

std::shared_ptr<SpaceAccount> SpaceLedger::account_locked(const std::string& disk) {
    std::shared_ptr<SpaceAccount>& found = accounts_[disk];
    if (!found) {
        found = std::make_shared<SpaceAccount>(store_);
        limit(disk, *found);
    }
    return found;
}

void SpaceLedger::forget(const std::string& disk) {
    std::lock_guard lock(mutex_);
    accounts_.erase(disk);
    told_.erase({SpaceScope::disk, name_of(disk)});
}

void SpaceLedger::set_disks(const std::map<std::string, std::uint64_t>& kept) {
    std::lock_guard lock(mutex_);
    std::erase_if(accounts_, [&](const auto& entry) { return !kept.contains(entry.first); });
    for (const auto& [disk, bytes] : kept) {
        account_locked(disk)->set_kept(bytes);
    }
    std::erase_if(told_, [&](const auto& entry) { return entry.first.scope == SpaceScope::disk && !accounts_.contains(std::string(machine_word) + entry.first.name); });
}

void SpaceLedger::set_masters(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    store_->change(masters_, bytes);
    masters_ = bytes;
}

void SpaceLedger::note_refusals() {
    for (const auto& [disk, account] : accounts_) {
        const std::string name = name_of(disk);
        for (const SpaceScope scope : {SpaceScope::disk, SpaceScope::group, SpaceScope::store, SpaceScope::file_system}) {
            if (account->take_refusal(scope)) {
                refused_.emplace(Key{scope, scope == SpaceScope::disk ? name : scope == SpaceScope::group ? group_of(disk) : ""}, disk);
            }
        }
    }
}

/// A run of refused writes is over once the alarm of 95 % is.
void SpaceLedger::review_one(const Key& key, std::uint64_t used, std::uint64_t limit) {
    const auto tell = [&](Level level, std::string_view event, const Field& more) {
        log_.write(level, event, {{"scope", scope_name(key.scope)}, {"name", key.name}, more, {"used_bytes", used}, {"limit_bytes", limit}});
    };
    const auto refused = refused_.find(key);
    Told told = told_[key];
    const unsigned alarm = fill_alarm(told.alarm, used, limit);
    if (alarm > told.alarm) {
        tell(Level::warning, "images.space.alarm", {"percent", alarm});
    } else if (alarm < told.alarm) {
        tell(Level::info, "images.space.eased", {"percent", alarm});
    }
    if (refused != refused_.end() && !told.full) {
        tell(Level::error, "images.space.refused", {"disk", refused->second});
    }
    told.full = refused != refused_.end() || (told.full && alarm == fill_alarms.back());
    told.alarm = alarm;
    told_[key] = told;
}

void SpaceLedger::review(const FileSystem::Space& space) {
    std::lock_guard lock(mutex_);
    space_ = space;
    note_refusals();
    review_one({SpaceScope::file_system, ""}, space.total_bytes - space.free_bytes, space.total_bytes);
    review_one({SpaceScope::store, ""}, store_->used(), store_->limit());
    for (const auto& [name, group] : groups_) {
        review_one({SpaceScope::group, name}, group->used(), group->limit());
    }
    for (const auto& [disk, account] : accounts_) {
        if (is_machine(disk)) {
            review_one({SpaceScope::disk, name_of(disk)}, account->used(), account->limit());
        }
    }
    refused_.clear();
}

SpaceUse SpaceLedger::use(const Key& key, std::uint64_t used, std::uint64_t limit) const {
    const auto told = told_.find(key);
    const Told state = told != told_.end() ? told->second : Told{};
    return {key.name, used, limit, state.alarm, state.full};
}

SpaceReport SpaceLedger::report() const {
    std::lock_guard lock(mutex_);
    SpaceReport report;
    report.file_system = use({SpaceScope::file_system, ""}, space_.total_bytes - space_.free_bytes, space_.total_bytes);
    report.store = use({SpaceScope::store, ""}, store_->used(), store_->limit());
    for (const auto& [name, group] : groups_) {
        report.groups.push_back(use({SpaceScope::group, name}, group->used(), group->limit()));
    }
    for (const auto& [disk, account] : accounts_) {
        if (is_machine(disk)) {
            report.machines.push_back(use({SpaceScope::disk, name_of(disk)}, account->used(), account->limit()));
        }
    }
    return report;
}

SpaceUse SpaceLedger::machine(const std::string& name) const {
    std::lock_guard lock(mutex_);
    const auto account = accounts_.find(std::string(machine_word) + name);
    if (account != accounts_.end()) {
        return use({SpaceScope::disk, name}, account->second->used(), account->second->limit());
    }
    const auto own = limits_.machines.find(name);
    return {name, 0, own != limits_.machines.end() && own->second.quota ? *own->second.quota : limits_.machine, 0, false};
}

} // namespace rootstock::images
