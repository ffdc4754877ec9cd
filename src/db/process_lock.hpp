// ProcessLock: one process at a time owns a data directory. The kernel drops the lock with the process, however it ends.
#pragma once

#include "core/result.hpp"

#include <string>

namespace rootstock::db {

class ProcessLock {
  public:
    /// `path`: the lock file; created when missing, never removed, holds the owner's process id. Waits a moment for one who is about to go (a
    /// command that ran without a server, just when the server starts). device_or_resource_busy: somebody has it and keeps it.
    [[nodiscard]] static Result<ProcessLock> acquire(const std::string& path);
    ProcessLock(ProcessLock&& other) noexcept;
    ProcessLock& operator=(ProcessLock&&) = delete;
    ~ProcessLock();

  private:
    explicit ProcessLock(int file) : file_(file) {}
    int file_;
};

} // namespace rootstock::db
