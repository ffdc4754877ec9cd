#include "images/vhdx_metadata_change.hpp"

#include "images/vhdx_log_writer.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

constexpr std::size_t page_size = 4096; // what the log counts in

/// The pages of the metadata region that differ between what is there and `next`. `contents` holds their bytes.
Result<std::vector<VhdxLogPage>> changed_pages(File& file, const VhdxImage& image, const VhdxMetadata& next, ByteVector& contents) {
    const VhdxRegion& region = image.regions.metadata;
    ByteVector before(region.length);
    if (Result<void> read = file.read_at(region.offset, before); !read) {
        return read.error();
    }
    contents = encode_metadata(next);
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
Result<void> commit_pages(File& file, const VhdxImage& image, std::span<const VhdxLogPage> pages, DataChange data, Random& random) {
    const VhdxHeader& header = image.current.header;
    VhdxHeaderWriter headers(file, image.current, random);
    VhdxLogWriter log(file, header.log_offset, header.log_length, Guid::random(random));
    if (pages.size() > log.pages_per_entry()) {
        return make_error(std::errc::invalid_argument, file.path() + " has a log that is too small for its metadata.");
    }
    Result<void> done = log.start();
    if (done) {
        done = data == DataChange::changed ? headers.begin_all(log.log_guid()) : headers.begin_changes(log.log_guid());
    }
    done = done ? log.commit(pages, image.file_size) : done;
    done = done ? file.sync_data() : done;
    if (!done) {
        return done;
    }
    log.synced();
    return headers.end_changes();
}

} // namespace

Result<void> change_metadata(File& file, const VhdxImage& image, const VhdxMetadata& next, DataChange data, Random& random) {
    ByteVector contents;
    const Result<std::vector<VhdxLogPage>> pages = changed_pages(file, image, next, contents);
    if (!pages || pages->empty()) {
        return pages ? Result<void>() : Result<void>(pages.error());
    }
    return commit_pages(file, image, *pages, data, random);
}

Result<void> change_parent_locator(FileSystem& files, const std::string& path, const VhdxParentLocator& locator) {
    const Result<std::unique_ptr<File>> file = files.open(path, OpenMode::read_write);
    if (!file) {
        return file.error();
    }
    SystemRandom random;
    const Result<VhdxImage> image = open_vhdx_writable(**file, random);
    if (!image) {
        return image.error();
    }
    VhdxMetadata next = image->metadata;
    next.parent = locator;
    return change_metadata(**file, *image, next, DataChange::none, random);
}

} // namespace rootstock::images
