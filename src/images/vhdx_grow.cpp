#include "images/vhdx_grow.hpp"

#include "core/text.hpp"
#include "images/vhdx_image.hpp"
#include "images/vhdx_log_writer.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

constexpr std::size_t page_size = 4096; // what the log counts in

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

/// The pages of the metadata region that differ between what is there and `larger`. `contents` holds their bytes.
Result<std::vector<VhdxLogPage>> changed_pages(File& file, const VhdxImage& image, const VhdxMetadata& larger, ByteVector& contents) {
    const VhdxRegion& region = image.regions.metadata;
    ByteVector before(region.length);
    if (Result<void> read = file.read_at(region.offset, before); !read) {
        return read.error();
    }
    contents = encode_metadata(larger);
    contents.resize(region.length);
    std::vector<VhdxLogPage> pages;
    for (std::size_t at = 0; at < contents.size(); at += page_size) {
        const Bytes page = Bytes(contents).subspan(at, page_size);
        if (!std::equal(page.begin(), page.end(), before.begin() + static_cast<std::ptrdiff_t>(at))) {
            pages.push_back({region.offset + at, page});
        }
    }
    return pages;
}

/// As a writer's session does it: a log that counts, new GUIDs, one entry, a log that counts no more.
Result<void> commit_pages(File& file, const VhdxImage& image, std::span<const VhdxLogPage> pages, Random& random) {
    const VhdxHeader& header = image.current.header;
    VhdxHeaderWriter headers(file, image.current, random);
    VhdxLogWriter log(file, header.log_offset, header.log_length, Guid::random(random));
    if (pages.size() > log.pages_per_entry()) {
        return refused(file.path(), " has a log that is too small for its metadata.");
    }
    Result<void> done = log.start();
    done = done ? headers.begin_all(log.log_guid()) : done;
    done = done ? log.commit(pages, image.file_size) : done;
    done = done ? file.sync_data() : done;
    if (!done) {
        return done;
    }
    log.synced();
    return headers.end_changes();
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
    ByteVector contents;
    const Result<std::vector<VhdxLogPage>> pages = changed_pages(**file, *image, larger, contents);
    return pages ? commit_pages(**file, *image, *pages, random) : Result<void>(pages.error());
}

} // namespace rootstock::images
