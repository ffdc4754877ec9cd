#include "db/process_lock.hpp"

#include "core/text.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

namespace rootstock::db {

namespace {

constexpr int attempts = 100;
constexpr auto pause = std::chrono::milliseconds(20);

/// False: somebody has it for good, or errno says what else is wrong.
bool lock_in_time(int file) {
    for (int attempt = 1; ::flock(file, LOCK_EX | LOCK_NB) != 0; ++attempt) {
        if (errno != EWOULDBLOCK || attempt == attempts) {
            return false;
        }
        std::this_thread::sleep_for(pause);
    }
    return true;
}

std::string owner(int file) {
    std::array<char, 32> buffer{};
    const ssize_t size = ::pread(file, buffer.data(), buffer.size(), 0);
    const auto pid = parse_number<int>(trim({buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0}));
    return pid ? "process " + std::to_string(*pid) : "another process";
}

} // namespace

Result<ProcessLock> ProcessLock::acquire(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return errno_error("cannot create " + path + " (the data directory must exist and be writable)");
    }
    ProcessLock lock(file);
    if (!lock_in_time(file)) {
        if (errno != EWOULDBLOCK) {
            return errno_error("cannot lock " + path);
        }
        return make_error(std::errc::device_or_resource_busy, "the data directory is in use by " + owner(file) + " (lock " + path +
                                                                  "): end that one, or choose another [server] data");
    }
    // The number is for the message above only: a lock without it still is one.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(file, 0) != 0 || ::pwrite(file, pid.data(), pid.size(), 0) < 0) {
        return errno_error("cannot write " + path);
    }
    return lock;
}

ProcessLock::ProcessLock(ProcessLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

ProcessLock::~ProcessLock() {
    if (file_ >= 0) {
        ::close(file_);
    }
}

} // namespace rootstock::db
