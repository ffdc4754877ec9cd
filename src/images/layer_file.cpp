#include "images/layer_file.hpp"

#include "images/vhdx_image.hpp"

namespace rootstock::images {

using block::IoError;
using block::Miss;
using block::ReadSink;
using block::TryRead;
using block::TryStatus;

namespace {

constexpr std::uint64_t chunk_size = std::uint64_t{2} << 20U; // of the file; what one load brings in
constexpr std::uint64_t page_size = 4096;

Error not_as_recorded(const std::string& path, const std::string& difference) {
    return make_error(std::errc::invalid_argument, path + " is not the file that was imported: " + difference +
                                                       "; put the original file back, or import the image again under another name");
}

Result<void> check_identity(const std::string& path, const MasterIdentity& found, const MasterIdentity& expected) {
    const auto sizes = [](std::uint64_t now, std::uint64_t before) {
        return std::to_string(now) + " bytes, it had " + std::to_string(before);
    };
    if (found.file_size != expected.file_size) {
        return not_as_recorded(path, "it has " + sizes(found.file_size, expected.file_size));
    }
    if (found.virtual_size != expected.virtual_size) {
        return not_as_recorded(path, "its disk has " + sizes(found.virtual_size, expected.virtual_size));
    }
    if (found.data_write_guid != expected.data_write_guid) {
        return not_as_recorded(path, "its contents were changed (DataWriteGuid " + found.data_write_guid.text() + ", it was " +
                                         expected.data_write_guid.text() + ")");
    }
    return {};
}

Result<MasterIdentity> read_identity(File& file) {
    const auto image = open_vhdx_read_only(file);
    if (!image) {
        return image.error();
    }
    if (image->replay) {
        return make_error(std::errc::invalid_argument,
                          file.path() + " was not closed cleanly: its log holds changes, and a master never changes. Open it once with what wrote it.");
    }
    return MasterIdentity{image->current.header.data_write_guid, image->metadata.virtual_disk_size, image->file_size};
}

} // namespace

LayerFile::LayerFile(FileSystem& files, std::unique_ptr<File> file, std::unique_ptr<Mapping> mapping, const MasterIdentity& identity,
                     const File::Stamp& stamp)
    : files_(files), file_(std::move(file)), mapping_(std::move(mapping)), mapped_(mapping_->bytes()), identity_(identity), stamp_(stamp),
      chunk_count_(div_up(identity.file_size, chunk_size)), resident_(chunk_count_), data_bytes_(chunk_count_) {
    file_->advise_random(); // load() knows what is wanted
}

Result<std::shared_ptr<LayerFile>> LayerFile::open(FileSystem& files, const LayerPlace& place) {
    auto file = files.open(place.path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const auto stamp = (*file)->stamp();
    if (!stamp) {
        return stamp.error();
    }
    const auto identity = read_identity(**file);
    if (!identity) {
        return identity.error();
    }
    if (place.expected) {
        if (auto same = check_identity(place.path, *identity, *place.expected); !same) {
            return same.error();
        }
    }
    auto mapping = (*file)->map_read_only();
    if (!mapping) {
        return mapping.error();
    }
    return std::shared_ptr<LayerFile>(new LayerFile(files, std::move(*file), std::move(*mapping), *identity, *stamp));
}

TryRead LayerFile::try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, ReadSink& sink) {
    if (changed_.load(std::memory_order_relaxed)) {
        return {TryStatus::failed, IoError::gone, {}};
    }
    if (!mapping_allowed) {
        return try_copy(offset, length, sink);
    }
    if (const auto chunk = missing_chunk(offset, length)) {
        return {TryStatus::would_block, {}, Miss{shared_from_this(), *chunk}};
    }
    sink.mapped(mapped_.subspan(offset, length));
    return {};
}

/// Where the bits say that all is in memory and the kernel says that it would wait all the same (evicted a moment ago, or a file system that
/// cannot tell), the answer is a plain read off the shard: loading again could go on for ever.
TryRead LayerFile::try_copy(std::uint64_t offset, std::size_t length, ReadSink& sink) {
    const auto read = file_->try_read_at(offset, sink.buffer(length));
    if (!read) {
        return {TryStatus::failed, IoError::medium, {}};
    }
    if (*read) {
        return {};
    }
    const auto chunk = missing_chunk(offset, length);
    return {TryStatus::would_block, {}, chunk ? Miss{shared_from_this(), *chunk} : Miss{}};
}

Result<void, IoError> LayerFile::read(std::uint64_t offset, MutableBytes out) {
    if (changed_.load(std::memory_order_relaxed)) {
        return IoError::gone;
    }
    return file_->read_at(offset, out) ? Result<void, IoError>() : IoError::medium;
}

Result<void, IoError> LayerFile::load(std::uint64_t chunk) {
    if (chunk >= chunk_count_ || !is_unchanged()) {
        return IoError::gone;
    }
    const auto loaded = load_data(chunk * chunk_size, chunk * chunk_size + chunk_bytes(chunk));
    if (!loaded) {
        return loaded.error();
    }
    data_bytes_[chunk].store(*loaded, std::memory_order_relaxed);
    resident_.set(chunk);
    return {};
}

/// Brings what is data into memory, and says how much that is. Holes are left out: layers have many, and a chain of them would fill the memory with zeros.
Result<std::uint32_t, IoError> LayerFile::load_data(std::uint64_t begin, std::uint64_t end) {
    ByteVector scratch;
    std::uint64_t loaded = 0;
    for (std::uint64_t at = begin; at < end;) {
        const auto data = file_->next_data(at);
        if (!data) {
            return IoError::medium;
        }
        if (!*data || (*data)->offset >= end) {
            break;
        }
        // Whole pages: a file system's blocks may be smaller.
        const std::uint64_t first = std::max(at, (*data)->offset / page_size * page_size);
        at = std::min(end, div_up((*data)->offset + (*data)->length, page_size) * page_size);
        const std::uint64_t length = at - first;
        if (length < chunk_size) { // a fault would read more than that, zeros of holes, too; this reads just that (advise_random)
            scratch.resize(length);
            if (!file_->read_at(first, scratch)) {
                return IoError::medium;
            }
        }
        if (!mapping_->populate(first, length)) {
            return IoError::medium;
        }
        loaded += length;
    }
    return static_cast<std::uint32_t>(loaded);
}

Result<bool, IoError> LayerFile::pin(std::uint64_t chunk) {
    if (auto loaded = load(chunk); !loaded) {
        return loaded.error();
    }
    const std::lock_guard lock(pins_mutex_);
    const auto known = pins_.find(chunk);
    if (known == pins_.end() && !mapping_->pin(chunk * chunk_size, chunk_bytes(chunk))) {
        return false;
    }
    ++pins_[chunk];
    return true;
}

/// The kernel does not count: who unlocks last does it for all.
void LayerFile::unpin(std::uint64_t chunk) {
    const std::lock_guard lock(pins_mutex_);
    if (const auto known = pins_.find(chunk); known != pins_.end() && --known->second == 0) {
        pins_.erase(known);
        mapping_->unpin(chunk * chunk_size, chunk_bytes(chunk));
    }
}

bool LayerFile::refresh() {
    if (!is_unchanged()) {
        return false;
    }
    displaced_.store(!is_in_place(), std::memory_order_relaxed);
    for (std::uint64_t chunk = 0; chunk < chunk_count_; ++chunk) {
        if (resident_.test(chunk) && mapping_->resident_bytes(chunk * chunk_size, chunk_bytes(chunk)) < data_bytes_[chunk].load(std::memory_order_relaxed)) {
            resident_.clear(chunk);
        }
    }
    return true;
}

/// A layer never changes: a file that did is not the one that was checked, and once noticed it stays refused.
bool LayerFile::is_unchanged() {
    const auto now = file_->stamp();
    if (!now || *now != stamp_) {
        changed_.store(true, std::memory_order_relaxed);
    }
    return !changed_.load(std::memory_order_relaxed);
}

/// Whether the path still leads to the file that is open. What only keeps us from looking (no descriptor left) is no answer.
bool LayerFile::is_in_place() {
    const auto file = files_.open(path(), OpenMode::read_only);
    if (!file) {
        return file.error().code != std::errc::no_such_file_or_directory;
    }
    const auto there = (*file)->stamp();
    return !there || *there == stamp_;
}

LayerHealth LayerFile::health() const {
    if (changed_.load(std::memory_order_relaxed)) {
        return LayerHealth::changed;
    }
    return displaced_.load(std::memory_order_relaxed) ? LayerHealth::displaced : LayerHealth::intact;
}

std::uint64_t LayerFile::chunk_of(std::uint64_t offset) { return offset / chunk_size; }

std::size_t LayerFile::chunk_bytes(std::uint64_t chunk) const { return std::min(chunk_size, identity_.file_size - chunk * chunk_size); }

/// The first chunk under the range that is not known to be in memory.
std::optional<std::uint64_t> LayerFile::missing_chunk(std::uint64_t offset, std::uint64_t length) const {
    for (std::uint64_t chunk = offset / chunk_size; chunk <= (offset + length - 1) / chunk_size; ++chunk) {
        if (!resident_.test(chunk)) {
            return chunk;
        }
    }
    return std::nullopt;
}

Result<std::shared_ptr<LayerFile>> LayerFiles::get(const LayerPlace& place) {
    std::lock_guard lock(mutex_); // opening one is quick, and must happen once
    std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
    if (place.expected) {
        if (const auto known = open_.find({place.path, *place.expected}); known != open_.end()) {
            if (auto file = known->second.lock(); file && file->health() == LayerHealth::intact) {
                return file;
            }
        }
    }
    auto file = LayerFile::open(files_, place);
    if (file) { // in the place of one that is intact no more
        open_[{place.path, (*file)->identity()}] = *file;
    }
    return file;
}

void LayerFiles::forget(const std::string& path) {
    std::lock_guard lock(mutex_);
    std::erase_if(open_, [&](const auto& entry) { return entry.first.first == path; });
}

std::vector<std::shared_ptr<LayerFile>> LayerFiles::all() {
    std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<LayerFile>> files;
    for (const auto& [place, weak] : open_) {
        if (auto file = weak.lock()) {
            files.push_back(std::move(file));
        }
    }
    return files;
}

} // namespace rootstock::images
