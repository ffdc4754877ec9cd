// SimFileSystem: files in memory whose host can lose power. Everything written since a file's last sync_data() may be lost, kept or torn, sector by
// sector, and in any order; changes of its size and holes survive in order up to some point; names survive up to some point behind the last
// sync_directory(). Shared mappings behave as the page cache does: they outlive the process, not the host.
//
//   before_change(hook)    called before each write, sync, resize, rename, ... : take after_process_death() or after_power_loss() there
//   fail_when(predicate)   makes chosen operations fail (disk full, I/O error)
//
// Thread-safe but for the hook, which runs under no lock on the calling thread.
#pragma once

#include "core/random.hpp"
#include "images/file.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <set>

namespace rootstock::test {

enum class SimAction : std::uint8_t { write, durable_write, sync, resize, punch, allocate, create, rename, remove, sync_directory };

struct SimOperation {
    SimAction action{};
    std::string path;
    std::uint64_t offset = 0; // of a write, punch, allocation; the new size of a resize
    std::uint64_t length = 0;
};

/// How a host loses power: which share of what was not synced has reached the disk, and in what pieces it tears.
struct PowerCut {
    std::uint64_t seed = 0;
    unsigned kept_percent = 50;    // 0: nothing unsynced survives; 100: all does
    std::uint64_t tear_bytes = 512; // a write tears at multiples of this
};

struct SimState;

class SimFileSystem final : public images::FileSystem {
  public:
    SimFileSystem();
    ~SimFileSystem() override;

    Result<std::unique_ptr<images::File>> open(const std::string& path, images::OpenMode mode) override;
    Result<void> remove(const std::string& path) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> sync_directory(const std::string& path) override;
    Result<void> make_directories(const std::string& path) override;
    Result<void> make_read_only(const std::string& path) override;
    [[nodiscard]] bool exists(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<Space> space(const std::string& path) override;
    [[nodiscard]] std::string boot_id() const override;
    [[nodiscard]] Memory memory() override { return memory_; }
    void set_memory(const Memory& memory) { memory_ = memory; }

    /// What a restarted process finds: everything, but the locks.
    [[nodiscard]] std::unique_ptr<SimFileSystem> after_process_death() const;
    /// What a restarted host finds.
    [[nodiscard]] std::unique_ptr<SimFileSystem> after_power_loss(const PowerCut& cut) const;

    void before_change(std::function<void(const SimOperation&)> hook);
    /// The error that an operation is to end with, or nothing. What fails changes nothing.
    void fail_when(std::function<std::optional<Error>(const SimOperation&)> predicate);
    /// All operations since the last call.
    [[nodiscard]] std::vector<SimOperation> take_operations();

  private:
    explicit SimFileSystem(std::unique_ptr<SimState> state);
    std::unique_ptr<SimState> state_;
    Memory memory_{std::uint64_t{8} << 30U, std::uint64_t{6} << 30U};
};

} // namespace rootstock::test
