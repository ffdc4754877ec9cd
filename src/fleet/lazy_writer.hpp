// LazyWriter: a thread that writes what has gathered, some time after the first poke() (limits.hpp) and once more when it ends.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace rootstock::fleet {

class LazyWriter {
  public:
    /// `write` runs on the thread; false: it failed and is tried again later.
    explicit LazyWriter(std::function<bool()> write);
    LazyWriter(const LazyWriter&) = delete;
    LazyWriter& operator=(const LazyWriter&) = delete;
    ~LazyWriter();

    /// Any thread.
    void poke();

  private:
    void run();

    const std::function<bool()> write_;
    std::mutex mutex_; // guards poked_ and stopping_
    std::condition_variable wake_;
    bool poked_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace rootstock::fleet
