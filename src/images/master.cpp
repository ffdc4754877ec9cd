#include "images/master.hpp"

#include "core/text.hpp"
#include "images/master_extents.hpp"

#include <atomic>

namespace rootstock::images {
namespace {

using block::Geometry;
using block::IoError;
using block::Miss;
using block::ReadSink;
using block::TryRead;
using block::TryStatus;
using block::TryWrite;

constexpr std::uint64_t chunk_size = std::uint64_t{2} << 20U; // of the file; what one load brings in

/// One bit a chunk of the file: known to be in memory. Any thread sets and asks; refresh() clears.
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

/// What a master is made of once its file has been checked.
struct MasterParts {
    std::unique_ptr<File> file;
    std::unique_ptr<Mapping> mapping;
    MasterExtents extents;
    MasterIdentity identity;
    Geometry geometry;
    File::Stamp stamp;
};

class VhdxMaster final : public Master, public block::Loader, public std::enable_shared_from_this<VhdxMaster> {
  public:
    explicit VhdxMaster(MasterParts parts)
        : parts_(std::move(parts)), mapped_(parts_.mapping->bytes()), chunk_count_(div_up(parts_.identity.file_size, chunk_size)),
          resident_(chunk_count_) {}

    const MasterIdentity& identity() const override { return parts_.identity; }
    const std::string& path() const override { return parts_.file->path(); }
    Geometry geometry() const override { return parts_.geometry; }

    TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, ReadSink& sink) override {
        if (auto refused = refusal(offset, length)) {
            return failed(*refused);
        }
        while (length != 0) {
            const auto piece = parts_.extents.at(offset, length);
            if (!piece.file_offset) {
                sink.zeros(piece.length);
            } else if (auto read = mapping_allowed ? try_map(*piece.file_offset, piece.length, sink) : try_copy(*piece.file_offset, piece.length, sink);
                       read.status != TryStatus::done) {
                return read;
            }
            offset += piece.length;
            length -= piece.length;
        }
        return {};
    }

    Result<void, IoError> read(std::uint64_t offset, MutableBytes out) override {
        if (auto refused = refusal(offset, out.size())) {
            return *refused;
        }
        while (!out.empty()) {
            const auto piece = parts_.extents.at(offset, out.size());
            const MutableBytes target = out.first(piece.length);
            if (!piece.file_offset) {
                std::memset(target.data(), 0, target.size());
            } else if (!parts_.file->read_at(*piece.file_offset, target)) {
                return IoError::medium;
            }
            out = out.subspan(piece.length);
            offset += piece.length;
        }
        return {};
    }

    TryWrite try_write(std::uint64_t, Bytes) override { return {TryStatus::failed, IoError::read_only}; }
    Result<void, IoError> write(std::uint64_t, Bytes, bool) override { return IoError::read_only; }
    Result<void, IoError> flush() override { return {}; }
    Result<void, IoError> discard(std::uint64_t, std::uint64_t) override { return IoError::read_only; }

    Extent extent(std::uint64_t offset, std::uint64_t length) override {
        const auto piece = parts_.extents.at(offset, length);
        return {piece.length, piece.file_offset.has_value()};
    }

    Result<void, IoError> load(std::uint64_t chunk) override {
        if (chunk >= chunk_count_ || !is_unchanged()) {
            return IoError::gone;
        }
        if (!parts_.mapping->populate(chunk * chunk_size, chunk_bytes(chunk))) {
            return IoError::medium;
        }
        resident_.set(chunk);
        return {};
    }

    void refresh() override {
        if (!is_unchanged()) {
            return;
        }
        for (std::uint64_t chunk = 0; chunk < chunk_count_; ++chunk) {
            if (resident_.test(chunk) && !parts_.mapping->resident(chunk * chunk_size, chunk_bytes(chunk))) {
                resident_.clear(chunk);
            }
        }
    }

  private:
    static TryRead failed(IoError error) { return {TryStatus::failed, error, {}}; }

    [[nodiscard]] std::optional<IoError> refusal(std::uint64_t offset, std::size_t length) const {
        if (changed_.load(std::memory_order_relaxed)) {
            return IoError::gone;
        }
        return range_fits(offset, length, parts_.geometry.size_bytes) ? std::nullopt : std::optional(IoError::out_of_range);
    }

    /// A master never changes: a file that did is not the one that was checked, and once noticed it stays refused.
    bool is_unchanged() {
        const auto now = parts_.file->stamp();
        if (!now || *now != parts_.stamp) {
            changed_.store(true, std::memory_order_relaxed);
        }
        return !changed_.load(std::memory_order_relaxed);
    }

    [[nodiscard]] std::size_t chunk_bytes(std::uint64_t chunk) const {
        return std::min(chunk_size, parts_.identity.file_size - chunk * chunk_size);
    }

    /// The first chunk under the range that is not known to be in memory.
    [[nodiscard]] std::optional<std::uint64_t> missing_chunk(std::uint64_t file_offset, std::uint64_t length) const {
        for (std::uint64_t chunk = file_offset / chunk_size; chunk <= (file_offset + length - 1) / chunk_size; ++chunk) {
            if (!resident_.test(chunk)) {
                return chunk;
            }
        }
        return std::nullopt;
    }

    TryRead try_map(std::uint64_t file_offset, std::uint64_t length, ReadSink& sink) {
        if (const auto chunk = missing_chunk(file_offset, length)) {
            return {TryStatus::would_block, {}, Miss{shared_from_this(), *chunk}};
        }
        sink.mapped(mapped_.subspan(file_offset, length));
        return {};
    }

    /// Where the bits say that all is in memory and the kernel says that it would wait all the same (evicted a moment ago, or a file system that
    /// cannot tell), the answer is a plain read off the shard: loading again could go on for ever.
    TryRead try_copy(std::uint64_t file_offset, std::uint64_t length, ReadSink& sink) {
        const auto read = parts_.file->try_read_at(file_offset, sink.buffer(length));
        if (!read) {
            return failed(IoError::medium);
        }
        if (*read) {
            return {};
        }
        const auto chunk = missing_chunk(file_offset, length);
        return {TryStatus::would_block, {}, chunk ? Miss{shared_from_this(), *chunk} : Miss{}};
    }

    MasterParts parts_;
    Bytes mapped_;
    std::uint64_t chunk_count_;
    ChunkBits resident_;
    std::atomic<bool> changed_{false};
};

Error not_as_imported(const std::string& path, const std::string& difference) {
    return make_error(std::errc::invalid_argument, path + " is not the file that was imported: " + difference +
                                                       "; put the original file back, or import the image again under another name");
}

Result<void> check_identity(const std::string& path, const MasterIdentity& found, const MasterIdentity& expected) {
    const auto sizes = [](std::uint64_t now, std::uint64_t before) {
        return std::to_string(now) + " bytes, it had " + std::to_string(before);
    };
    if (found.file_size != expected.file_size) {
        return not_as_imported(path, "it has " + sizes(found.file_size, expected.file_size));
    }
    if (found.virtual_size != expected.virtual_size) {
        return not_as_imported(path, "its disk has " + sizes(found.virtual_size, expected.virtual_size));
    }
    if (found.data_write_guid != expected.data_write_guid) {
        return not_as_imported(path, "its contents were changed (DataWriteGuid " + found.data_write_guid.text() + ", it was " +
                                         expected.data_write_guid.text() + ")");
    }
    return {};
}

Error has_parent_failure(const std::string& path, const VhdxParentLocator& parent) {
    const std::string name = parent.find("relative_path").value_or(parent.find("absolute_win32_path").value_or("another disk"));
    return make_error(std::errc::not_supported, path + " is a differencing disk over " + name +
                                                    " and cannot be a master; merge it with its parent first (Hyper-V: Convert-VHD)");
}

Result<MasterExtents> read_extents(File& file, const VhdxImage& image) {
    const auto bat = read_bat(file, image);
    if (!bat) {
        return bat.error();
    }
    auto extents = MasterExtents::flatten(*bat, image);
    if (!extents) {
        return vhdx_failure(file.path(), extents.error());
    }
    return std::move(*extents);
}

} // namespace

Result<std::shared_ptr<Master>> open_master(FileSystem& files, const std::string& path, const std::optional<MasterIdentity>& expected) {
    MasterParts parts;
    auto file = files.open(path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    parts.file = std::move(*file);
    const auto stamp = parts.file->stamp();
    if (!stamp) {
        return stamp.error();
    }
    parts.stamp = *stamp;
    const auto image = open_vhdx_read_only(*parts.file);
    if (!image) {
        return image.error();
    }
    const VhdxMetadata& metadata = image->metadata;
    parts.identity = {image->current.header.data_write_guid, metadata.virtual_disk_size, image->file_size};
    if (expected) {
        if (auto same = check_identity(path, parts.identity, *expected); !same) {
            return same.error();
        }
    }
    if (metadata.parent) {
        return has_parent_failure(path, *metadata.parent);
    }
    auto extents = read_extents(*parts.file, *image);
    if (!extents) {
        return extents.error();
    }
    parts.extents = std::move(*extents);
    auto mapping = parts.file->map_read_only();
    if (!mapping) {
        return mapping.error();
    }
    parts.mapping = std::move(*mapping);
    parts.geometry = {metadata.virtual_disk_size, metadata.logical_sector_size, metadata.physical_sector_size, 0, true};
    return std::shared_ptr<Master>(std::make_shared<VhdxMaster>(std::move(parts)));
}

} // namespace rootstock::images
