#include "images/vhdx_create.hpp"

#include "core/unicode.hpp"

#include <algorithm>
#include <filesystem>

namespace rootstock::images {
namespace {

using namespace vhdx;

/// All writes of the front in their order; the first failure ends it.
struct FrontPiece {
    std::uint64_t offset;
    ByteVector bytes;
};

Result<void> write_pieces(File& file, const std::vector<FrontPiece>& pieces) {
    for (const FrontPiece& piece : pieces) {
        if (auto written = file.write_at(piece.offset, piece.bytes); !written) {
            return written;
        }
    }
    return {};
}

/// A differencing disk has its sector bitmap blocks from the start (in holes of the file), so that a first write allocates one thing, not two.
Result<void> write_bitmap_entries(File& file, const VhdxPlan& plan, const BatGeometry& geometry) {
    for (std::uint64_t chunk = 0; chunk < geometry.chunk_count(); ++chunk) {
        const BitmapEntry entry{BitmapState::present, plan.bitmap_offset + chunk * sector_bitmap_block_size};
        const le64 raw(encode_entry(entry));
        const std::uint64_t offset = plan.regions.bat.offset + geometry.bitmap_index(chunk) * bat_entry_size;
        if (auto written = file.write_at(offset, object_bytes(raw)); !written) {
            return written;
        }
    }
    return {};
}

/// Paths come from people: one that is not UTF-8, or too long for the locator's 16-bit lengths, is their error, not ours.
Result<void> check_locator(const VhdxParentLocator& locator) {
    for (const auto& [key, value] : locator.entries) {
        const auto text = utf16le_from_utf8(value);
        if (!text || text->size() > 0xffff) {
            return make_error(std::errc::invalid_argument, "the path of the parent disk, \"" + value +
                                                               "\", cannot be stored in a VHDX file: it must be UTF-8 and shorter than 32767 characters");
        }
    }
    return {};
}

Result<void> write_new_disk(File& file, const VhdxPlan& plan, const VhdxMetadata& metadata, Random& random) {
    VhdxHeader header;
    header.file_write_guid = Guid::random(random);
    header.data_write_guid = Guid::random(random);
    if (auto front = write_vhdx_front(file, plan, metadata, header); !front) {
        return front;
    }
    return metadata.parent ? write_bitmap_entries(file, plan, BatGeometry(metadata)) : Result<void>();
}

} // namespace

VhdxPlan plan_vhdx(const VhdxMetadata& metadata, std::uint32_t log_length, std::uint64_t growth_bytes) {
    const BatGeometry geometry(metadata);
    VhdxMetadata grown = metadata;
    grown.virtual_disk_size = std::max(metadata.virtual_disk_size, growth_bytes);
    const auto bat_length = static_cast<std::uint32_t>(round_up(BatGeometry(grown).table_bytes(), alignment));
    VhdxPlan plan;
    plan.log = {header_section_size, log_length};
    plan.regions.metadata = {plan.log.end(), static_cast<std::uint32_t>(mib)};
    plan.regions.bat = {plan.regions.metadata.end(), bat_length};
    plan.bitmap_offset = plan.regions.bat.end();
    const std::uint64_t bitmaps = metadata.parent ? geometry.chunk_count() * sector_bitmap_block_size : 0;
    plan.payload_offset = round_up(plan.bitmap_offset + bitmaps, metadata.block_size);
    return plan;
}

Result<void> write_vhdx_front(File& file, const VhdxPlan& plan, const VhdxMetadata& metadata, const VhdxHeader& header) {
    VhdxHeader copy = header;
    copy.log_offset = plan.log.offset;
    copy.log_length = plan.log.length;
    copy.sequence_number = 1;
    std::vector<FrontPiece> pieces{{file_identifier_offset, encode_file_identifier()}, {header_offsets[0], encode_header(copy)}};
    copy.sequence_number = 2;
    pieces.push_back({header_offsets[1], encode_header(copy)});
    for (const std::uint64_t offset : region_table_offsets) {
        pieces.push_back({offset, encode_region_table(plan.regions)});
    }
    pieces.push_back({plan.regions.metadata.offset, encode_metadata(metadata)});
    return write_pieces(file, pieces);
}

Result<void> write_vhdx(File& file, VhdxMetadata metadata, Random& random, std::uint64_t growth_bytes) {
    if (metadata.parent) {
        if (auto sound = check_locator(*metadata.parent); !sound) {
            return sound;
        }
    }
    metadata.virtual_disk_id = Guid::random(random);
    const VhdxPlan plan = plan_vhdx(metadata, vhdx_log_length_writable, growth_bytes);
    const auto sized = file.resize(plan.payload_offset);
    return sized ? write_new_disk(file, plan, metadata, random) : sized;
}

Result<void> create_vhdx(FileSystem& files, const std::string& path, const VhdxMetadata& metadata, Random& random, std::uint64_t growth_bytes) {
    auto file = create_temporary(files, path);
    if (!file) {
        return file.error();
    }
    auto made = write_vhdx(**file, metadata, random, growth_bytes);
    made = made ? publish_file(files, **file, path) : made;
    if (!made) {
        discard_temporary(files, path);
    }
    return made;
}

Result<std::unique_ptr<File>> create_temporary(FileSystem& files, const std::string& path) {
    if (files.exists(path)) {
        return make_error(std::errc::file_exists, path + " exists already; remove it or choose another name");
    }
    const std::string temporary = path + std::string(temporary_suffix);
    if (auto removed = files.remove(temporary); !removed) { // left behind by a crash
        return removed.error();
    }
    return files.open(temporary, OpenMode::create_new);
}

void discard_temporary(FileSystem& files, const std::string& path) {
    // A failure leaves a file that the store deletes at its next start; the reason for discarding it is the error to tell.
    (void)files.remove(path + std::string(temporary_suffix));
}

Result<void> publish_file(FileSystem& files, File& file, const std::string& path) {
    if (auto synced = file.sync_data(); !synced) {
        return synced;
    }
    if (auto renamed = files.rename(file.path(), path); !renamed) {
        return renamed;
    }
    return files.sync_directory(std::filesystem::path(path).parent_path().string());
}

} // namespace rootstock::images
