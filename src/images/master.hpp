// Master: what machines' overlays stand on: one VHDX of the store or a chain of them, opened read-only and shared by all on it. A chain is flattened when it
// is opened, so no read ever walks it. Gives extents, resident mappings, and a Loader that brings chunks into memory once for all who wait.
#pragma once

#include "images/layer_file.hpp"

#include <set>
#include <span>

namespace rootstock::images {

/// A BlockDevice (read_only) that overlays read through. Thread-safe, immutable.
class Master : public block::BlockDevice {
  public:
    /// Of the first file: what a child of this master is made on.
    [[nodiscard]] virtual const MasterIdentity& identity() const = 0;
    [[nodiscard]] virtual const std::string& path() const = 0;
    /// Where the bytes at `offset` lie: the same file and offset are the same bytes. No file: zeros, or in no file.
    struct Place {
        const void* file = nullptr;
        std::uint64_t file_offset = 0;
        std::uint64_t length = 0;
    };
    [[nodiscard]] virtual Place place_of(std::uint64_t offset, std::uint64_t length) = 0;
    /// Of its files, its own first.
    [[nodiscard]] virtual std::vector<MasterIdentity> chain() const { return {identity()}; }
    /// Its reads are being recorded: nobody may read past it.
    [[nodiscard]] virtual bool is_recorded() const { return false; }
    /// Those of the files' chunks in which the range lies.
    [[nodiscard]] virtual std::set<FileChunk> chunks_of(std::uint64_t offset, std::uint64_t length) = 0;
    /// Notices chunks that the kernel has evicted, and a file that was changed or truncated behind our back (every read then says `gone`).
    /// Blocks for milliseconds: call it off the shards, about once a second.
    virtual void refresh() = 0;
    /// The worst of its files.
    [[nodiscard]] virtual LayerHealth health() const { return LayerHealth::intact; }
};

/// Opens and checks. `chain`: the master's own file first, then what each stands on, limits::chain_depth at most; the last has no parent.
[[nodiscard]] Result<std::shared_ptr<Master>> open_master(LayerFiles& files, std::span<const LayerPlace> chain);
/// One that is no chain.
[[nodiscard]] Result<std::shared_ptr<Master>> open_master(FileSystem& files, const std::string& path,
                                                          const std::optional<MasterIdentity>& expected);

} // namespace rootstock::images
