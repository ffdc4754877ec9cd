#include "images/vhdx_image.hpp"

#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

using namespace vhdx;

/// Two copies of a structure, each of `size` bytes.
Result<std::array<ByteVector, 2>> read_both(File& file, const std::array<std::uint64_t, 2>& offsets, std::size_t size) {
    std::array<ByteVector, 2> copies;
    for (std::size_t i = 0; i < copies.size(); ++i) {
        copies[i].resize(size);
        if (auto read = file.read_at(offsets[i], copies[i]); !read) {
            return read.error();
        }
    }
    return copies;
}

Result<CurrentHeader> read_header(File& file, std::uint64_t file_size) {
    if (file_size < header_section_size) {
        return vhdx_failure(file.path(), VhdxError::truncated);
    }
    Signature8 signature{};
    if (auto read = file.read_at(file_identifier_offset, object_bytes(signature)); !read) {
        return read.error();
    }
    if (signature != file_signature) {
        return vhdx_failure(file.path(), VhdxError::not_vhdx);
    }
    const auto copies = read_both(file, header_offsets, header_size);
    if (!copies) {
        return copies.error();
    }
    auto current = choose_header((*copies)[0], (*copies)[1]);
    if (!current) {
        return vhdx_failure(file.path(), current.error());
    }
    if (!range_fits(current->header.log_offset, current->header.log_length, file_size)) {
        return vhdx_failure(file.path(), VhdxError::region_beyond_end);
    }
    return *current;
}

/// What the log still has to say; nothing when it is empty.
Result<std::optional<VhdxReplay>> find_replay(File& file, const VhdxHeader& header, std::uint64_t file_size) {
    if (header.log_guid.is_nil()) {
        return std::optional<VhdxReplay>();
    }
    if (header.log_length > limits::log_bytes) {
        return vhdx_failure(file.path(), VhdxError::log_too_large);
    }
    ByteVector log(header.log_length);
    if (auto read = file.read_at(header.log_offset, log); !read) {
        return read.error();
    }
    auto replay = VhdxReplay::find(log, header.log_guid, file_size);
    if (!replay) {
        return vhdx_failure(file.path(), replay.error());
    }
    return std::optional(std::move(*replay));
}

bool overlaps_log(const VhdxRegion& region, const VhdxHeader& header) {
    return region.offset < header.log_offset + header.log_length && header.log_offset < region.end();
}

Result<void, VhdxError> check_regions(const VhdxRegions& regions, const VhdxHeader& header, std::uint64_t file_size) {
    std::vector<VhdxRegion> all = regions.others;
    all.push_back(regions.bat);
    all.push_back(regions.metadata);
    for (const VhdxRegion& region : all) {
        if (!range_fits(region.offset, region.length, file_size)) {
            return VhdxError::region_beyond_end;
        }
        if (overlaps_log(region, header)) {
            return VhdxError::region_overlap;
        }
    }
    return {};
}

Result<VhdxRegions> read_regions(File& file, const VhdxHeader& header, std::uint64_t file_size) {
    const auto copies = read_both(file, region_table_offsets, region_table_size);
    if (!copies) {
        return copies.error();
    }
    auto regions = choose_region_table((*copies)[0], (*copies)[1]);
    if (!regions) {
        return vhdx_failure(file.path(), regions.error());
    }
    if (auto sound = check_regions(*regions, header, file_size); !sound) {
        return vhdx_failure(file.path(), sound.error());
    }
    return *regions;
}

Result<VhdxMetadata> read_metadata(File& file, const VhdxImage& image) {
    if (image.regions.metadata.length > limits::metadata_region_bytes) {
        return vhdx_failure(file.path(), VhdxError::metadata_too_large);
    }
    ByteVector region(image.regions.metadata.length);
    if (auto read = image.read(file, image.regions.metadata.offset, region); !read) {
        return read.error();
    }
    auto metadata = decode_metadata(region);
    if (!metadata) {
        return vhdx_failure(file.path(), metadata.error());
    }
    return std::move(*metadata);
}

/// Everything behind headers and log. `image` has these already.
Result<VhdxImage> read_contents(File& file, VhdxImage image) {
    auto regions = read_regions(file, image.current.header, image.file_size);
    if (!regions) {
        return regions.error();
    }
    image.regions = std::move(*regions);
    auto metadata = read_metadata(file, image);
    if (!metadata) {
        return metadata.error();
    }
    image.metadata = std::move(*metadata);
    const std::uint64_t table = image.geometry().table_bytes();
    if (table > image.regions.bat.length || table > limits::bat_bytes) {
        return vhdx_failure(file.path(), table > limits::bat_bytes ? VhdxError::bat_too_large : VhdxError::bat_too_small);
    }
    return image;
}

/// A stretch of the file that something owns.
struct Owned {
    std::uint64_t offset;
    std::uint64_t length;
};

bool overlap(std::vector<Owned>& owned) {
    std::ranges::sort(owned, {}, &Owned::offset);
    return std::ranges::adjacent_find(owned, [](const Owned& a, const Owned& b) { return a.offset + a.length > b.offset; }) != owned.end();
}

/// Walks the table and collects what its blocks own.
class BatCheck {
  public:
    BatCheck(std::span<const std::uint64_t> entries, const VhdxImage& image) : entries_(entries), image_(image), geometry_(image.geometry()) {}

    Result<void, VhdxError> run() {
        collect_regions();
        for (std::uint64_t index = 0; index < entries_.size(); ++index) {
            auto sound = geometry_.is_bitmap_index(index) ? check_bitmap(entries_[index]) : check_payload(index);
            if (!sound) {
                return sound;
            }
        }
        return overlap(owned_) ? Result<void, VhdxError>(VhdxError::bat_overlap) : Result<void, VhdxError>();
    }

  private:
    void collect_regions() {
        const VhdxHeader& header = image_.current.header;
        owned_ = {{0, header_section_size}, {header.log_offset, header.log_length}};
        for (const VhdxRegion& region : image_.regions.others) {
            owned_.push_back({region.offset, region.length});
        }
        owned_.push_back({image_.regions.bat.offset, image_.regions.bat.length});
        owned_.push_back({image_.regions.metadata.offset, image_.regions.metadata.length});
    }

    Result<void, VhdxError> own(std::uint64_t offset, std::uint64_t length) {
        if (offset < header_section_size || !range_fits(offset, length, image_.file_size)) {
            return VhdxError::bat_placement;
        }
        owned_.push_back({offset, length});
        return {};
    }

    /// Without a parent the entry means nothing: qemu-img 7.2 leaves any value there.
    Result<void, VhdxError> check_bitmap(std::uint64_t raw) {
        if (!geometry_.differencing()) {
            return {};
        }
        const auto entry = decode_bitmap_entry(raw);
        if (!entry) {
            return entry.error();
        }
        return entry->state == BitmapState::present ? own(entry->file_offset, sector_bitmap_block_size) : Result<void, VhdxError>();
    }

    Result<void, VhdxError> check_payload(std::uint64_t index) {
        const auto entry = decode_payload_entry(entries_[index]);
        if (!entry) {
            return entry.error();
        }
        const std::uint64_t block = geometry_.block_of_index(index);
        if (!entry->in_file() || block >= geometry_.block_count()) { // the last chunk of a differencing table has entries to spare
            return {};
        }
        if (entry->state == PayloadState::partially_present) {
            if (auto sound = check_partial(block); !sound) {
                return sound;
            }
        }
        // The last block may end with the disk: qemu-img's fixed files do.
        const std::uint64_t disk_offset = block * geometry_.block_size();
        return own(entry->file_offset, std::min<std::uint64_t>(geometry_.block_size(), image_.metadata.virtual_disk_size - disk_offset));
    }

    Result<void, VhdxError> check_partial(std::uint64_t block) {
        if (!geometry_.differencing()) {
            return VhdxError::bat_partial_without_parent;
        }
        const auto bitmap = decode_bitmap_entry(entries_[geometry_.bitmap_index(geometry_.chunk_of_block(block))]);
        if (!bitmap) {
            return bitmap.error();
        }
        return bitmap->state == BitmapState::present ? Result<void, VhdxError>() : Result<void, VhdxError>(VhdxError::bat_bitmap_missing);
    }

    std::span<const std::uint64_t> entries_;
    const VhdxImage& image_;
    BatGeometry geometry_;
    std::vector<Owned> owned_;
};

} // namespace

Result<void> VhdxImage::read(File& file, std::uint64_t offset, MutableBytes out) const {
    if (auto read = file.read_at(offset, out); !read) {
        return read;
    }
    if (replay) {
        replay->overlay(offset, out);
    }
    return {};
}

Result<VhdxImage> open_vhdx_read_only(File& file) {
    const auto size = file.size();
    if (!size) {
        return size.error();
    }
    const auto current = read_header(file, *size);
    if (!current) {
        return current.error();
    }
    auto replay = find_replay(file, current->header, *size);
    if (!replay) {
        return replay.error();
    }
    VhdxImage image;
    image.current = *current;
    image.replay = std::move(*replay);
    image.file_size = *size;
    return read_contents(file, std::move(image));
}

Result<VhdxImage> open_vhdx_writable(File& file, Random& random) {
    auto size = file.size();
    if (!size) {
        return size.error();
    }
    auto current = read_header(file, *size);
    if (!current) {
        return current.error();
    }
    const auto replay = find_replay(file, current->header, *size);
    if (!replay) {
        return replay.error();
    }
    if (*replay) {
        VhdxHeaderWriter headers(file, *current, random);
        auto replayed = headers.begin_changes(current->header.log_guid);
        replayed = replayed ? (*replay)->apply(file) : replayed;
        replayed = replayed ? headers.end_changes() : replayed;
        if (!replayed) {
            return replayed.error();
        }
        current = headers.current();
        size = std::max(*size, (*replay)->last_file_offset());
    }
    if (current->header.log_length == 0) {
        return vhdx_failure(file.path(), VhdxError::header_log_placement);
    }
    VhdxImage image;
    image.current = *current;
    image.file_size = *size;
    return read_contents(file, std::move(image));
}

Result<std::vector<std::uint64_t>> read_bat(File& file, const VhdxImage& image) {
    static_assert(sizeof(le64) == sizeof(std::uint64_t));
    std::vector<le64> raw(image.geometry().entry_count());
    const MutableBytes bytes(reinterpret_cast<std::uint8_t*>(raw.data()), raw.size() * bat_entry_size);
    if (auto read = image.read(file, image.regions.bat.offset, bytes); !read) {
        return read.error();
    }
    std::vector<std::uint64_t> entries(raw.begin(), raw.end());
    if (auto sound = check_bat(entries, image); !sound) {
        return vhdx_failure(file.path(), sound.error());
    }
    return entries;
}

Result<void, VhdxError> check_bat(std::span<const std::uint64_t> entries, const VhdxImage& image) { return BatCheck(entries, image).run(); }

} // namespace rootstock::images
