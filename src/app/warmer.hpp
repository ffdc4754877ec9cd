// Warmer: keeps the images warm that the configuration wants so: at the start, after a change of the file, and when another version becomes the current one.
#pragma once

#include "app/housekeeper.hpp"
#include "core/log.hpp"
#include "images/store.hpp"

#include <atomic>
#include <memory>

namespace rootstock::app {

class Warmer {
  public:
    Warmer(images::Store& store, Log& log);
    ~Warmer(); // ends what is under way

  private:
    std::atomic<bool> stopping_{false};
    std::unique_ptr<Housekeeper> housekeeper_; // last: its thread uses the rest
};

} // namespace rootstock::app
