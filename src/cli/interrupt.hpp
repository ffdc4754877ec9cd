// Ctrl-C (SIGINT), SIGTERM and SIGHUP as a question that long work asks: it then removes what it has begun, instead of leaving it. While one lives;
// one at a time, on the main thread.
#pragma once

#include <array>

#include <signal.h>

namespace rootstock::cli {

class Interrupt {
  public:
    Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    ~Interrupt(); // the signals do again what they did

    /// A read(2) that waits returns with EINTR when it becomes true.
    [[nodiscard]] bool asked() const;

  private:
    std::array<struct sigaction, 3> before_{};
};

} // namespace rootstock::cli
