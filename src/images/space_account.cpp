#include "images/space_account.hpp"

#include <algorithm>
#include <utility>

namespace rootstock::images {

void SpaceAccount::set_limit(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    limit_ = bytes;
}

std::uint64_t SpaceAccount::limit() const {
    std::lock_guard lock(mutex_);
    return limit_;
}

void SpaceAccount::join(std::shared_ptr<SpaceBudget> group) {
    std::lock_guard lock(mutex_);
    if (group == group_) {
        return;
    }
    if (group_) {
        group_->change(used_, 0);
    }
    group_ = std::move(group);
    if (group_) {
        group_->change(0, used_);
    }
}

std::uint64_t SpaceAccount::used() const {
    std::lock_guard lock(mutex_);
    return used_;
}

std::optional<SpaceScope> SpaceAccount::obstacle(std::uint64_t bytes) const {
    std::lock_guard lock(mutex_);
    if (limit_ != 0 && used_ + bytes > limit_) {
        return SpaceScope::disk;
    }
    if (group_ && !group_->has_room(bytes)) {
        return SpaceScope::group;
    }
    return store_ && !store_->has_room(bytes) ? std::optional(SpaceScope::store) : std::nullopt;
}

void SpaceAccount::add(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    move_to(used_ + bytes);
}

void SpaceAccount::give_back(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    move_to(used_ - std::min(used_, bytes)); // holes that were never charged may be among them
}

void SpaceAccount::settle(std::uint64_t used_bytes) {
    std::lock_guard lock(mutex_);
    move_to(used_bytes);
}

void SpaceAccount::move_to(std::uint64_t used_bytes) {
    for (SpaceBudget* budget : {group_.get(), store_.get()}) {
        if (budget != nullptr) {
            budget->change(used_, used_bytes);
        }
    }
    used_ = used_bytes;
}

} // namespace rootstock::images
