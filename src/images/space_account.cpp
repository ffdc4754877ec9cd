#include "images/space_account.hpp"

#include <algorithm>
#include <utility>

namespace rootstock::images {

SpaceAccount::~SpaceAccount() { move_to(0, 0); }

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
        group_->change(own_ + kept_, 0);
    }
    group_ = std::move(group);
    if (group_) {
        group_->change(0, own_ + kept_);
    }
}

std::uint64_t SpaceAccount::used() const {
    std::lock_guard lock(mutex_);
    return own_ + kept_;
}

std::optional<SpaceScope> SpaceAccount::obstacle(std::uint64_t bytes) const {
    std::lock_guard lock(mutex_);
    if (limit_ != 0 && own_ + kept_ + bytes > limit_) {
        return SpaceScope::disk;
    }
    if (group_ && !group_->has_room(bytes)) {
        return SpaceScope::group;
    }
    return store_ && !store_->has_room(bytes) ? std::optional(SpaceScope::store) : std::nullopt;
}

void SpaceAccount::add(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    move_to(own_ + bytes, kept_);
}

void SpaceAccount::give_back(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    move_to(own_ - std::min(own_, bytes), kept_); // holes that were never charged may be among them
}

void SpaceAccount::settle(std::uint64_t own_bytes) {
    std::lock_guard lock(mutex_);
    move_to(own_bytes, kept_);
}

void SpaceAccount::set_kept(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    move_to(own_, bytes);
}

void SpaceAccount::add_kept(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    move_to(own_, kept_ + bytes);
}

void SpaceAccount::move_to(std::uint64_t own_bytes, std::uint64_t kept_bytes) {
    for (SpaceBudget* budget : {group_.get(), store_.get()}) {
        if (budget != nullptr) {
            budget->change(own_ + kept_, own_bytes + kept_bytes);
        }
    }
    own_ = own_bytes;
    kept_ = kept_bytes;
}

} // namespace rootstock::images
