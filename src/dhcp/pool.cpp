#include "dhcp/pool.hpp"

#include "core/assert.hpp"

namespace rootstock::dhcp {

namespace {
std::size_t index(LeasePool::State state) { return static_cast<std::size_t>(state); }
} // namespace

LeasePool::LeasePool(Ipv4 first, Ipv4 last, const std::vector<Ipv4>& excluded)
    : first_(first), last_(last), excluded_(excluded.begin(), excluded.end()) {
    for (auto value = std::uint64_t{first.value}; value <= last.value; ++value) {
        const Ipv4 address{static_cast<std::uint32_t>(value)};
        if (!excluded_.contains(address)) {
            free_.insert(free_.end(), address);
        }
    }
    size_ = free_.size();
}

void LeasePool::restore(const Lease& lease, WallTime now) {
    if (!excluded_.contains(lease.address) && (in_range(lease.address) || lease.expires > now)) {
        bind(lease.address, {State::leased, lease.mac, lease.expires});
    }
}

const LeasePool::Binding* LeasePool::find(Ipv4 address) const {
    const auto found = bindings_.find(address);
    return found == bindings_.end() ? nullptr : &found->second;
}

std::optional<Ipv4> LeasePool::leased_to(const Mac& mac) const {
    const auto found = leases_.find(mac);
    return found == leases_.end() ? std::nullopt : std::optional(found->second);
}

bool LeasePool::in_range(Ipv4 address) const {
    return first_ <= address && address <= last_ && !excluded_.contains(address);
}

bool LeasePool::open_to(const Mac& mac, Ipv4 address, WallTime now) const {
    const Binding* binding = find(address);
    return binding == nullptr || binding->until <= now || binding->mac == mac;
}

std::optional<Ipv4>
LeasePool::choose(const Mac& mac, std::optional<Ipv4> requested, WallTime now, const IsReserved& is_reserved) {
    drop_stale_offers(now);
    for (const ByMac* owners : {&leases_, &offers_}) {
        const auto own = owners->find(mac);
        if (own != owners->end() && !is_reserved(own->second) &&
            (in_range(own->second) || find(own->second)->until > now)) {
            return own->second;
        }
    }
    if (requested && free_.contains(*requested) && !is_reserved(*requested)) {
        return requested;
    }
    for (const Ipv4 address : free_) {
        if (!is_reserved(address)) {
            return address;
        }
    }
    if (const auto expired = oldest(State::leased, now, is_reserved)) {
        return expired;
    }
    const auto declined = oldest(State::declined, WallTime::max(), is_reserved);
    if (declined) {
        unbind(*declined);
    }
    return declined;
}

void LeasePool::offer(const Mac& mac, Ipv4 address, WallTime until) {
    if (leased_to(mac) == address && find(address)->until > until) {
        return; // its lease holds longer than the offer
    }
    if (const auto before = offers_.find(mac); before != offers_.end() && before->second != address) {
        unbind(before->second);
    }
    if (leased_to(mac) == address) {
        return; // expired, and kept for its owner: the record says enough, and its place in the queue stays
    }
    bind(address, {State::offered, mac, until});
}

std::optional<Ipv4> LeasePool::lease(const Mac& mac, Ipv4 address, WallTime until) {
    const auto before = leased_to(mac);
    withdraw_offer(mac);
    if (before && *before != address) {
        unbind(*before);
    }
    bind(address, {State::leased, mac, until});
    return before == address ? std::nullopt : before;
}

void LeasePool::end_lease(Ipv4 address, WallTime now) {
    const Binding* binding = find(address);
    RS_ASSERT(binding != nullptr && binding->state == State::leased);
    bind(address, {State::leased, binding->mac, now});
}

void LeasePool::decline(Ipv4 address, WallTime until) { bind(address, {State::declined, Mac{}, until}); }

void LeasePool::withdraw_offer(const Mac& mac) {
    if (const auto offer = offers_.find(mac); offer != offers_.end()) {
        unbind(offer->second);
    }
}

LeasePool::ByMac* LeasePool::owners_of(State state) {
    switch (state) {
    case State::offered:
        return &offers_;
    case State::leased:
        return &leases_;
    case State::declined:
        break;
    }
    return nullptr;
}

void LeasePool::bind(Ipv4 address, Binding binding) {
    unbind(address);
    free_.erase(address);
    by_time_[index(binding.state)].emplace(binding.until, address);
    if (ByMac* owners = owners_of(binding.state)) {
        (*owners)[binding.mac] = address;
    }
    bindings_.emplace(address, binding);
}

void LeasePool::unbind(Ipv4 address) {
    const auto found = bindings_.find(address);
    if (found == bindings_.end()) {
        return;
    }
    const Binding& binding = found->second;
    by_time_[index(binding.state)].erase({binding.until, address});
    if (ByMac* owners = owners_of(binding.state)) {
        if (const auto owner = owners->find(binding.mac); owner != owners->end() && owner->second == address) {
            owners->erase(owner);
        }
    }
    bindings_.erase(found);
    if (in_range(address)) {
        free_.insert(address);
    }
}

/// An offer that nobody took leaves no trace: its address is as free as it was.
void LeasePool::drop_stale_offers(WallTime now) {
    auto& offers = by_time_[index(State::offered)];
    while (!offers.empty() && offers.begin()->first <= now) {
        unbind(offers.begin()->second);
    }
}

std::optional<Ipv4> LeasePool::oldest(State state, WallTime not_after, const IsReserved& is_reserved) const {
    for (const auto& [until, address] : by_time_[index(state)]) {
        if (until > not_after) {
            break;
        }
        if (in_range(address) && !is_reserved(address)) {
            return address;
        }
    }
    return std::nullopt;
}

} // namespace rootstock::dhcp
