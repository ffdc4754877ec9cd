// The real File and FileSystem: the only user of system calls in this folder (file.hpp).
#include "images/file.hpp"

#include "images/sync_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

namespace rootstock::images {
namespace {

Error failure(std::string_view doing, const std::string& path) { return errno_error(std::string(doing) + " " + path); }

constexpr std::size_t page_size = 4096;
constexpr std::size_t huge_page_size = std::size_t{2} << 20U;

class PosixMapping final : public Mapping {
  public:
    PosixMapping(void* address, std::size_t size, std::string path)
        : bytes_(static_cast<std::uint8_t*>(address), size), path_(std::move(path)) {}
    PosixMapping(const PosixMapping&) = delete;
    PosixMapping& operator=(const PosixMapping&) = delete;
    ~PosixMapping() override { ::munmap(bytes_.data(), bytes_.size()); }

    MutableBytes bytes() override { return bytes_; }

    Result<void> populate(std::size_t offset, std::size_t length) override {
        void* start = bytes_.data() + offset;
        // Large pages where the file system has them; it is only a wish. A small range would get its neighbours read, too.
        if (length >= huge_page_size) {
            (void)::madvise(start, length, MADV_HUGEPAGE);
        }
        while (::madvise(start, length, MADV_POPULATE_READ) != 0) {
            if (errno != EINTR && errno != EAGAIN) {
                return failure("cannot bring into memory a part of", path_);
            }
        }
        return {};
    }

    std::size_t resident_bytes(std::size_t offset, std::size_t length) override {
        std::array<unsigned char, 512> pages{}; // 2 MiB a turn
        std::size_t found = 0;
        while (length != 0) {
            const std::size_t step = std::min(length, pages.size() * page_size);
            const std::size_t count = (step + page_size - 1) / page_size;
            if (::mincore(bytes_.data() + offset, step, pages.data()) != 0) {
                return 0;
            }
            const auto in_memory = std::count_if(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(count), [](unsigned char page) { return (page & 1U) != 0; });
            found += static_cast<std::size_t>(in_memory) * page_size;
            offset += step;
            length -= step;
        }
        return found;
    }

    bool pin(std::size_t offset, std::size_t length) override { return ::mlock(bytes_.data() + offset, length) == 0; }
    void unpin(std::size_t offset, std::size_t length) override { ::munlock(bytes_.data() + offset, length); }

  private:
    MutableBytes bytes_;
    std::string path_;
};

class PosixFile final : public File {
  public:
    PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    void sync_in(std::shared_ptr<SyncPool> pool) { pool_ = std::move(pool); }
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;
    ~PosixFile() override { ::close(fd_); }

    const std::string& path() const override { return path_; }
    void note_path(const std::string& path) override { path_ = path; }

    Result<void> read_at(std::uint64_t offset, MutableBytes out) override {
        while (!out.empty()) {
            const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got < 0) {
                return failure("cannot read", path_);
            }
            if (got == 0) {
                return make_error(std::errc::io_error, path_ + " ends at byte " + std::to_string(offset) + ", before what was to be read");
            }
            out = out.subspan(static_cast<std::size_t>(got));
            offset += static_cast<std::uint64_t>(got);
        }
        return {};
    }

    Result<bool> try_read_at(std::uint64_t offset, MutableBytes out) override {
        const iovec vector{out.data(), out.size()};
        const ssize_t got = ::preadv2(fd_, &vector, 1, static_cast<off_t>(offset), RWF_NOWAIT);
        if (got == static_cast<ssize_t>(out.size())) {
            return true;
        }
        // A short read is what is in memory up to the first page that is not; a file system without RWF_NOWAIT always waits.
        if (got >= 0 || errno == EAGAIN || errno == EINTR || errno == EOPNOTSUPP) {
            return false;
        }
        return failure("cannot read", path_);
    }

    Result<void> write_at(std::uint64_t offset, Bytes data) override { return write_all(offset, data, 0); }
    Result<void> write_durable_at(std::uint64_t offset, Bytes data) override { return write_all(offset, data, RWF_DSYNC); }

    Result<void> sync_data() override {
        const auto own = [this] { return ::fdatasync(fd_) == 0 ? Result<void>() : Result<void>(failure("cannot make durable", path_)); };
        return pool_ ? pool_->sync(own) : own();
    }

    Result<std::uint64_t> size() override {
        // Not fstat: a block device has its size only as the place of its end.
        const off_t end = ::lseek(fd_, 0, SEEK_END);
        if (end < 0) {
            return failure("cannot find the size of", path_);
        }
        return static_cast<std::uint64_t>(end);
    }

    Result<void> resize(std::uint64_t size) override {
        if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
            return failure("cannot change the size of", path_);
        }
        return {};
    }

    Result<void> punch_hole(std::uint64_t offset, std::uint64_t length) override {
        if (length == 0) {
            return {};
        }
        if (::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0) {
            return {};
        }
        if (errno == EOPNOTSUPP) {
            return write_zeros(offset, length);
        }
        return failure("cannot free space in", path_);
    }

    Result<void> allocate(std::uint64_t offset, std::uint64_t length) override {
        if (const int reason = ::posix_fallocate(fd_, static_cast<off_t>(offset), static_cast<off_t>(length)); reason != 0) {
            return errno_error(reason, "cannot allocate space in " + path_);
        }
        return {};
    }

    // Hints: a refusal costs speed, nothing else.
    void advise_random() override { (void)::posix_fadvise(fd_, 0, 0, POSIX_FADV_RANDOM); }
    void drop_cached(std::uint64_t offset, std::uint64_t length) override {
        (void)::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
    }
    void start_writeback() override { (void)::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE); }

    Result<std::optional<Stretch>> next_data(std::uint64_t offset) override {
        const off_t data = ::lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
        if (data < 0) {
            if (errno == ENXIO) {
                return std::optional<Stretch>();
            }
            return errno == EINVAL ? all_data(offset) : failure("cannot look for data in", path_);
        }
        const off_t hole = ::lseek(fd_, data, SEEK_HOLE);
        if (hole < 0) {
            return failure("cannot look for data in", path_);
        }
        return std::optional(Stretch{static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(hole - data)});
    }

    Result<std::uint64_t> allocated_bytes() override {
        const auto status = stat_now();
        if (!status) {
            return status.error();
        }
        return static_cast<std::uint64_t>(status->st_blocks) * 512; // st_blocks counts 512 bytes whatever the file system's block is
    }

    Result<std::unique_ptr<Mapping>> map_read_only() override {
        const auto length = size();
        if (!length) {
            return length.error();
        }
        return map(static_cast<std::size_t>(*length), PROT_READ);
    }
    Result<std::unique_ptr<Mapping>> map_shared(std::uint64_t size) override { return map(static_cast<std::size_t>(size), PROT_READ | PROT_WRITE); }

    Result<void> lock_exclusive() override {
        if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
            return {};
        }
        if (errno == EWOULDBLOCK) {
            return make_error(std::errc::device_or_resource_busy, path_ + " is in use by another process; stop that one first");
        }
        return failure("cannot lock", path_);
    }

    Result<Stamp> stamp() override {
        const auto status = stat_now();
        if (!status) {
            return status.error();
        }
        constexpr std::int64_t ns = 1'000'000'000;
        return Stamp{status->st_dev, status->st_ino, static_cast<std::uint64_t>(status->st_size),
                     std::int64_t{status->st_mtim.tv_sec} * ns + status->st_mtim.tv_nsec};
    }

  private:
    Result<void> write_all(std::uint64_t offset, Bytes data, int flags) {
        while (!data.empty()) {
            const iovec vector{const_cast<std::uint8_t*>(data.data()), data.size()};
            const ssize_t put = ::pwritev2(fd_, &vector, 1, static_cast<off_t>(offset), flags);
            if (put < 0 && errno == EINTR) {
                continue;
            }
            if (put <= 0) {
                return failure("cannot write to", path_);
            }
            data = data.subspan(static_cast<std::size_t>(put));
            offset += static_cast<std::uint64_t>(put);
        }
        return {};
    }

    /// For file systems that cannot punch: the promise that zeros are read holds, the space stays taken.
    Result<void> write_zeros(std::uint64_t offset, std::uint64_t length) {
        const ByteVector zeros(std::min<std::uint64_t>(length, 1U << 20U));
        while (length != 0) {
            const Bytes step = Bytes(zeros).first(std::min<std::uint64_t>(length, zeros.size()));
            if (auto written = write_at(offset, step); !written) {
                return written;
            }
            offset += step.size();
            length -= step.size();
        }
        return {};
    }

    /// For what has no holes to tell of (block devices).
    Result<std::optional<Stretch>> all_data(std::uint64_t offset) {
        const auto end = size();
        if (!end) {
            return end.error();
        }
        return offset < *end ? std::optional(Stretch{offset, *end - offset}) : std::nullopt;
    }

    Result<struct stat> stat_now() {
        struct stat status {};
        if (::fstat(fd_, &status) != 0) {
            return failure("cannot look at", path_);
        }
        return status;
    }

    Result<std::unique_ptr<Mapping>> map(std::size_t length, int protection) {
        void* address = ::mmap(nullptr, length, protection, MAP_SHARED, fd_, 0);
        if (address == MAP_FAILED) {
            return failure("cannot map into memory", path_);
        }
        return std::unique_ptr<Mapping>(std::make_unique<PosixMapping>(address, length, path_));
    }

    int fd_;
    std::string path_;
    std::shared_ptr<SyncPool> pool_; // null: a device, of which no file system knows
};

/// The pool of a file system, seen through `directory` in it; null when that cannot be opened.
std::shared_ptr<SyncPool> make_pool(const std::string& directory) {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return nullptr;
    }
    auto* pool = new SyncPool([fd] { return ::syncfs(fd) == 0 ? Result<void>() : Result<void>(errno_error("cannot make the file system durable")); });
    return {pool, [fd](SyncPool* gone) {
                delete gone;
                ::close(fd);
            }};
}

int open_flags(OpenMode mode) {
    switch (mode) {
    case OpenMode::read_only: return O_RDONLY;
    case OpenMode::read_write: return O_RDWR;
    case OpenMode::create_new: return O_RDWR | O_CREAT | O_EXCL;
    }
    return O_RDONLY;
}

class PosixFileSystem final : public FileSystem {
  public:
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
        // O_NONBLOCK: a named pipe in the place of a disk is refused below, not waited for.
        const int fd = ::open(path.c_str(), open_flags(mode) | O_CLOEXEC | O_NONBLOCK, 0644);
        if (fd < 0) {
            return failure(mode == OpenMode::create_new ? "cannot create" : "cannot open", path);
        }
        auto file = std::make_unique<PosixFile>(fd, path);
        struct stat status {};
        if (::fstat(fd, &status) != 0) {
            return failure("cannot look at", path);
        }
        if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
            return make_error(std::errc::invalid_argument, path + " is neither a file nor a block device; give the path of a disk image");
        }
        if (S_ISREG(status.st_mode) && mode != OpenMode::read_only) {
            file->sync_in(pool_of(status.st_dev, path));
        }
        return std::unique_ptr<File>(std::move(file));
    }

    Result<void> remove(const std::string& path) override {
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
            return failure("cannot remove", path);
        }
        return {};
    }

    Result<void> rename(const std::string& from, const std::string& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) {
            return failure("cannot rename " + from + " to", to);
        }
        return {};
    }

    Result<void> sync_directory(const std::string& path) override {
        const std::string name = path.empty() ? "." : path;
        const int fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
            return failure("cannot open the directory", name);
        }
        const int synced = ::fsync(fd);
        const int reason = errno;
        ::close(fd);
        return synced == 0 ? Result<void>() : errno_error(reason, "cannot make durable the directory " + name);
    }

    /// Each new directory's entry is made durable, so that a file synced below it cannot be lost with it.
    Result<void> make_directories(const std::string& path) override {
        if (path.empty() || exists(path)) {
            return {};
        }
        const std::string parent = std::filesystem::path(path).parent_path().string();
        if (auto made = make_directories(parent); !made) {
            return made;
        }
        if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
            return failure("cannot make the directory", path);
        }
        return sync_directory(parent);
    }

    Result<void> make_read_only(const std::string& path) override {
        if (::chmod(path.c_str(), 0444) != 0) {
            return failure("cannot make read-only", path);
        }
        return {};
    }

    bool can_be_written(const std::string& path) override {
        struct stat status {};
        return ::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) != 0;
    }

    bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

    Result<std::vector<std::string>> list(const std::string& directory) override {
        std::error_code error;
        std::vector<std::string> names;
        for (auto entry = std::filesystem::directory_iterator(directory, error); !error && entry != std::filesystem::directory_iterator();
             entry.increment(error)) {
            names.push_back(entry->path().filename().string());
        }
        if (error) {
            return errno_error(error.value(), "cannot list the directory " + directory);
        }
        std::ranges::sort(names);
        return names;
    }

    Result<Space> space(const std::string& path) override {
        struct statvfs status {};
        if (::statvfs(path.c_str(), &status) != 0) {
            return failure("cannot find the free space of", path);
        }
        return Space{std::uint64_t{status.f_blocks} * status.f_frsize, std::uint64_t{status.f_bavail} * status.f_frsize};
    }

    /// Where the kernel does not tell, there is none.
    Memory memory() override {
        Memory memory;
        std::ifstream facts("/proc/meminfo");
        std::string name, unit;
        for (std::uint64_t kib = 0; facts >> name >> kib; std::getline(facts, unit)) {
            if (name == "MemTotal:") {
                memory.total_bytes = kib * 1024;
            } else if (name == "MemAvailable:") {
                memory.available_bytes = kib * 1024;
            }
        }
        return memory;
    }

  private:
    /// Of the file system that `path` is in; the same one while any of its files is open.
    std::shared_ptr<SyncPool> pool_of(dev_t device, const std::string& path) {
        std::lock_guard lock(mutex_);
        std::weak_ptr<SyncPool>& known = pools_[device];
        std::shared_ptr<SyncPool> pool = known.lock();
        if (!pool) {
            const std::string directory = std::filesystem::path(path).parent_path().string();
            pool = make_pool(directory.empty() ? "." : directory);
            known = pool;
        }
        return pool;
    }

    std::mutex mutex_; // guards pools_
    std::map<dev_t, std::weak_ptr<SyncPool>> pools_;
};

} // namespace

std::unique_ptr<FileSystem> make_posix_file_system() { return std::make_unique<PosixFileSystem>(); }

std::string kernel_boot_id() {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id;
}

} // namespace rootstock::images
