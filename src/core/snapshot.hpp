// Snapshot<T>: one writer publishes an immutable value, any thread reads it. A short lock, because GCC 12's atomic<shared_ptr> trips TSan.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace rootstock {

template <class T> class Snapshot {
  public:
    explicit Snapshot(T initial = {}) : value_(std::make_shared<const T>(std::move(initial))) {}

    [[nodiscard]] std::shared_ptr<const T> get() const {
        std::lock_guard lock(mutex_);
        return value_;
    }
    void publish(T value) { publish(std::make_shared<const T>(std::move(value))); }
    void publish(std::shared_ptr<const T> value) {
        std::lock_guard lock(mutex_);
        value_.swap(value); // the old value dies outside of the lock
    }

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<const T> value_;
};

} // namespace rootstock
