// LayerFile: one immutable file of the store as masters read it: checked against what the catalogue remembers of it, mapped, and watched. A file that is in
// several chains is opened once for all of them (LayerFiles), so what one machine has brought into memory is there for all.
// Threads: thread-safe.
#pragma once

#include "block/block_device.hpp"
#include "core/guid.hpp"
#include "images/file.hpp"

#include <atomic>
#include <map>
#include <mutex>

namespace rootstock::images {

/// What the catalogue remembers of a layer's file, to notice a changed, truncated or swapped one ([MS-VHDX] 2.2.2.1 DataWriteGuid).
struct MasterIdentity {
    Guid data_write_guid;
    std::uint64_t virtual_size = 0;
    std::uint64_t file_size = 0;
    auto operator<=>(const MasterIdentity&) const = default;
};

/// What became of a layer's file since it was opened.
enum class LayerHealth : std::uint8_t {
    intact,
    displaced, // removed, or another file has its name: what is open is still the right one, and is read on; nobody new may begin with it
    changed,   // written to or truncated: every read says `gone`, for good
};

struct LayerPlace {
    std::string path;
    std::optional<MasterIdentity> expected; // from the catalogue: anything that differs is refused, saying what and naming the file
};

class LayerFile final : public block::Loader, public std::enable_shared_from_this<LayerFile> {
  public:
    /// A clean VHDX: one with something in its log is refused.
    [[nodiscard]] static Result<std::shared_ptr<LayerFile>> open(FileSystem& files, const LayerPlace& place);

    [[nodiscard]] const std::string& path() const { return file_->path(); }
    [[nodiscard]] const MasterIdentity& identity() const { return identity_; }
    [[nodiscard]] const File::Stamp& stamp() const { return stamp_; }

    /// Bytes of the file, as BlockDevice::try_read has them. The range lies within the file.
    [[nodiscard]] block::TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink);
    [[nodiscard]] Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out);
    Result<void, block::IoError> load(std::uint64_t chunk) override;

    // Chunks that are to stay in memory (warm_set.hpp).
    /// Loads the chunk and keeps it in memory until as many unpin(). False: it is loaded, but not kept: no more memory may be locked.
    [[nodiscard]] Result<bool, block::IoError> pin(std::uint64_t chunk);
    void unpin(std::uint64_t chunk);
    /// Known to be in memory, as the last refresh() found it.
    [[nodiscard]] bool is_resident(std::uint64_t chunk) const { return resident_.test(chunk); }
    [[nodiscard]] std::size_t chunk_bytes(std::uint64_t chunk) const;
    [[nodiscard]] static std::uint64_t chunk_of(std::uint64_t offset);

    /// Notices what the kernel has evicted; false: the file was changed behind our back, and stays refused.
    bool refresh();
    /// As the last refresh() or load() found it.
    [[nodiscard]] LayerHealth health() const;

  private:
    /// One bit a chunk of the file. Any thread sets and asks.
    class ChunkBits {
      public:
        explicit ChunkBits(std::uint64_t count) : words_((count + 63) / 64) {}
        [[nodiscard]] bool test(std::uint64_t chunk) const { return (words_[chunk / 64].load(std::memory_order_relaxed) & bit(chunk)) != 0; }
        void set(std::uint64_t chunk) { words_[chunk / 64].fetch_or(bit(chunk), std::memory_order_relaxed); }
        void clear(std::uint64_t chunk) { words_[chunk / 64].fetch_and(~bit(chunk), std::memory_order_relaxed); }

      private:
        static std::uint64_t bit(std::uint64_t chunk) { return std::uint64_t{1} << (chunk % 64); }
        std::vector<std::atomic<std::uint64_t>> words_;
    };

    LayerFile(FileSystem& files, std::unique_ptr<File> file, std::unique_ptr<Mapping> mapping, const MasterIdentity& identity, const File::Stamp& stamp);

    Result<std::uint32_t, block::IoError> load_data(std::uint64_t begin, std::uint64_t end);
    [[nodiscard]] bool is_unchanged();
    [[nodiscard]] bool is_in_place();
    [[nodiscard]] std::optional<std::uint64_t> missing_chunk(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] block::TryRead try_copy(std::uint64_t offset, std::size_t length, block::ReadSink& sink);

    FileSystem& files_;
    std::unique_ptr<File> file_;
    std::unique_ptr<Mapping> mapping_;
    Bytes mapped_;
    const MasterIdentity identity_;
    const File::Stamp stamp_;
    const std::uint64_t chunk_count_;
    ChunkBits resident_; // known to be in memory; refresh() clears
    std::vector<std::atomic<std::uint32_t>> data_bytes_; // by chunk: without holes, as load() found it
    std::atomic<bool> changed_{false};
    std::atomic<bool> displaced_{false};
    std::mutex pins_mutex_; // pins_, also over the call that locks
    std::map<std::uint64_t, unsigned> pins_; // by chunk: how often
};

/// A chunk of a file that is open.
struct FileChunk {
    std::shared_ptr<LayerFile> file;
    std::uint64_t chunk = 0;
    auto operator<=>(const FileChunk&) const = default;
};

/// The files that are open, each once.
class LayerFiles {
  public:
    explicit LayerFiles(FileSystem& files) : files_(files) {}

    [[nodiscard]] FileSystem& file_system() { return files_; }
    /// One that is open and intact, or opened now: who has an older one keeps that.
    [[nodiscard]] Result<std::shared_ptr<LayerFile>> get(const LayerPlace& place);
    /// The next get() of the file opens it anew; who has it open keeps it.
    void forget(const std::string& path);
    /// All that somebody has open, but for forgotten ones.
    [[nodiscard]] std::vector<std::shared_ptr<LayerFile>> all();

  private:
    FileSystem& files_;
    std::mutex mutex_; // open_
    std::map<std::pair<std::string, MasterIdentity>, std::weak_ptr<LayerFile>> open_;
};

} // namespace rootstock::images
