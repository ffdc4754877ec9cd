// Clients: what is remembered of each PC between the packets of its boot: architecture, address,
// and whether the iPXE that it runs is ours. A ROM that is iPXE and our own loader send the same
// DHCP options, so they are told apart by what happened before:
//
//   DHCP gave the loader ──► the loader was fetched to its end ──► the next iPXE request is our
//   loader's ──► script ──► forgotten
//
// That cannot loop: each fetched loader is followed by a script, and a PC that never gets there is
// given the script after a few attempts. Threads: thread-safe; never blocks. Bounded (limits.hpp).
#pragma once

#include "core/clock.hpp"
#include "core/guid.hpp"
#include "core/ipv4.hpp"
#include "core/mac.hpp"

#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace rootstock::boot {

class Clients {
  public:
    explicit Clients(const Clock& clock) : clock_(clock) {}

    struct Facts {
        std::optional<std::uint16_t> architecture;
        std::optional<Guid> uuid;
        std::optional<Ipv4> address;
    };

    /// It asks to boot.
    void asked(Mac mac, std::optional<std::uint16_t> architecture, std::optional<Guid> uuid);
    /// It was given `address`; `with_loader`: and the name of a loader.
    void acknowledged(Mac mac, Ipv4 address, bool with_loader);
    /// Our loader went out to it, whole.
    void fetched_loader(Mac mac);
    /// It asked for its script: the iPXE that did is spoken for.
    void fetched_script(Mac mac);

    /// The next iPXE that asks from `mac` is the loader that we sent (or all attempts to send it
    /// were in vain).
    [[nodiscard]] bool runs_our_loader(Mac mac) const;
    [[nodiscard]] Facts facts(Mac mac) const;
    /// Whose address that is.
    [[nodiscard]] std::optional<Mac> owner_of(Ipv4 address) const;

  private:
    struct Client {
        Mac mac;
        Facts facts;
        unsigned loader_attempts = 0; // loaders named since the last script
        bool loader_fetched = false;
        TimePoint loader_time; // of the last change of the two
    };
    using Recent = std::list<Client>; // most recently seen first

    Client& touch(Mac mac);
    [[nodiscard]] const Client* find(Mac mac) const;

    const Clock& clock_;
    mutable std::mutex mutex_; // guards all below
    Recent recent_;
    std::unordered_map<Mac, Recent::iterator> by_mac_;
    std::unordered_map<Ipv4, Mac> by_address_;
};

} // namespace rootstock::boot
