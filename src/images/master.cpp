#include "images/master.hpp"

#include "core/checked.hpp"
#include "images/limits.hpp"
#include "images/master_extents.hpp"

namespace rootstock::images {
namespace {

using block::Geometry;
using block::IoError;
using block::ReadSink;
using block::TryRead;
using block::TryStatus;
using block::TryWrite;

/// What a master is made of once its files have been checked.
struct MasterParts {
    std::vector<std::shared_ptr<LayerFile>> files;
    MasterExtents extents;
    Geometry geometry;
};

class VhdxMaster final : public Master {
  public:
    explicit VhdxMaster(MasterParts parts) : parts_(std::move(parts)) {}

    const MasterIdentity& identity() const override { return parts_.files.front()->identity(); }
    const std::string& path() const override { return parts_.files.front()->path(); }
    Geometry geometry() const override { return parts_.geometry; }
    std::vector<MasterIdentity> chain() const override {
        std::vector<MasterIdentity> chain;
        for (const std::shared_ptr<LayerFile>& file : parts_.files) {
            chain.push_back(file->identity());
        }
        return chain;
    }

    TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, ReadSink& sink) override {
        if (auto refused = refusal(offset, length)) {
            return {TryStatus::failed, *refused, {}};
        }
        while (length != 0) {
            const auto piece = parts_.extents.at(offset, length);
            if (!piece.file_offset) {
                sink.zeros(piece.length);
            } else if (auto read = parts_.files[piece.file]->try_read(*piece.file_offset, piece.length, mapping_allowed, sink);
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
            } else if (auto read = parts_.files[piece.file]->read(*piece.file_offset, target); !read) {
                return read;
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

    Place place_of(std::uint64_t offset, std::uint64_t length) override {
        const auto piece = parts_.extents.at(offset, length);
        return piece.file_offset ? Place{parts_.files[piece.file].get(), *piece.file_offset, piece.length} : Place{nullptr, 0, piece.length};
    }

    std::set<FileChunk> chunks_of(std::uint64_t offset, std::uint64_t length) override {
        std::set<FileChunk> chunks;
        for (const std::uint64_t end = offset + length; offset < end;) {
            const auto piece = parts_.extents.at(offset, end - offset);
            if (piece.file_offset) {
                const std::uint64_t last = LayerFile::chunk_of(*piece.file_offset + piece.length - 1);
                for (std::uint64_t chunk = LayerFile::chunk_of(*piece.file_offset); chunk <= last; ++chunk) {
                    chunks.insert({parts_.files[piece.file], chunk});
                }
            }
            offset += piece.length;
        }
        return chunks;
    }

    LayerHealth health() const override {
        LayerHealth worst = LayerHealth::intact;
        for (const std::shared_ptr<LayerFile>& file : parts_.files) {
            worst = std::max(worst, file->health());
        }
        return worst;
    }

    void refresh() override {
        for (const std::shared_ptr<LayerFile>& file : parts_.files) {
            if (!file->refresh()) {
                changed_.store(true, std::memory_order_relaxed);
            }
        }
    }

  private:
    [[nodiscard]] std::optional<IoError> refusal(std::uint64_t offset, std::size_t length) const {
        if (changed_.load(std::memory_order_relaxed)) {
            return IoError::gone;
        }
        return range_fits(offset, length, parts_.geometry.size_bytes) ? std::nullopt : std::optional(IoError::out_of_range);
    }

    MasterParts parts_;
    std::atomic<bool> changed_{false}; // one of the files
};

Error has_parent_failure(const std::string& path, const ParentLink& parent) {
    const std::string name = parent.paths.empty() ? "another disk" : parent.paths.front();
    return make_error(std::errc::not_supported, path + " is a differencing disk over " + name +
                                                    " and cannot be a master; merge it with its parent first (Hyper-V: Convert-VHD)");
}

Error swapped(const std::string& path) {
    return make_error(std::errc::device_or_resource_busy, path + " was changed while it was opened; stop what writes to it");
}

/// The next file of the chain, as what its maps are read from and as what is kept open. Both must be one file.
Result<void> add_layer(LayerFiles& files, const LayerPlace& place, MasterParts& parts, std::vector<std::unique_ptr<ImageLayer>>& layers) {
    auto file = files.get(place);
    if (!file) {
        return file.error();
    }
    auto layer = open_image_layer(files.file_system(), place.path);
    if (!layer) {
        return layer.error();
    }
    const auto stamp = (*layer)->file().stamp();
    if (!stamp || *stamp != (*file)->stamp()) {
        return stamp ? swapped(place.path) : stamp.error();
    }
    if (!layers.empty()) {
        const std::string& child = parts.files.back()->path();
        if (!layers.back()->facts().parent) {
            return make_error(std::errc::invalid_argument, child + " is a disk of its own and does not stand on " + place.path);
        }
        if (auto sound = check_is_parent(child, layers.back()->facts(), place.path, (*layer)->facts()); !sound) {
            return sound;
        }
    }
    parts.files.push_back(std::move(*file));
    layers.push_back(std::move(*layer));
    return {};
}

} // namespace

Result<std::shared_ptr<Master>> open_master(LayerFiles& files, std::span<const LayerPlace> chain) {
    if (chain.size() > limits::chain_depth) {
        return make_error(std::errc::not_supported, chain.front().path + " stands on a chain of more than " + std::to_string(limits::chain_depth) +
                                                        " files; flatten it first");
    }
    MasterParts parts;
    std::vector<std::unique_ptr<ImageLayer>> layers;
    for (const LayerPlace& place : chain) {
        if (auto added = add_layer(files, place, parts, layers); !added) {
            return added.error();
        }
    }
    if (const auto& parent = layers.back()->facts().parent) {
        return has_parent_failure(chain.back().path, *parent);
    }
    auto extents = MasterExtents::flatten(layers);
    if (!extents) {
        return extents.error();
    }
    parts.extents = std::move(*extents);
    const LayerFacts& facts = layers.front()->facts();
    parts.geometry = {facts.size_bytes, facts.logical_sector_size, facts.physical_sector_size, 0, true};
    return std::shared_ptr<Master>(std::make_shared<VhdxMaster>(std::move(parts)));
}

Result<std::shared_ptr<Master>> open_master(FileSystem& files, const std::string& path, const std::optional<MasterIdentity>& expected) {
    LayerFiles alone(files);
    const LayerPlace place{path, expected};
    return open_master(alone, {&place, 1});
}

} // namespace rootstock::images
