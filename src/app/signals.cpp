#include "app/signals.hpp"

#include <initializer_list>

#include <pthread.h>

namespace rootstock::app {

Signals::Signals() {
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        sigaddset(&set_, number);
    }
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

Signals::Event Signals::wait() {
    int number = 0;
    while (sigwait(&set_, &number) != 0) {
    }
    return number == SIGHUP ? Event::reload : Event::stop;
}

} // namespace rootstock::app
