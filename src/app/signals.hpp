// Signals, taken by the main thread alone: every other thread has them blocked because this is made before any of them.
#pragma once

#include <csignal>

namespace rootstock::app {

class Signals {
  public:
    /// Blocks SIGINT, SIGTERM, SIGHUP; ignores SIGPIPE.
    Signals();

    enum class Event { stop, reload };
    /// Waits for the next one.
    [[nodiscard]] Event wait();

  private:
    sigset_t set_{};
};

} // namespace rootstock::app
