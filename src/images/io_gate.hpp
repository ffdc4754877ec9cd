// IoGate: lets those pass who use something, and now and then one who wants it to himself. A stream of users cannot keep that one out.
// Threads: thread-safe. Nobody passes twice at a time.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace rootstock::images {

class IoGate {
  public:
    using Pass = std::shared_lock<std::shared_mutex>;

    /// Waits while it is closed.
    [[nodiscard]] Pass pass() {
        if (closed_.load(std::memory_order_acquire)) [[unlikely]] {
            const std::lock_guard wait(door_);
        }
        return Pass(users_);
    }
    /// The same without waiting; a pass that owns nothing: it is closed.
    [[nodiscard]] Pass try_pass() { return closed_.load(std::memory_order_acquire) ? Pass() : Pass(users_, std::try_to_lock); }

    /// Waits until nobody is inside; nobody comes in while it lives. One at a time.
    class Closed {
      public:
        explicit Closed(IoGate& gate) : gate_(gate), door_(gate.door_), alone_(gate.users_, std::defer_lock) {
            gate_.closed_.store(true, std::memory_order_release);
            alone_.lock();
        }
        Closed(const Closed&) = delete;
        Closed& operator=(const Closed&) = delete;
        ~Closed() { gate_.closed_.store(false, std::memory_order_release); }

      private:
        IoGate& gate_;
        const std::lock_guard<std::mutex> door_; // held meanwhile, so that users wait here and not in front of users_
        std::unique_lock<std::shared_mutex> alone_;
    };

  private:
    std::atomic<bool> closed_{false};
    std::mutex door_;
    std::shared_mutex users_;
};

} // namespace rootstock::images
