// Scripts: decides which script a PC gets (script.hpp renders it), and holds the question of one
// that has to wait. Threads: thread-safe. script() blocks (a boot is durable before its secret is
// given away): call it in the offload pool; the rest does not.
#pragma once

#include "boot/clients.hpp"
#include "boot/settings.hpp"
#include "core/log.hpp"
#include "fleet/registry.hpp"

#include <functional>
#include <list>
#include <mutex>

namespace rootstock::boot {

/// A request for /boot.ipxe, its values still as they came.
struct ScriptRequest {
    Mac mac;
    std::optional<Guid> uuid;
    std::string manufacturer, product, serial;
    bool waits = false;   // the PC has shown its screen and asks to be held
    bool retries = false; // its disk did not start
    std::string remote_address;
};

class Scripts {
  public:
    Scripts(const Settings& settings, fleet::Registry& registry, Clients& clients, Log& log);

    /// The whole script; never fails (an error becomes a script that shows it).
    [[nodiscard]] std::string script(const ScriptRequest& request);

    /// True: there is nothing to do for this PC yet, and it asks to be held (at most `wait_hold`)
    /// until there is.
    [[nodiscard]] bool must_wait(const ScriptRequest& request) const;
    /// Calls `wake` at most once, on any thread, when something changed for this PC. It may come
    /// just after the handle has gone: `wake` owns what it touches.
    [[nodiscard]] std::shared_ptr<void> wait(const ScriptRequest& request,
                                             std::function<void()> wake);

    /// It hung up while it was held: switched off, most likely.
    void left(Mac mac) { registry_.unknown_waiting(mac, false); }

  private:
    struct Waiter;
    [[nodiscard]] std::string unknown_script(const ScriptRequest& request);
    [[nodiscard]] std::string disk_script(const ScriptRequest& request,
                                          const fleet::Machine& machine);
    [[nodiscard]] std::string refused_script(const ScriptRequest& request,
                                             const fleet::Machine& machine,
                                             const fleet::RetiredMac& retired);
    [[nodiscard]] std::string assigned_script(const ScriptRequest& request);
    void remember_unknown(const ScriptRequest& request);
    void wake_changed();

    const Settings settings_;
    fleet::Registry& registry_;
    Clients& clients_;
    Log& log_;
    std::mutex mutex_; // guards waiters_
    std::vector<std::weak_ptr<Waiter>> waiters_;
    std::shared_ptr<void> listening_; // last: no change arrives before or after the rest lives
};

} // namespace rootstock::boot
