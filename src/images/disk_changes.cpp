#include "images/disk_changes.hpp"

#include "core/clock.hpp"

#include <algorithm>
#include <cstring>

namespace rootstock::images {
namespace {

constexpr std::uint64_t step = std::uint64_t{1} << 20U;

class Comparison {
  public:
    Comparison(ImageReader disk, ImageReader other, std::size_t own_layers, const ProgressCallback& progress)
        : disk_(std::move(disk)), other_(std::move(other)), own_layers_(own_layers), progress_(progress), sector_(disk_.facts().logical_sector_size) {}

    Result<DiskChanges> run() {
        read_partitions();
        std::uint64_t offset = 0;
        while (offset < disk_.size_bytes()) {
            const auto own = own_stretch(offset);
            if (!own) {
                return own.error();
            }
            if (own->data) {
                if (auto compared = compare(offset, own->length); !compared) {
                    return compared.error();
                }
            }
            offset += own->length;
            if (auto go_on = report(offset); !go_on) {
                return go_on.error();
            }
        }
        auto same = disk_.check_unchanged();
        return same ? Result<DiskChanges>(std::move(changes_)) : Result<DiskChanges>(same.error());
    }

  private:
    void read_partitions() {
        const ReadDisk read = [this](std::uint64_t offset, MutableBytes out) { return static_cast<bool>(disk_.read(offset, out)); };
        PartitionTable table = read_partition_table(read, disk_.size_bytes(), sector_);
        changes_.scheme = table.scheme;
        for (Partition& partition : table.partitions) {
            changes_.partitions.push_back({std::move(partition), 0});
        }
    }

    /// How far it is the disk's own, or is not, from `offset` on; a step at most.
    Result<ImageReader::Extent> own_stretch(std::uint64_t offset) {
        std::uint64_t length = std::min(step, disk_.size_bytes() - offset);
        for (std::size_t i = 0; i < own_layers_; ++i) {
            const auto piece = disk_.layers()[i]->locate(offset, length);
            if (!piece) {
                return piece.error();
            }
            length = piece->length;
            if (piece->source != PieceSource::parent) {
                return ImageReader::Extent{length, true};
            }
        }
        return ImageReader::Extent{length, false};
    }

    Result<void> compare(std::uint64_t offset, std::uint64_t length) {
        changes_.written_bytes += length;
        const MutableBytes mine = MutableBytes(mine_).first(length);
        const MutableBytes others = MutableBytes(others_).first(length);
        if (auto read = disk_.read(offset, mine); !read) {
            return read;
        }
        if (auto read = other_.read(offset, others); !read) {
            return read;
        }
        for (std::uint64_t at = 0; at < length; at += sector_) {
            if (std::memcmp(mine.data() + at, others.data() + at, sector_) != 0) {
                note(offset + at);
            }
        }
        return {};
    }

    void note(std::uint64_t sector_offset) {
        changes_.changed_bytes += sector_;
        const auto inside = std::find_if(changes_.partitions.begin(), changes_.partitions.end(), [&](const PartitionChange& change) {
            return sector_offset >= change.partition.offset && sector_offset - change.partition.offset < change.partition.size_bytes;
        });
        (inside == changes_.partitions.end() ? changes_.outside_bytes : inside->changed_bytes) += sector_;
    }

    Result<void> report(std::uint64_t done) {
        if (!progress_ || clock_.now() - last_report_ < progress_interval) {
            return {};
        }
        last_report_ = clock_.now();
        return progress_({done, disk_.size_bytes(), 0}) ? Result<void>() : Result<void>(cancelled("the comparison"));
    }

    ImageReader disk_;
    ImageReader other_;
    const std::size_t own_layers_;
    const ProgressCallback& progress_;
    const std::uint32_t sector_;
    ByteVector mine_ = ByteVector(step);
    ByteVector others_ = ByteVector(step);
    DiskChanges changes_;
    SystemClock clock_;
    TimePoint last_report_{};
};

std::size_t layers_above(const ImageReader& disk, const Guid& base) {
    const auto at = std::ranges::find_if(disk.layers(), [&](const auto& layer) { return layer->facts().identity == base; });
    return static_cast<std::size_t>(at - disk.layers().begin());
}

} // namespace

Result<DiskChanges> compare_disks(FileSystem& files, const std::string& disk, const Guid& base, const std::string& with,
                                  const ProgressCallback& progress) {
    auto mine = ImageReader::open(files, disk);
    if (!mine) {
        return mine.error();
    }
    auto other = ImageReader::open(files, with);
    if (!other) {
        return other.error();
    }
    if (mine->size_bytes() != other->size_bytes() || mine->facts().logical_sector_size != other->facts().logical_sector_size) {
        return make_error(std::errc::invalid_argument, disk + " and " + with + " are disks of different sizes or sectors");
    }
    const std::size_t own_layers = layers_above(*mine, base);
    return Comparison(std::move(*mine), std::move(*other), own_layers, progress).run();
}

} // namespace rootstock::images
