#include "images/sync_pool.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <future>
#include <thread>
#include <vector>

using namespace rootstock;
using images::SyncPool;

namespace {

/// Syncs that wait until they are let go, and how many there were.
struct Disk {
    std::promise<void> gate;
    std::shared_future<void> open = gate.get_future().share();
    std::atomic<int> own = 0;
    std::atomic<int> all = 0;
    bool all_fails = false;
    SyncPool pool{[this]() -> Result<void> {
        ++all;
        open.wait();
        return all_fails ? make_error(std::errc::io_error, "one of the files") : Result<void>();
    }};

    Result<void> sync() {
        return pool.sync([this]() -> Result<void> {
            ++own;
            open.wait();
            return {};
        });
    }
    /// `count` threads sync at once; the gate opens when all of them are under way or wait.
    void sync_at_once(int count) {
        std::atomic<int> begun = 0;
        std::vector<std::thread> threads;
        for (int at = 0; at < count; ++at) {
            threads.emplace_back([&] {
                ++begun;
                static_cast<void>(sync());
            });
        }
        while (begun < count || own.load() + all.load() < std::min(count, static_cast<int>(SyncPool::few) + 1)) {
            std::this_thread::yield();
        }
        gate.set_value();
        for (std::thread& thread : threads) {
            thread.join();
        }
    }
};

} // namespace

TEST_CASE("a few files are synced one by one", "[images][flush]") {
    Disk disk;
    disk.sync_at_once(SyncPool::few);
    REQUIRE(disk.own == SyncPool::few);
    REQUIRE(disk.all == 0);
}

TEST_CASE("many files at once are a few syncs of their own and a few rounds for all the others", "[images][flush]") {
    Disk disk;
    disk.sync_at_once(64);
    // Who has not reached the pool yet when the gate opens may still sync on his own, but a round that waits serves everybody behind it.
    REQUIRE(disk.own + disk.all < 64);
    REQUIRE(disk.all >= 1);
}

TEST_CASE("a round that fails sends everybody to his own file", "[images][flush]") {
    Disk disk;
    disk.all_fails = true;
    disk.sync_at_once(8);
    REQUIRE(disk.own == 8);
}
