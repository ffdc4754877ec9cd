#include "fleet/listeners.hpp"

#include <condition_variable>

namespace rootstock::fleet {

class Listeners::Slot {
  public:
    explicit Slot(Listener listener) : listener_(std::move(listener)) {}

    void call(const Change& change) {
        {
            std::lock_guard lock(mutex_);
            if (closed_) {
                return;
            }
            ++calls_;
        }
        listener_(change);
        std::lock_guard lock(mutex_);
        --calls_;
        idle_.notify_all();
    }

    void close() {
        std::unique_lock lock(mutex_);
        closed_ = true;
        idle_.wait(lock, [this] { return calls_ == 0; });
    }

  private:
    const Listener listener_;
    std::mutex mutex_;
    std::condition_variable idle_;
    int calls_ = 0;
    bool closed_ = false;
};

std::shared_ptr<void> Listeners::add(Listener listener) {
    auto slot = std::make_shared<Slot>(std::move(listener));
    std::lock_guard lock(mutex_);
    std::erase_if(slots_, [](const std::weak_ptr<Slot>& old) { return old.expired(); });
    slots_.push_back(slot);
    return {slot.get(), [slot](void*) { slot->close(); }};
}

void Listeners::tell(const Change& change) {
    std::vector<std::shared_ptr<Slot>> slots;
    {
        std::lock_guard lock(mutex_);
        for (const std::weak_ptr<Slot>& weak : slots_) {
            if (auto slot = weak.lock()) {
                slots.push_back(std::move(slot));
            }
        }
    }
    for (const auto& slot : slots) {
        slot->call(change);
    }
}

} // namespace rootstock::fleet
