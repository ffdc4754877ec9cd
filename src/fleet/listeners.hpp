// Listeners: who wants to know when the fleet changes. Called on the changing thread; no lock is held during a call.
#pragma once

#include "fleet/machine.hpp"

#include <functional>
#include <memory>
#include <mutex>

namespace rootstock::fleet {

/// Something changed; listeners (event stream, waiting scripts, fencing) look at the view for what it is now.
struct Change {
    enum class Kind : std::uint8_t { machine_assigned, machine_changed, machine_replaced, machine_removed, unknown_changed, boot_changed };
    Kind kind{};
    std::string machine;      // name, when it is about a machine
    std::optional<Mac> mac;   // when it is about a MAC
    BootId boot = 0;
};

using Listener = std::function<void(const Change&)>;

/// Thread-safe.
class Listeners {
  public:
    /// The listener lives as long as the handle. Dropping the handle waits for a call under way on another thread, so that what the listener
    /// refers to may go next; a listener must not drop its own handle.
    [[nodiscard]] std::shared_ptr<void> add(Listener listener);
    void tell(const Change& change);

  private:
    class Slot;
    std::mutex mutex_; // guards slots_
    std::vector<std::weak_ptr<Slot>> slots_;
};

} // namespace rootstock::fleet
