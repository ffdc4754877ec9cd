// Fifo: a queue that keeps its memory. std::deque would allocate a block for every few elements that pass through it. And how a container
// that keeps its memory gives it up.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace rootstock::iscsi {

template <class T> class Fifo {
  public:
    [[nodiscard]] bool empty() const { return first_ == items_.size(); }
    [[nodiscard]] std::size_t size() const { return items_.size() - first_; }
    [[nodiscard]] T& front() { return items_[first_]; }
    [[nodiscard]] const T& front() const { return items_[first_]; }

    void push(T item) {
        if (first_ > items_.size() / 2) {
            items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
        items_.push_back(std::move(item));
    }
    T pop() {
        T item = std::move(items_[first_]);
        if (++first_ == items_.size()) {
            items_.clear();
            first_ = 0;
        }
        return item;
    }
    /// Takes `item` out wherever it stands.
    void erase(const T& item) {
        for (std::size_t i = first_; i < items_.size(); ++i) {
            if (items_[i] == item) {
                items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(i));
                return;
            }
        }
    }

  private:
    std::vector<T> items_;
    std::size_t first_ = 0;
};

/// Empty, with no memory of its own (clear() and an assignment may keep the capacity).
template <class Container> void give_up_memory(Container& container) { static_cast<void>(std::exchange(container, Container())); }

} // namespace rootstock::iscsi
