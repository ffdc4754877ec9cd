#include "images/vhdx_grow.hpp"

#include "core/text.hpp"
#include "images/vhdx_metadata_change.hpp"

namespace rootstock::images {
namespace {

Error refused(const std::string& path, const std::string& why) { return make_error(std::errc::invalid_argument, path + why); }

Result<void> check_growth(const VhdxImage& image, const std::string& path, std::uint64_t size_bytes) {
    if (image.metadata.parent) {
        return refused(path, " is an overlay and has the size of its master.");
    }
    if (size_bytes < image.metadata.virtual_disk_size) {
        return refused(path, " holds " + format_size(image.metadata.virtual_disk_size) + ". A disk never shrinks: what is at its end would be lost.");
    }
    VhdxMetadata larger = image.metadata;
    larger.virtual_disk_size = size_bytes;
    if (BatGeometry(larger).table_bytes() > image.regions.bat.length) {
        return refused(path, " was made without room to grow to " + format_size(size_bytes) + ". Make a larger volume and copy.");
    }
    return {};
}

/// The table's new entries must read "not present" once they count. They are behind the table's end until then, so this may be half done.
Result<void> clear_new_entries(File& file, const VhdxImage& image, const VhdxMetadata& larger) {
    const std::uint64_t old_bytes = image.geometry().table_bytes();
    if (Result<void> cleared = file.punch_hole(image.regions.bat.offset + old_bytes, BatGeometry(larger).table_bytes() - old_bytes); !cleared) {
        return cleared;
    }
    return file.sync_data();
}

} // namespace

Result<void> grow_vhdx(FileSystem& files, const std::string& path, std::uint64_t size_bytes) {
    Result<std::unique_ptr<File>> file = files.open(path, OpenMode::read_write);
    if (!file) {
        return file.error();
    }
    if (Result<void> locked = (*file)->lock_exclusive(); !locked) {
        return locked;
    }
    SystemRandom random;
    const Result<VhdxImage> image = open_vhdx_writable(**file, random);
    if (!image) {
        return image.error();
    }
    if (Result<void> possible = check_growth(*image, path, size_bytes); !possible || size_bytes == image->metadata.virtual_disk_size) {
        return possible;
    }
    VhdxMetadata larger = image->metadata;
    larger.virtual_disk_size = size_bytes;
    if (Result<void> cleared = clear_new_entries(**file, *image, larger); !cleared) {
        return cleared;
    }
    return change_metadata(**file, *image, larger, DataChange::changed, random);
}

} // namespace rootstock::images
