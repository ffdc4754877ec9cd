#include "images/vhdx_usage.hpp"

namespace rootstock::images {
namespace {

/// How much of `stretch` lies outside of `used`, which is sorted.
std::uint64_t outside(const File::Stretch& stretch, const std::vector<FileRange>& used) {
    std::uint64_t bytes = 0;
    std::uint64_t at = stretch.offset;
    const std::uint64_t end = stretch.offset + stretch.length;
    for (const FileRange& range : used) {
        if (range.offset >= end) {
            break;
        }
        if (range.offset > at) {
            bytes += range.offset - at;
        }
        at = std::max(at, range.offset + range.length);
    }
    return bytes + (at < end ? end - at : 0);
}

} // namespace

std::vector<FileRange> metadata_ranges(const VhdxImage& image, const std::vector<std::uint64_t>& bat) {
    std::vector<FileRange> occupied{{0, vhdx::header_section_size}, {image.current.header.log_offset, image.current.header.log_length}};
    std::vector<VhdxRegion> regions = image.regions.others;
    regions.push_back(image.regions.bat);
    regions.push_back(image.regions.metadata);
    for (const VhdxRegion& region : regions) {
        occupied.push_back({region.offset, region.length});
    }
    const BatGeometry geometry = image.geometry();
    for (std::uint64_t chunk = 0; geometry.differencing() && chunk < geometry.chunk_count(); ++chunk) {
        const Result<BitmapEntry, VhdxError> entry = decode_bitmap_entry(bat[static_cast<std::size_t>(geometry.bitmap_index(chunk))]);
        occupied.push_back({entry->file_offset, sector_bitmap_block_size});
    }
    return occupied;
}

Result<std::uint64_t> unused_bytes(File& file, const VhdxImage& image) {
    const auto bat = read_bat(file, image);
    if (!bat) {
        return bat.error();
    }
    if (const auto sound = check_bat(*bat, image); !sound) {
        return vhdx_failure(file.path(), sound.error());
    }
    std::vector<FileRange> used = metadata_ranges(image, *bat);
    const BatGeometry geometry = image.geometry();
    for (std::uint64_t block = 0; block < geometry.block_count(); ++block) {
        if (const auto entry = decode_payload_entry((*bat)[static_cast<std::size_t>(geometry.payload_index(block))]); entry->in_file()) {
            used.push_back({entry->file_offset, geometry.block_size()});
        }
    }
    std::ranges::sort(used, {}, &FileRange::offset);
    std::uint64_t bytes = 0;
    auto stretch = file.next_data(0);
    while (stretch && *stretch) {
        bytes += outside(**stretch, used);
        stretch = file.next_data((*stretch)->offset + (*stretch)->length);
    }
    return stretch ? Result<std::uint64_t>(bytes) : stretch.error();
}

} // namespace rootstock::images
