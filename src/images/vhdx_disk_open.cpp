// Creating and opening the disks that last: checks, what a dead process or a lost host left behind, the start of a session.

#include "images/limits.hpp"
#include "images/vhdx_create.hpp"
#include "images/vhdx_disk.hpp"
#include "images/vhdx_grow.hpp"
#include "images/vhdx_usage.hpp"

#include <filesystem>

namespace rootstock::images {
namespace {

constexpr std::uint32_t overlay_block_size = 2U << 20U;
constexpr std::uint64_t size_step = std::uint64_t{1} << 20U;

Error refused(const std::string& path, const std::string& why) { return make_error(std::errc::invalid_argument, path + why); }

std::string absolute_path(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

Result<void> check_shape(const VhdxImage& image, const std::string& path) {
    if (image.metadata.block_size != overlay_block_size || image.geometry().sectors_per_block() > live_max_sectors_per_block) {
        return refused(path, " was made by another program: its blocks are not of 2 MiB. Import it as an image, or convert it.");
    }
    return {};
}

Result<void> check_parent(const VhdxImage& image, const std::string& path, const Master* parent) {
    const std::optional<VhdxParentLocator>& locator = image.metadata.parent;
    if (parent == nullptr) {
        return locator ? Result<void>(refused(path, " is an overlay of another disk, not a volume. Open it over its parent.")) : Result<void>();
    }
    if (!locator) {
        return refused(path, " is a disk of its own, not an overlay of " + parent->path() + ". Remove it, and the machine gets a new overlay.");
    }
    const std::vector<Guid> linkages = locator->linkages();
    if (std::find(linkages.begin(), linkages.end(), parent->identity().data_write_guid) == linkages.end()) {
        return refused(path, " was made over another version than " + parent->path() + ", whose DataWriteGuid is " +
                                 parent->identity().data_write_guid.text() +
                                 " ([MS-VHDX] 2.6.2.6.3). Put the right parent back, or reset the machine to start anew.");
    }
    const block::Geometry geometry = parent->geometry();
    if (image.metadata.virtual_disk_size != geometry.size_bytes || image.metadata.logical_sector_size != geometry.logical_block_size) {
        return refused(path, " has another size or sector size than its parent " + parent->path() + ". Reset the machine to start anew.");
    }
    return {};
}

/// We never allocate sector bitmap blocks ourselves: they are all there from the creation.
Result<void> check_bitmap_blocks(const BatGeometry& geometry, const std::vector<std::uint64_t>& bat, const std::string& path) {
    for (std::uint64_t chunk = 0; geometry.differencing() && chunk < geometry.chunk_count(); ++chunk) {
        if (decode_bitmap_entry(bat[static_cast<std::size_t>(geometry.bitmap_index(chunk))])->state != BitmapState::present) {
            return refused(path, " was made by another program: it lacks sector bitmap blocks. Import it as an image, or convert it.");
        }
    }
    return {};
}

Result<std::vector<std::uint64_t>> checked_bat(File& file, const VhdxImage& image) {
    Result<std::vector<std::uint64_t>> bat = read_bat(file, image);
    if (!bat) {
        return bat;
    }
    if (const Result<void, VhdxError> sound = check_bat(*bat, image); !sound) {
        return vhdx_failure(file.path(), sound.error());
    }
    if (const Result<void> bitmaps = check_bitmap_blocks(image.geometry(), *bat, file.path()); !bitmaps) {
        return bitmaps.error();
    }
    return bat;
}

Result<void> count_owned(File& file, ExtentMap& map) {
    std::array<std::uint8_t, metadata_page_size> contents{};
    for (const std::size_t page : map.pages_to_count()) {
        if (Result<void> read = file.read_at(map.page_offset(page), contents); !read) {
            return read;
        }
        map.count_page(page, contents);
    }
    return {};
}

/// Applies what a dead process acknowledged and did not flush.
Result<void> take_over(File& file, ExtentMap& map, const std::vector<LiveChange>& changes, std::uint64_t file_size) {
    std::array<std::uint8_t, metadata_page_size> contents{};
    for (const LiveChange& change : changes) {
        if (!map.accepts(change, file_size)) {
            return make_error(std::errc::illegal_byte_sequence,
                              LiveMap::path_of(file.path()) + " is damaged: it holds a change that lies outside of the disk. Writes that were not "
                                                              "flushed are lost; delete the file to open the disk as it was last flushed.");
        }
        if (const std::optional<std::size_t> page = map.missing_page_for(change)) {
            if (Result<void> read = file.read_at(map.page_offset(*page), contents); !read) {
                return read;
            }
            map.put_page(*page, contents);
        }
        map.apply(change);
    }
    return {};
}

void add_payload(const ExtentMap& map, std::vector<FileRange>& occupied) {
    for (std::uint64_t block = 0; block < map.geometry().block_count(); ++block) {
        if (const PayloadEntry entry = map.state_of(block); entry.in_file()) {
            occupied.push_back({entry.file_offset, map.geometry().block_size()});
        }
    }
}

/// Opens the log, makes `dirty` pages (of a take-over) durable, and gives the disk new GUIDs. The DataWriteGuid changes last: a live map is the
/// disk's as long as it is the old one, so death at any point in here only means that all of it is done again.
Result<void> start_session(VhdxDiskParts& parts) {
    if (Result<void> started = parts.log->start(); !started) {
        return started;
    }
    const std::vector<std::size_t> dirty = parts.map->take_dirty();
    if (dirty.empty()) {
        return parts.headers->begin_all(parts.log->log_guid());
    }
    if (Result<void> begun = parts.headers->begin_changes(parts.log->log_guid()); !begun) {
        return begun;
    }
    ByteVector contents(dirty.size() * metadata_page_size);
    std::vector<VhdxLogPage> pages;
    for (std::size_t at = 0; at < dirty.size(); ++at) {
        const MutableBytes page = MutableBytes(contents).subspan(at * metadata_page_size, metadata_page_size);
        parts.map->copy_page(dirty[at], page);
        pages.push_back({parts.map->page_offset(dirty[at]), page});
    }
    if (Result<void> synced = parts.file->sync_data(); !synced) {
        return synced;
    }
    parts.log->synced();
    if (Result<void> committed = parts.log->commit(pages, parts.slots->file_size()); !committed) {
        return committed;
    }
    return parts.headers->begin_data_changes();
}

/// Gaps between blocks hold what a crash left there; a new block must find zeros.
Result<void> reclaim_gaps(VhdxDiskParts& parts) {
    const std::uint64_t block_size = parts.map->geometry().block_size();
    for (const FileRange& gap : parts.slots->take_gaps()) {
        if (Result<void> punched = parts.file->punch_hole(gap.offset, gap.length); !punched) {
            return punched;
        }
        for (std::uint64_t place = gap.offset; place < gap.offset + gap.length; place += block_size) {
            parts.slots->free_again(place);
        }
    }
    return {};
}

/// Cuts what no block uses, neither durably nor by the live map, off the end. The log is empty now: no entry speaks of a longer file. But the header that
/// says so may be of a process that died before it was safe from a loss of power: then the old header and its log would count again.
Result<void> place_blocks(VhdxDiskParts& parts, std::uint64_t file_size, std::vector<FileRange> occupied, std::vector<FileRange> durable_payload) {
    add_payload(*parts.map, occupied);
    parts.slots = std::make_unique<SlotPool>(parts.map->geometry().block_size(), occupied);
    std::uint64_t end = parts.slots->used_end();
    for (const FileRange& range : durable_payload) {
        end = std::max(end, range.offset + range.length);
    }
    parts.slots->set_used_end(end);
    parts.slots->set_file_size(end);
    if (end == file_size) {
        return {};
    }
    const Result<void> synced = parts.file->sync_data();
    return synced ? parts.file->resize(end) : synced;
}

/// Real space for log and table, so that a flush or an opening that repairs finds it on a full disk as well. Pages of sector bitmaps get theirs before
/// they change. No space for it now is no error: whatever needs it will say so. Gives what it takes.
std::uint64_t reserve_metadata_space(File& file, const VhdxImage& image) {
    const VhdxHeader& header = image.current.header;
    const std::uint64_t table_bytes = image.geometry().table_bytes();
    if (!file.allocate(header.log_offset, header.log_length)) {
        return 0;
    }
    return header.log_length + (file.allocate(image.regions.bat.offset, table_bytes) ? table_bytes : 0);
}

Result<VhdxDiskParts> load(FileSystem& files, std::unique_ptr<File> file, std::shared_ptr<Master> parent, const Guid& session) {
    const std::string& path = file->path();
    VhdxDiskParts parts;
    parts.random = std::make_unique<SystemRandom>();
    const Result<std::vector<LiveChange>> left_behind = LiveMap::left_behind(files, path, session);
    if (!left_behind) {
        return left_behind.error();
    }
    const Result<VhdxImage> image = open_vhdx_writable(*file, *parts.random);
    if (!image) {
        return image.error();
    }
    const Result<std::vector<std::uint64_t>> bat = checked_bat(*file, *image);
    if (!bat) {
        return bat.error();
    }
    parts.map = std::make_unique<ExtentMap>(image->geometry(), *bat, image->regions.bat.offset);
    std::vector<FileRange> durable_payload;
    add_payload(*parts.map, durable_payload);
    Result<void> done = count_owned(*file, *parts.map);
    if (done) {
        done = take_over(*file, *parts.map, *left_behind, image->file_size);
    }
    parts.file = std::move(file);
    if (done) {
        done = place_blocks(parts, image->file_size, metadata_ranges(*image, *bat), std::move(durable_payload));
    }
    if (!done) {
        return done.error();
    }
    parts.reserved_bytes = reserve_metadata_space(*parts.file, *image);
    const VhdxHeader& header = image->current.header;
    parts.headers = std::make_unique<VhdxHeaderWriter>(*parts.file, image->current, *parts.random);
    parts.log = std::make_unique<VhdxLogWriter>(*parts.file, header.log_offset, header.log_length, Guid::random(*parts.random));
    parts.parent = std::move(parent);
    parts.geometry = {image->metadata.virtual_disk_size, image->metadata.logical_sector_size, image->metadata.physical_sector_size,
                      image->metadata.block_size, false};
    return parts;
}

Result<std::shared_ptr<Overlay>> open_disk(FileSystem& files, const std::string& path, std::shared_ptr<Master> parent) {
    Result<std::unique_ptr<File>> file = files.open(path, OpenMode::read_write);
    if (!file) {
        return file.error();
    }
    if (const Result<void> locked = (*file)->lock_exclusive(); !locked) {
        return locked.error();
    }
    const Result<VhdxImage> image = open_vhdx_read_only(**file); // everything is checked before anything is changed
    if (!image) {
        return image.error();
    }
    Result<void> fits = check_shape(*image, path);
    if (fits) {
        fits = check_parent(*image, path, parent.get());
    }
    if (!fits) {
        return fits.error();
    }
    Result<VhdxDiskParts> parts = load(files, std::move(*file), std::move(parent), image->current.header.data_write_guid);
    if (!parts) {
        return parts.error();
    }
    Result<void> ready = start_session(*parts);
    if (ready) {
        ready = reclaim_gaps(*parts);
    }
    if (!ready) {
        return ready.error();
    }
    Result<std::unique_ptr<LiveMap>> live = LiveMap::create(files, path, parts->headers->current().header.data_write_guid);
    if (!live) {
        return live.error();
    }
    parts->live = std::move(*live);
    parts->file->advise_random();
    return std::shared_ptr<Overlay>(std::make_shared<VhdxDisk>(files, std::move(*parts)));
}

VhdxMetadata overlay_metadata(const std::string& path, const ParentDisk& parent) {
    VhdxMetadata metadata;
    metadata.block_size = overlay_block_size;
    metadata.virtual_disk_size = parent.geometry.size_bytes;
    metadata.logical_sector_size = parent.geometry.logical_block_size;
    metadata.physical_sector_size = parent.geometry.physical_block_size;
    metadata.parent = make_parent_locator(absolute_path(path), absolute_path(parent.path), parent.data_write_guid);
    return metadata;
}

class NewVhdxOverlay final : public NewOverlay {
  public:
    NewVhdxOverlay(FileSystem& files, std::string path, VhdxDiskParts parts) : files_(files), path_(std::move(path)), parts_(std::move(parts)) {}

    std::shared_ptr<Overlay> over(std::shared_ptr<Master> master) override {
        parts_.file->note_path(path_);
        parts_.parent = std::move(master);
        return std::make_shared<VhdxDisk>(files_, std::move(parts_));
    }

  private:
    FileSystem& files_;
    const std::string path_;
    VhdxDiskParts parts_;
};

/// A whole file with a session that has begun; synced once, for nobody has known it before.
Result<VhdxDiskParts> make_open_parts(FileSystem& files, std::unique_ptr<File> file, const std::string& path, const ParentDisk& parent) {
    SystemRandom random;
    Result<void> made = file->lock_exclusive();
    made = made ? write_vhdx(*file, overlay_metadata(path, parent), random) : made;
    if (!made) {
        return made.error();
    }
    Result<VhdxDiskParts> parts = load(files, std::move(file), nullptr, {});
    if (!parts) {
        return parts;
    }
    made = parts->log->start(Syncs::by_caller);
    made = made ? parts->headers->begin_all(parts->log->log_guid(), Syncs::by_caller) : made;
    if (!made) {
        return made.error();
    }
    Result<std::unique_ptr<LiveMap>> live = LiveMap::create(files, path, parts->headers->current().header.data_write_guid);
    if (!live) {
        return live.error();
    }
    parts->live = std::move(*live);
    parts->file->advise_random();
    made = parts->file->sync_data();
    made = made ? files.sync_directory(std::filesystem::path(path).parent_path().string()) : made;
    return made ? std::move(parts) : Result<VhdxDiskParts>(made.error());
}

Result<void> check_volume_size(std::uint64_t size_bytes) {
    if (size_bytes == 0 || size_bytes % size_step != 0 || size_bytes > limits::virtual_size) {
        return make_error(std::errc::invalid_argument, "A volume's size is a multiple of 1 MiB up to 64 TiB, for example 1G.");
    }
    return {};
}

} // namespace

Result<void> create_persistent_overlay(FileSystem& files, const std::string& path, const ParentDisk& parent, std::uint64_t growth_bytes) {
    SystemRandom random;
    return create_vhdx(files, path, overlay_metadata(path, parent), random, growth_bytes);
}

Result<std::unique_ptr<NewOverlay>> make_new_overlay(FileSystem& files, const std::string& temporary, const std::string& path, const ParentDisk& parent) {
    auto file = files.open(temporary, OpenMode::create_new);
    if (!file) {
        return file.error();
    }
    Result<VhdxDiskParts> parts = make_open_parts(files, std::move(*file), path, parent);
    if (!parts) {
        // A failure leaves what the store deletes at its next start; the reason for discarding it is the error to tell.
        (void)files.remove(temporary);
        (void)files.remove(LiveMap::path_of(path));
        return parts.error();
    }
    return std::unique_ptr<NewOverlay>(std::make_unique<NewVhdxOverlay>(files, path, std::move(*parts)));
}

Result<std::shared_ptr<Overlay>> open_persistent_overlay(FileSystem& files, const std::string& path, std::shared_ptr<Master> master) {
    RS_ASSERT(master != nullptr);
    return open_disk(files, path, std::move(master));
}

Result<void> create_volume(FileSystem& files, const std::string& path, std::uint64_t size_bytes, std::uint32_t block_size) {
    if (Result<void> valid = check_volume_size(size_bytes); !valid) {
        return valid;
    }
    SystemRandom random;
    VhdxMetadata metadata;
    metadata.block_size = overlay_block_size;
    metadata.virtual_disk_size = size_bytes;
    metadata.logical_sector_size = block_size;
    return create_vhdx(files, path, metadata, random, std::min(limits::virtual_size, size_bytes * volume_growth));
}

Result<void> grow_volume(FileSystem& files, const std::string& path, std::uint64_t size_bytes) {
    if (Result<void> valid = check_volume_size(size_bytes); !valid) {
        return valid;
    }
    {
        const Result<std::shared_ptr<Overlay>> disk = open_volume(files, path); // takes over what a crash left behind
        if (!disk) {
            return disk.error();
        }
        if (Result<void> closed = (*disk)->close(); !closed) {
            return closed;
        }
    } // with the lock of the file
    return grow_vhdx(files, path, size_bytes);
}

Result<std::shared_ptr<Overlay>> open_volume(FileSystem& files, const std::string& path) { return open_disk(files, path, nullptr); }

} // namespace rootstock::images
