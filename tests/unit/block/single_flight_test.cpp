#include "block/single_flight.hpp"

#include "support/catch.hpp"

#include <atomic>
#include <thread>

using namespace rootstock;
using namespace rootstock::block;

namespace {

class CountingLoader final : public Loader {
  public:
    explicit CountingLoader(Result<void, IoError> result = {}) : result_(result) {}
    Result<void, IoError> load(std::uint64_t) override {
        ++loads;
        return result_;
    }
    std::atomic<int> loads{0};

  private:
    Result<void, IoError> result_;
};

/// Keeps the jobs, so that the test says when a load runs.
struct Jobs {
    std::vector<std::function<void()>> pending;
    SingleFlight::Start start() {
        return [this](std::function<void()> job) { pending.push_back(std::move(job)); };
    }
    void run_all() {
        const auto jobs = std::exchange(pending, {});
        for (const auto& job : jobs) {
            job();
        }
    }
};

} // namespace

TEST_CASE("single flight: 256 that miss one chunk cause one load, and each is told once", "[block][single_flight]") {
    SingleFlight flights;
    Jobs jobs;
    auto loader = std::make_shared<CountingLoader>();
    int told = 0;
    for (int i = 0; i < 256; ++i) {
        flights.join({loader, 42}, [&](Result<void, IoError> result) { told += result ? 1 : 0; }, jobs.start());
    }
    REQUIRE(jobs.pending.size() == 1);
    REQUIRE(flights.in_flight() == 1);
    jobs.run_all();
    REQUIRE(loader->loads == 1);
    REQUIRE(told == 256);
    REQUIRE(flights.in_flight() == 0);
}

TEST_CASE("single flight: other chunks and other loaders fly alone", "[block][single_flight]") {
    SingleFlight flights;
    Jobs jobs;
    auto one = std::make_shared<CountingLoader>();
    auto other = std::make_shared<CountingLoader>();
    const auto ignore = [](Result<void, IoError>) {};
    flights.join({one, 1}, ignore, jobs.start());
    flights.join({one, 2}, ignore, jobs.start());
    flights.join({other, 1}, ignore, jobs.start());
    REQUIRE(jobs.pending.size() == 3);
    jobs.run_all();
    REQUIRE(one->loads == 2);
    REQUIRE(other->loads == 1);
}

TEST_CASE("single flight: a failed load is told to all who wait, and the next one tries again", "[block][single_flight]") {
    SingleFlight flights;
    Jobs jobs;
    auto loader = std::make_shared<CountingLoader>(IoError::medium);
    int failures = 0;
    const auto count = [&](Result<void, IoError> result) { failures += !result && result.error() == IoError::medium ? 1 : 0; };
    flights.join({loader, 1}, count, jobs.start());
    flights.join({loader, 1}, count, jobs.start());
    jobs.run_all();
    REQUIRE(failures == 2);
    flights.join({loader, 1}, count, jobs.start());
    jobs.run_all();
    REQUIRE(failures == 3);
    REQUIRE(loader->loads == 2);
}

TEST_CASE("single flight: a completion may join again for the same chunk", "[block][single_flight]") {
    SingleFlight flights;
    Jobs jobs;
    auto loader = std::make_shared<CountingLoader>();
    int told = 0;
    flights.join(
        {loader, 9},
        [&](Result<void, IoError>) { flights.join({loader, 9}, [&](Result<void, IoError>) { ++told; }, jobs.start()); },
        jobs.start());
    jobs.run_all();
    REQUIRE(jobs.pending.size() == 1);
    jobs.run_all();
    REQUIRE(told == 1);
    REQUIRE(loader->loads == 2);
}

TEST_CASE("single flight: many threads, every completion exactly once", "[block][single_flight][threads]") {
    SingleFlight flights;
    auto loader = std::make_shared<CountingLoader>();
    std::atomic<int> told{0};
    std::vector<std::thread> threads;
    constexpr int thread_count = 4;
    constexpr int rounds = 2000;
    for (int t = 0; t < thread_count; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < rounds; ++i) {
                flights.join({loader, static_cast<std::uint64_t>(i % 7)}, [&](Result<void, IoError>) { ++told; },
                             [](const std::function<void()>& job) { job(); });
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    REQUIRE(told == thread_count * rounds);
    REQUIRE(loader->loads <= thread_count * rounds);
    REQUIRE(flights.in_flight() == 0);
}
