#include "cli/interrupt.hpp"

namespace rootstock::cli {
namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};
volatile sig_atomic_t signalled = 0; // a signal handler can reach nothing else

void note(int) { signalled = 1; }

} // namespace

Interrupt::Interrupt() {
    signalled = 0;
    struct sigaction action {};
    action.sa_handler = note;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        ::sigaction(signals[i], &action, &before_[i]);
    }
}

Interrupt::~Interrupt() {
    for (std::size_t i = 0; i < signals.size(); ++i) {
        ::sigaction(signals[i], &before_[i], nullptr);
    }
}

bool Interrupt::asked() const { return signalled != 0; }

} // namespace rootstock::cli
