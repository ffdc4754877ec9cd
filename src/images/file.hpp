// File and FileSystem: the seam below every disk format. posix_file is the only user of system calls; tests put a file layer here that
// cuts the power after any write. Positional, thread-safe, blocking (but for try_read_at). Errors are Error with the path in the text.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rootstock::images {

/// What a file is called while it is being made. The store deletes such leftovers of a crash at its start.
inline constexpr std::string_view temporary_suffix = ".tmp";

/// A mapping of a file; unmapped when destroyed.
class Mapping {
  public:
    virtual ~Mapping() = default;
    [[nodiscard]] virtual MutableBytes bytes() = 0; // writable only for map_shared()
    /// Brings the range into memory and the page table (MADV_POPULATE_READ); fails when the file cannot be read there. Blocks.
    virtual Result<void> populate(std::size_t offset, std::size_t length) {
        (void)offset, (void)length;
        return {};
    }
    /// What of the range is in memory now, in whole pages (mincore): at least `length` when all of it is. Does not wait for the disk.
    [[nodiscard]] virtual std::size_t resident_bytes(std::size_t offset, std::size_t length) {
        (void)offset;
        return length;
    }
    [[nodiscard]] bool resident(std::size_t offset, std::size_t length) { return resident_bytes(offset, length) >= length; }
    /// Keeps the range in memory until unpin() (mlock); false: the process may lock no more (RLIMIT_MEMLOCK). Blocks while it is read.
    [[nodiscard]] virtual bool pin(std::size_t offset, std::size_t length) {
        (void)offset, (void)length;
        return true;
    }
    virtual void unpin(std::size_t offset, std::size_t length) { (void)offset, (void)length; }
};

class File {
  public:
    virtual ~File() = default;

    [[nodiscard]] virtual const std::string& path() const = 0;
    /// It was renamed while it is open, and nobody else uses it yet: path() is its new name.
    virtual void note_path(const std::string& path) = 0;
    /// Reads exactly out.size() bytes; what lies beyond the end of the file is an error.
    virtual Result<void> read_at(std::uint64_t offset, MutableBytes out) = 0;
    /// Only what needs no wait (RWF_NOWAIT): false when it would block.
    virtual Result<bool> try_read_at(std::uint64_t offset, MutableBytes out) = 0;
    virtual Result<void> write_at(std::uint64_t offset, Bytes data) = 0;
    /// write_at that is durable once it returns (RWF_DSYNC).
    virtual Result<void> write_durable_at(std::uint64_t offset, Bytes data) = 0;
    /// fdatasync(2): data and the size.
    virtual Result<void> sync_data() = 0;
    virtual Result<std::uint64_t> size() = 0;
    virtual Result<void> resize(std::uint64_t size) = 0;
    /// Gives the space back; the range reads as zeros, the size stays.
    virtual Result<void> punch_hole(std::uint64_t offset, std::uint64_t length) = 0;
    /// Gives the range real space on disk (posix_fallocate), growing the file where it must: a later store into a mapping of it cannot fail.
    virtual Result<void> allocate(std::uint64_t offset, std::uint64_t length) = 0;
    /// Reads will come in no order: no read-ahead (POSIX_FADV_RANDOM). A hint.
    virtual void advise_random() {}
    /// The range is not read again soon: its clean pages may leave the page cache (POSIX_FADV_DONTNEED). A hint.
    virtual void drop_cached(std::uint64_t offset, std::uint64_t length) { (void)offset, (void)length; }
    /// Starts writing out what is dirty, without waiting (sync_file_range), so that the next sync_data() is short. A hint; may block briefly.
    virtual void start_writeback() {}
    /// The next stretch at or behind `offset` that holds data (SEEK_DATA / SEEK_HOLE); nothing behind the last.
    struct Stretch {
        std::uint64_t offset = 0;
        std::uint64_t length = 0;
    };
    virtual Result<std::optional<Stretch>> next_data(std::uint64_t offset) = 0;
    /// Bytes really occupied on disk.
    virtual Result<std::uint64_t> allocated_bytes() = 0;
    /// The whole file, read-only, shared. The bytes are for the kernel (sendmsg) only: see block_device.hpp.
    virtual Result<std::unique_ptr<Mapping>> map_read_only() = 0;
    /// The first `size` bytes, writable, shared: survives this process, not the host.
    virtual Result<std::unique_ptr<Mapping>> map_shared(std::uint64_t size) = 0;
    /// Takes an exclusive lock (flock) that dies with the file; an error when another process has it.
    virtual Result<void> lock_exclusive() = 0;
    /// What tells this file from another at the same path: device, inode, size, mtime.
    struct Stamp {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::uint64_t size = 0;
        std::int64_t mtime_ns = 0;
        bool operator==(const Stamp&) const = default;
    };
    virtual Result<Stamp> stamp() = 0;
};

/// Who makes a change durable: whoever makes it, or the caller, later, together with others (a new file, which nobody knows yet, needs no order inside).
enum class Syncs : std::uint8_t { here, by_caller };

enum class OpenMode { read_only, read_write, create_new /* fails when it exists; read-write */ };

/// The kernel's boot id (/proc/sys/kernel/random/boot_id): what a shared mapping survived, or not.
[[nodiscard]] std::string kernel_boot_id();

class FileSystem {
  public:
    virtual ~FileSystem() = default;
    virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
    virtual Result<void> remove(const std::string& path) = 0; // fine when it does not exist
    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    virtual Result<void> sync_directory(const std::string& path) = 0;
    virtual Result<void> make_directories(const std::string& path) = 0;
    virtual Result<void> make_read_only(const std::string& path) = 0; // mode 0444
    /// Whether its mode lets anybody write to it.
    [[nodiscard]] virtual bool can_be_written(const std::string& path) {
        (void)path;
        return false;
    }
    [[nodiscard]] virtual bool exists(const std::string& path) = 0;
    virtual Result<std::vector<std::string>> list(const std::string& directory) = 0; // names, sorted
    struct Space {
        std::uint64_t total_bytes = 0;
        std::uint64_t free_bytes = 0;
    };
    virtual Result<Space> space(const std::string& path) = 0;
    /// Of the host; available: what a new program could have without anything being swapped out.
    struct Memory {
        std::uint64_t total_bytes = 0;
        std::uint64_t available_bytes = 0;
    };
    [[nodiscard]] virtual Memory memory() = 0;
    /// The boot id of the host that holds this file system's page cache.
    [[nodiscard]] virtual std::string boot_id() const { return kernel_boot_id(); }
};

/// The real one.
[[nodiscard]] std::unique_ptr<FileSystem> make_posix_file_system();

} // namespace rootstock::images
