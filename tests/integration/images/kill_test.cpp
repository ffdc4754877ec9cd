// A child process writes and reports each acknowledgement through a pipe; it is killed at a random moment; the disk is opened again, and every
// acknowledged write must be there, flushed or not. ROOTSTOCK_KILL_ROUNDS=n runs longer, ROOTSTOCK_SIM_SEED=n starts elsewhere.

#include "core/random.hpp"
#include "support/catch.hpp"
#include "support/disk_trace.hpp"
#include "support/temporary_folder.hpp"

#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace rootstock;
using namespace rootstock::test;

namespace {

constexpr std::uint64_t disk_bytes = std::uint64_t{32} << 20U;
constexpr std::uint64_t sector_count = disk_bytes / model_sector;
constexpr std::size_t steps_per_life = 100'000; // more than any child lives to do

std::uint64_t environment_number(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

using Open = std::function<Result<std::shared_ptr<images::Overlay>>(images::FileSystem&)>;

/// In the child: 'b' before a step, 'a' after its acknowledgement.
[[noreturn]] void write_until_killed(const Open& open, std::uint64_t seed, DiskModel model, int pipe_fd) {
    const auto files = images::make_posix_file_system();
    const auto disk = open(*files);
    if (!disk) {
        ::_exit(2);
    }
    for (const TraceStep& step : random_trace(seed, steps_per_life, sector_count)) {
        if (::write(pipe_fd, "b", 1) != 1 || !perform(step, **disk, model) || ::write(pipe_fd, "a", 1) != 1) {
            ::_exit(3);
        }
    }
    ::_exit(4);
}

/// Lets the child work for a random time, kills it, and says how far it came: reports in all.
std::size_t kill_somewhere(pid_t child, int pipe_fd, SeededRandom& random) {
    pollfd ready{pipe_fd, POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 20'000) == 1); // it has begun
    ::usleep(random.u32() % 40'000);
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    std::string reports(1 << 16, '\0');
    std::size_t total = 0;
    for (ssize_t got = 0; (got = ::read(pipe_fd, reports.data(), reports.size())) > 0;) {
        total += static_cast<std::size_t>(got);
    }
    return total;
}

void begin_in_model(const TraceStep& step, DiskModel& model) {
    if (step.kind == TraceKind::zero) {
        model.begin_zero(step.first, step.count);
    } else if (step.kind != TraceKind::flush) {
        model.begin_write(step.first, step.count);
    }
}

/// What the child has told: all but the last step acknowledged, the last one perhaps.
void follow(DiskModel& model, std::uint64_t seed, std::size_t reports) {
    const std::vector<TraceStep> trace = random_trace(seed, (reports + 1) / 2, sector_count);
    for (std::size_t at = 0; at < trace.size(); ++at) {
        begin_in_model(trace[at], model);
        if (2 * at + 2 <= reports && trace[at].kind != TraceKind::flush) {
            model.acknowledged();
        }
    }
}

void kill_again_and_again(const Open& open, std::uint64_t rounds) {
    const std::uint64_t first_seed = environment_number("ROOTSTOCK_SIM_SEED", 1);
    SeededRandom random(first_seed);
    DiskModel model(sector_count, parent_tag);
    const auto files = images::make_posix_file_system();
    std::size_t all_reports = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::uint64_t seed = first_seed * 1000 + round;
        INFO("seed " << first_seed << ", round " << round);
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::close(ends[0]);
            write_until_killed(open, seed, model, ends[1]);
        }
        ::close(ends[1]);
        const std::size_t reports = kill_somewhere(child, ends[0], random);
        ::close(ends[0]);
        all_reports += reports;
        follow(model, seed, reports);
        const auto disk = open(*files);
        INFO((disk ? "" : disk.error().what));
        REQUIRE(disk);
        REQUIRE(model.check_after_process_death(**disk).value_or("") == "");
        model.settle(**disk);
        if (random.u32() % 3 == 0) {
            REQUIRE((*disk)->close());
        }
    }
    REQUIRE(all_reports > rounds * 4); // it did die in the midst of work
}

} // namespace

TEST_CASE("SIGKILL loses no acknowledged write of a persistent overlay", "[images][kill]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("lab1-07.vhdx");
    REQUIRE(images::create_persistent_overlay(*images::make_posix_file_system(), path, PatternMaster(disk_bytes)));
    kill_again_and_again(
        [&](images::FileSystem& files) { return images::open_persistent_overlay(files, path, std::make_shared<PatternMaster>(disk_bytes)); },
        environment_number("ROOTSTOCK_KILL_ROUNDS", 30));
}

TEST_CASE("SIGKILL loses no acknowledged write of a reset overlay", "[images][kill]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("lab1-07.reset");
    REQUIRE(images::create_reset_overlay(*images::make_posix_file_system(), path, PatternMaster(disk_bytes)));
    kill_again_and_again(
        [&](images::FileSystem& files) { return images::open_reset_overlay(files, path, std::make_shared<PatternMaster>(disk_bytes)); },
        environment_number("ROOTSTOCK_KILL_ROUNDS", 30));
}
