// The load: sessions times queue depth against a target, or logins, or idle sessions. One JSON line with what it saw and what it cost the server.
//
//   bench_load --port N --target IQN [--lun N] [--server-pid PID] [--sessions N] [--queue N] [--block BYTES] [--span MIB] [--milliseconds N]
//              [--write] [--sequential] [--digest] [--logins] [--idle] [--stall]
#include "initiator.hpp"

#include "core/crc32c.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <thread>

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

using namespace rootstock;
using namespace rootstock::bench;
using Seconds = std::chrono::duration<double>;

namespace {

struct Options {
    Portal portal;
    Workload workload;
    unsigned sessions = 1;
    double seconds = 2;
    bool logins = false;
    bool idle = false;
    bool stall = false; // asks, and never reads an answer
    pid_t server = 0;
};

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "bench_load: %s\n", what.c_str());
    std::exit(1);
}

Options parse(int argc, char** argv) {
    Options options;
    std::uint64_t span_mib = 64;
    std::uint64_t milliseconds = 2000;
    const std::map<std::string_view, bool*> flags{{"--write", &options.workload.write},
                                                  {"--sequential", &options.workload.sequential},
                                                  {"--digest", &options.workload.data_digest},
                                                  {"--logins", &options.logins},
                                                  {"--idle", &options.idle},
                                                  {"--stall", &options.stall}};
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (const auto flag = flags.find(name); flag != flags.end()) {
            *flag->second = true;
            continue;
        }
        const std::string_view text = ++i < argc ? argv[i] : "";
        if (name == "--target") {
            options.portal.target = text;
            continue;
        }
        const auto number = parse_number<std::uint64_t>(text);
        if (!number) {
            fail("bad option " + std::string(name) + " " + std::string(text));
        }
        if (name == "--port") {
            options.portal.port = static_cast<std::uint16_t>(*number);
        } else if (name == "--lun") {
            options.portal.lun = static_cast<std::uint8_t>(*number);
        } else if (name == "--server-pid") {
            options.server = static_cast<pid_t>(*number);
        } else if (name == "--sessions") {
            options.sessions = static_cast<unsigned>(*number);
        } else if (name == "--queue") {
            options.workload.queue = static_cast<std::uint32_t>(*number);
        } else if (name == "--block") {
            options.workload.block_bytes = static_cast<std::uint32_t>(*number);
        } else if (name == "--span") {
            span_mib = *number;
        } else if (name == "--milliseconds") {
            milliseconds = *number;
        } else {
            fail("unknown option " + std::string(name));
        }
    }
    options.seconds = static_cast<double>(milliseconds) / 1000;
    options.workload.span_bytes = span_mib << 20U;
    return options;
}

/// CPU time of another process, all its threads; 0 without one.
double cpu_seconds(pid_t pid) {
    clockid_t clock = 0;
    timespec time{};
    if (pid == 0 || ::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
        return 0;
    }
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::uint64_t resident_bytes(pid_t pid) {
    std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    std::uint64_t shared = 0;
    statm >> total >> resident >> shared;
    return (resident - shared) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

using Sessions = std::vector<std::unique_ptr<Initiator>>;

Sessions log_in(const Options& options) {
    Sessions sessions;
    for (unsigned i = 0; i < options.sessions; ++i) {
        sessions.push_back(std::make_unique<Initiator>(options.portal, options.workload, i));
    }
    for (const auto& session : sessions) {
        session->send_login();
    }
    for (const auto& session : sessions) {
        session->finish_login();
    }
    return sessions;
}

void measure_logins(const Options& options) {
    const double cpu = cpu_seconds(options.server);
    const auto start = std::chrono::steady_clock::now();
    const Sessions sessions = log_in(options);
    const double seconds = Seconds(std::chrono::steady_clock::now() - start).count();
    std::printf("{\"logins_per_second\": %.0f, \"cpu_us\": %.1f}\n", options.sessions / seconds,
                (cpu_seconds(options.server) - cpu) / options.sessions * 1e6);
}

void measure_idle(const Options& options) {
    const std::uint64_t before = resident_bytes(options.server);
    const Sessions sessions = log_in(options);
    for (const auto& session : sessions) {
        session->test_unit_ready();
    }
    const std::uint64_t after = resident_bytes(options.server);
    const double cpu = cpu_seconds(options.server);
    std::this_thread::sleep_for(Seconds(options.seconds));
    std::printf("{\"bytes_per_session\": %.0f, \"cpu_percent\": %.3f}\n",
                static_cast<double>(after - std::min(before, after)) / options.sessions,
                (cpu_seconds(options.server) - cpu) / options.seconds * 100);
}

void stall(const Options& options) {
    const Sessions sessions = log_in(options);
    for (const auto& session : sessions) {
        session->test_unit_ready();
        session->start();
    }
    std::this_thread::sleep_for(Seconds(options.seconds));
}

class Loop {
  public:
    explicit Loop(const Sessions& sessions) : poll_(::epoll_create1(0)) {
        for (const auto& session : sessions) {
            epoll_event event = interest(*session);
            ::epoll_ctl(poll_, EPOLL_CTL_ADD, session->socket(), &event);
        }
    }
    ~Loop() { ::close(poll_); }
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void run_until(std::chrono::steady_clock::time_point end) {
        std::array<epoll_event, 64> events{};
        while (std::chrono::steady_clock::now() < end) {
            const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 100);
            for (int i = 0; i < count; ++i) {
                auto& session = *static_cast<Initiator*>(events[static_cast<std::size_t>(i)].data.ptr);
                const bool wrote = session.wants_to_write();
                session.on_ready();
                if (wrote != session.wants_to_write()) {
                    epoll_event event = interest(session);
                    ::epoll_ctl(poll_, EPOLL_CTL_MOD, session.socket(), &event);
                }
            }
        }
    }

  private:
    static epoll_event interest(Initiator& session) {
        epoll_event event{};
        event.events = session.wants_to_write() ? EPOLLIN | EPOLLOUT : EPOLLIN;
        event.data.ptr = &session;
        return event;
    }
    int poll_;
};

double percentile(std::vector<std::uint32_t>& sorted, double share) {
    return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))] / 1000.0;
}

void measure_io(const Options& options) {
    const Sessions sessions = log_in(options);
    for (const auto& session : sessions) {
        session->test_unit_ready();
        session->start();
    }
    Loop loop(sessions);
    const auto now = [] { return std::chrono::steady_clock::now(); };
    loop.run_until(now() + std::chrono::milliseconds(300)); // caches and windows fill
    std::uint64_t before = 0;
    for (const auto& session : sessions) {
        before += session->completed();
        session->latencies().clear();
    }
    const double cpu = cpu_seconds(options.server);
    const auto start = now();
    loop.run_until(start + std::chrono::duration_cast<std::chrono::nanoseconds>(Seconds(options.seconds)));
    const double seconds = Seconds(now() - start).count();
    const double used = cpu_seconds(options.server) - cpu;
    std::uint64_t count = 0;
    std::vector<std::uint32_t> latencies;
    for (const auto& session : sessions) {
        count += session->completed();
        latencies.insert(latencies.end(), session->latencies().begin(), session->latencies().end());
    }
    count -= before;
    std::sort(latencies.begin(), latencies.end());
    std::printf("{\"iops\": %.0f, \"mib_per_second\": %.1f, \"cpu_us\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
                static_cast<double>(count) / seconds,
                static_cast<double>(count) * options.workload.block_bytes / seconds / (1 << 20),
                count == 0 ? 0 : used / static_cast<double>(count) * 1e6, percentile(latencies, 0.5), percentile(latencies, 0.99));
}

} // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    if (const Result<void> loaded = load_crc32c(); options.workload.data_digest && !loaded) {
        fail(loaded.error().what);
    }
    if (options.logins) {
        measure_logins(options);
    } else if (options.idle) {
        measure_idle(options);
    } else if (options.stall) {
        stall(options);
    } else {
        measure_io(options);
    }
    return 0;
}
