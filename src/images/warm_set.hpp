// WarmSet: the versions whose boot traces are kept in memory, so that a storm of boots does not wait for the disk (docs/images.md, "Warm versions"). Loads
// the chunks of their files that hold the blocks of the trace and pins them; where the limit of locked memory forbids that they are only loaded.
// Threads: thread-safe. warm() blocks for as long as the reading takes, one at a time.
#pragma once

#include "images/boot_trace.hpp"
#include "images/catalogue.hpp"
#include "images/content_digest.hpp"
#include "images/master.hpp"

#include <map>
#include <mutex>
#include <set>

namespace rootstock::images {

/// How much of a warm version is where.
struct WarmState {
    std::uint64_t bytes = 0;          // of the chunks that hold its trace
    std::uint64_t resident_bytes = 0; // of these: in memory
    std::uint64_t pinned_bytes = 0;   // of these: staying there
    bool operator==(const WarmState&) const = default;
};

/// All that is warm may take half of the host's memory together, and no more at once than is available. `needed`: in addition to the `warm` bytes.
/// errc::not_enough_memory, with what is needed and what is free.
[[nodiscard]] Result<void> check_warm_room(std::uint64_t needed, std::uint64_t warm, const FileSystem::Memory& memory, const std::string& what);

class WarmSet {
  public:
    explicit WarmSet(FileSystem& files) : files_(files) {}

    /// `master`: of `version`. What was warm of the version before is let go. errc::operation_canceled when `progress` gives false; then nothing is kept.
    /// `by_itself`: because the configuration says so.
    Result<WarmState> warm(const ImageVersion& version, std::shared_ptr<Master> master, const std::vector<std::uint32_t>& blocks, bool by_itself,
                           const PieceProgress& progress);
    /// Lets go of the version, or of all of the image (0). Fine when nothing is warm.
    void cool(const std::string& image, std::uint32_t version);
    [[nodiscard]] std::optional<WarmState> state(const std::string& image, std::uint32_t version);

    struct Held {
        std::string image;
        std::uint32_t version = 0;
        std::vector<MasterIdentity> chain; // its files: others were written anew since
        bool by_itself = false;
    };
    [[nodiscard]] std::vector<Held> all();

  private:
    /// The chunks of one version, which are let go with it.
    class Chunks {
      public:
        explicit Chunks(std::set<FileChunk> chunks) : chunks_(std::move(chunks)) {}
        Chunks(const Chunks&) = delete;
        Chunks& operator=(const Chunks&) = delete;
        ~Chunks();

        Result<void> bring_in(const PieceProgress& progress);
        [[nodiscard]] const std::set<FileChunk>& all() const { return chunks_; }
        [[nodiscard]] WarmState state() const;

      private:
        const std::set<FileChunk> chunks_;
        std::vector<FileChunk> pinned_;
        std::uint64_t pinned_bytes_ = 0;
    };
    struct Entry {
        Held held;
        std::shared_ptr<Chunks> chunks;
    };
    using Key = std::pair<std::string, std::uint32_t>;
    [[nodiscard]] std::set<FileChunk> chunks_of_others(const Key& version);

    FileSystem& files_;
    std::mutex warming_; // one at a time
    std::mutex mutex_;   // entries_; taken behind warming_
    std::map<Key, Entry> entries_;
};

} // namespace rootstock::images
