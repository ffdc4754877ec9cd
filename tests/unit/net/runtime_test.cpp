#include "net/runtime.hpp"

#include "net/asio.hpp"
#include "net/offload_await.hpp"
#include "net/task_group.hpp"
#include "support/catch.hpp"

#include <future>

using namespace rootstock;
using namespace rootstock::net;
using namespace std::chrono_literals;

namespace {

Awaitable<> wait_for_ever(Shard& shard, std::atomic<int>& ended) {
    Timer timer(shard.context(), Timer::time_point::max());
    const auto [error] = co_await timer.async_wait(as_tuple_awaitable);
    if (error == asio::error::operation_aborted) {
        ++ended;
    }
}

Awaitable<> fail() {
    throw std::runtime_error("broken on purpose");
    co_return;
}

struct RecordingLog final : Log {
    std::vector<std::string> events;
    void write_line(Level, std::string_view event, Fields fields) override {
        events.push_back(std::string(event) + " " + format_fields(fields));
    }
};

Awaitable<> add_off_the_shard(Offload& offload, Shard& shard, std::promise<int>& answer) {
    int base = 40;
    auto sum = co_await offload_async(offload, shard.context(), [&base] { return base + 2; });
    answer.set_value(shard.runs_here() ? sum.value_or(-1) : -2);
}

} // namespace

TEST_CASE("Each shard has a thread of its own, and call() runs there", "[net][runtime]") {
    Runtime runtime(3);
    std::vector<std::thread::id> ids;
    for (std::size_t i = 0; i < runtime.shard_count(); ++i) {
        runtime.shard(i).call([&] {
            CHECK(runtime.shard(i).runs_here());
            ids.push_back(std::this_thread::get_id());
        });
    }
    std::sort(ids.begin(), ids.end());
    CHECK(std::unique(ids.begin(), ids.end()) == ids.end());
    CHECK_FALSE(runtime.control().runs_here());
}

TEST_CASE("call() hands an exception to the caller", "[net][runtime]") {
    Runtime runtime(1);
    CHECK_THROWS_AS(runtime.control().call([] { throw std::logic_error("no"); }), std::logic_error);
}

TEST_CASE("New connections go to the least loaded shard", "[net][runtime]") {
    Runtime runtime(2);
    ShardLoad first(runtime.least_loaded());
    CHECK(runtime.shard(0).load() == 1);
    {
        ShardLoad second(runtime.least_loaded());
        CHECK(runtime.shard(1).load() == 1);
    }
    CHECK(&runtime.least_loaded() == &runtime.shard(1));
}

TEST_CASE("TaskGroup: stop() cancels every child and waits for the last", "[net][task_group]") {
    Runtime runtime(1);
    NullLog log;
    TaskGroup tasks(runtime.shard(0), log);
    std::atomic<int> ended{0};
    runtime.shard(0).call([&] {
        for (int i = 0; i < 100; ++i) {
            tasks.spawn(wait_for_ever(runtime.shard(0), ended));
        }
    });
    tasks.stop();
    CHECK(ended == 100);
    CHECK(tasks.size() == 0);
}

TEST_CASE("TaskGroup: a child that throws is logged and ends alone", "[net][task_group]") {
    Runtime runtime(1);
    RecordingLog log;
    TaskGroup tasks(runtime.shard(0), log);
    std::atomic<int> ended{0};
    runtime.shard(0).call([&] {
        tasks.spawn(wait_for_ever(runtime.shard(0), ended));
        tasks.spawn(fail());
    });
    while (true) {
        std::size_t left = 0;
        runtime.shard(0).call([&] { left = tasks.size(); });
        if (left == 1) {
            break;
        }
        std::this_thread::yield();
    }
    CHECK(ended == 0);
    tasks.stop();
    CHECK(ended == 1);
    REQUIRE(log.events.size() == 1);
    CHECK(log.events[0].find("broken on purpose") != std::string::npos);
}

TEST_CASE("Offload: the result of a blocking call comes back on the caller's shard", "[net][offload]") {
    Runtime runtime(1);
    Offload offload(2);
    NullLog log;
    TaskGroup tasks(runtime.shard(0), log);
    std::promise<int> answer;
    runtime.shard(0).call([&] { tasks.spawn(add_off_the_shard(offload, runtime.shard(0), answer)); });
    CHECK(answer.get_future().get() == 42);
    tasks.stop();
}

TEST_CASE("Offload: a full queue refuses and calls nothing", "[net][offload]") {
    Runtime runtime(1);
    Offload offload(1, 1);
    std::promise<void> started;
    std::promise<void> release;
    std::atomic<int> done{0};
    auto& home = runtime.shard(0).context();
    const auto count = [&] { ++done; };
    REQUIRE(offload.run(
        home,
        [&] {
            started.set_value();
            release.get_future().wait();
        },
        count));
    started.get_future().wait();
    REQUIRE(offload.run(home, [] {}, count));
    CHECK_FALSE(offload.run(home, [] {}, count));
    release.set_value();
    offload.stop(); // finishes what was queued
    runtime.shard(0).call([] {});
    CHECK(done == 2);
    CHECK_FALSE(offload.run(home, [] {}, count));
}
