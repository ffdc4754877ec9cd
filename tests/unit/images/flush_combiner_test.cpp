#include "images/flush_combiner.hpp"

#include "support/catch.hpp"

#include <atomic>
#include <future>
#include <thread>

using namespace rootstock;
using images::FlushCombiner;

TEST_CASE("who comes during a round waits for the next, and one round serves all of them", "[images][flush]") {
    std::promise<void> first_may_end;
    std::promise<void> first_began;
    std::atomic<int> rounds = 0;
    FlushCombiner combiner([&]() -> Result<void, block::IoError> {
        if (++rounds == 1) {
            first_began.set_value();
            first_may_end.get_future().wait();
        }
        return {};
    });
    std::thread first([&] { REQUIRE(combiner.run()); });
    first_began.get_future().wait();
    std::atomic<int> arrived = 0;
    std::vector<std::thread> waiters;
    for (int i = 0; i < 8; ++i) {
        waiters.emplace_back([&] {
            ++arrived;
            (void)combiner.run();
        });
    }
    while (arrived < 8) {
        std::this_thread::yield();
    }
    REQUIRE(rounds == 1);
    first_may_end.set_value();
    first.join();
    for (std::thread& waiter : waiters) {
        waiter.join();
    }
    REQUIRE(rounds >= 2);
    REQUIRE(rounds <= 9);
}

TEST_CASE("a failed round fails those who waited for it, and the next is tried afresh", "[images][flush]") {
    int rounds = 0;
    FlushCombiner combiner([&]() -> Result<void, block::IoError> {
        return ++rounds == 1 ? Result<void, block::IoError>(block::IoError::no_space) : Result<void, block::IoError>();
    });
    REQUIRE(combiner.run().error() == block::IoError::no_space);
    REQUIRE(combiner.run());
}
