// LeasePool: which address belongs to whom, until when. Keyed by MAC: a client keeps its address as long as nobody else needs it.
// Pure: the caller gives the time, which is calendar time because leases outlive the process. Knows no packets.
//
// An address is free (in the range, never used or given back), offered (for seconds), leased (an expired lease keeps its record, so that
// the client finds its address again), or declined (somebody else was seen to use it). Memory is bounded by the range.
#pragma once

#include "core/mac.hpp"
#include "dhcp/lease_store.hpp"

#include <array>
#include <functional>
#include <set>
#include <unordered_map>

namespace rootstock::dhcp {

class LeasePool {
  public:
    enum class State : std::uint8_t { offered, leased, declined };
    struct Binding {
        State state = State::offered;
        Mac mac; // all zero when declined
        WallTime until;
    };
    /// True for an address that is kept for a certain machine: choose() never picks one.
    using IsReserved = std::function<bool(Ipv4)>;

    /// Addresses of [first, last] without those in `excluded` (our own, the router's, ...).
    LeasePool(Ipv4 first, Ipv4 last, const std::vector<Ipv4>& excluded);

    /// A lease of an earlier run. Expired ones of outside of the range are not worth a record.
    void restore(const Lease& lease, WallTime now);

    [[nodiscard]] const Binding* find(Ipv4 address) const;
    /// The lease of `mac`, expired or not.
    [[nodiscard]] std::optional<Ipv4> leased_to(const Mac& mac) const;
    [[nodiscard]] bool in_range(Ipv4 address) const;
    /// Nobody but `mac` has a claim that still holds.
    [[nodiscard]] bool open_to(const Mac& mac, Ipv4 address, WallTime now) const;

    /// An address for `mac`: its own; else `requested`; else a fresh one; else the one whose lease ended longest ago; else one that
    /// was declined longest ago. Nothing: all are in use.
    [[nodiscard]] std::optional<Ipv4>
    choose(const Mac& mac, std::optional<Ipv4> requested, WallTime now, const IsReserved& is_reserved);

    /// The caller has checked open_to(). A client has one offer and one lease at most: what it had before is given back.
    void offer(const Mac& mac, Ipv4 address, WallTime until);
    /// Returns the address that the client had before, when it was another.
    std::optional<Ipv4> lease(const Mac& mac, Ipv4 address, WallTime until);
    /// RELEASE: the lease ends now, its record stays.
    void end_lease(Ipv4 address, WallTime now);
    void decline(Ipv4 address, WallTime until);
    /// The client chose another server's offer.
    void withdraw_offer(const Mac& mac);

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t free_count() const { return free_.size(); }

  private:
    using ByMac = std::unordered_map<Mac, Ipv4>;
    void bind(Ipv4 address, Binding binding);
    void unbind(Ipv4 address);
    void drop_stale_offers(WallTime now);
    [[nodiscard]] std::optional<Ipv4>
    oldest(State state, WallTime not_after, const IsReserved& is_reserved) const;
    [[nodiscard]] ByMac* owners_of(State state);

    Ipv4 first_;
    Ipv4 last_;
    std::set<Ipv4> excluded_;
    std::size_t size_ = 0;
    std::set<Ipv4> free_;
    std::unordered_map<Ipv4, Binding> bindings_;
    std::array<std::set<std::pair<WallTime, Ipv4>>, 3> by_time_; // of each state
    ByMac offers_;
    ByMac leases_;
};

} // namespace rootstock::dhcp
