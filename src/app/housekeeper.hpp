// Housekeeper: one thread that does small chores every few seconds (idle disks, evicted chunks of masters), off the shards because they block.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace rootstock::app {

class Housekeeper {
  public:
    Housekeeper(std::chrono::milliseconds period, std::function<void()> chores);
    ~Housekeeper(); // waits for the chore under way

  private:
    void run(std::chrono::milliseconds period);

    const std::function<void()> chores_;
    std::mutex mutex_; // guards stopping_
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_; // last: everything else is there when it runs
};

} // namespace rootstock::app
