#include "db/database.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

using namespace rootstock;
using namespace std::chrono_literals;

namespace {

dhcp::Lease lease(std::uint32_t number, std::uint8_t pc = 0) {
    const SystemClock clock;
    dhcp::Lease lease;
    lease.address = {0x0a140000 + number};
    lease.mac = {{2, 0, pc, std::uint8_t(number >> 16U), std::uint8_t(number >> 8U), std::uint8_t(number)}};
    lease.host_name = "lab1-" + std::to_string(number);
    lease.granted = wall_from_unix_ms(unix_ms(clock.wall()));
    lease.expires = lease.granted + 12h;
    return lease;
}

std::unique_ptr<db::Database> open(const test::TemporaryFolder& folder) {
    static const SystemClock clock;
    auto database = db::Database::open(folder.file("rootstock.db"), clock);
    REQUIRE(database);
    return std::move(*database);
}

/// Saves leases and reports each one that save() has answered on `report`, until it is killed.
[[noreturn]] void save_for_ever(const std::string& path, int report) {
    const SystemClock clock;
    auto database = db::Database::open(path, clock);
    for (std::uint32_t number = 1; database; ++number) {
        if (!(*database)->leases().save({lease(number)}) || ::write(report, &number, sizeof number) != sizeof number) {
            break;
        }
    }
    ::_exit(1);
}

} // namespace

TEST_CASE("Leases come back as they were saved", "[db][lease]") {
    test::TemporaryFolder folder;
    const dhcp::Lease saved = lease(7);
    REQUIRE(open(folder)->leases().save({saved}));
    const auto loaded = open(folder)->leases().load();
    REQUIRE(loaded);
    REQUIRE(loaded->size() == 1);
    const dhcp::Lease& back = loaded->front();
    CHECK(back.address == saved.address);
    CHECK(back.mac == saved.mac);
    CHECK(back.host_name == saved.host_name);
    CHECK(back.granted == saved.granted);
    CHECK(back.expires == saved.expires);
}

TEST_CASE("An address has one lease and a MAC has one lease", "[db][lease]") {
    test::TemporaryFolder folder;
    const auto database = open(folder);
    dhcp::Lease moved = lease(1);
    moved.address = lease(2).address;
    REQUIRE(database->leases().save({lease(1), lease(2)}));
    REQUIRE(database->leases().save({moved}));
    const auto left = database->leases().load();
    REQUIRE(left->size() == 1);
    CHECK(left->front().mac == lease(1).mac);
    REQUIRE(database->leases().remove(moved.address));
    CHECK(database->leases().load()->empty());
}

TEST_CASE("A lease that was answered survives kill -9", "[db][lease][crash]") {
    test::TemporaryFolder folder;
    std::array<int, 2> report{};
    REQUIRE(::pipe(report.data()) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        save_for_ever(folder.file("rootstock.db"), report[1]);
    }
    ::close(report[1]);
    std::uint32_t answered = 0;
    while (answered < 50) {
        REQUIRE(::read(report[0], &answered, sizeof answered) == sizeof answered);
    }
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    while (::read(report[0], &answered, sizeof answered) == sizeof answered) {
    }
    ::close(report[0]);
    const auto loaded = open(folder)->leases().load();
    REQUIRE(loaded);
    // The one that was under way may be there or not.
    CHECK((loaded->size() == answered || loaded->size() == answered + 1));
}

TEST_CASE("Clients that wait together share a transaction", "[db][lease]") {
    test::TemporaryFolder folder;
    const auto database = open(folder);
    constexpr std::uint32_t clients = 16;
    constexpr std::uint32_t rounds = 50;
    const std::uint64_t before = database->transactions();
    const auto started = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (std::uint32_t client = 0; client < clients; ++client) {
        threads.emplace_back([&database, client] {
            for (std::uint32_t round = 0; round < rounds; ++round) {
                if (!database->leases().save({lease(client * rounds + round)})) {
                    std::abort();
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    const std::uint64_t transactions = database->transactions() - before;
    WARN(clients * rounds << " durable leases in " << took.count() << " s, " << transactions << " transactions");
    CHECK(database->leases().load()->size() == clients * rounds);
    CHECK(transactions < clients * rounds / 2);
}
