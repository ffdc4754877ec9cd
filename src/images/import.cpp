#include "images/import.hpp"

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/text.hpp"
#include "images/source_image.hpp"
#include "images/vhdx_writer.hpp"

#include <algorithm>
#include <filesystem>

namespace rootstock::images {
namespace {

constexpr std::string_view raw_copy_suffix = ".raw.tmp";
constexpr std::size_t digest_step = std::size_t{1} << 20U;

/// Reads the whole file once; what it reads is in the page cache for the copy that follows.
Result<void> check_digest(FileSystem& files, const ImportSource& source, const ProgressCallback& progress) {
    const auto file = files.open(source.path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const auto size = (*file)->size();
    if (!size) {
        return size.error();
    }
    const SystemClock clock;
    TimePoint last_report{};
    Hasher hasher(HashAlgorithm::sha256);
    ByteVector buffer(digest_step);
    for (std::uint64_t offset = 0; offset < *size; offset += digest_step) {
        const MutableBytes part = MutableBytes(buffer).first(std::min<std::uint64_t>(digest_step, *size - offset));
        if (auto read = (*file)->read_at(offset, part); !read) {
            return read;
        }
        hasher.update(part);
        if (clock.now() - last_report >= progress_interval) {
            last_report = clock.now();
            if (progress && !progress({0, *size, 0})) {
                return cancelled("the import of " + source.path);
            }
        }
    }
    if (const std::string found = hex(hasher.finish()); found != to_lower(source.sha256)) {
        return make_error(std::errc::illegal_byte_sequence, source.path + " has the SHA-256 " + found + ", not " + to_lower(source.sha256) +
                                                                "; fetch it again, or give the right digest");
    }
    return {};
}

Result<MasterIdentity> fill(FileSystem& files, SourceImage& source, File& file, const std::string& target, const ProgressCallback& progress) {
    SystemRandom random;
    VhdxWriter writer(file, shape_of(source.reader().facts()), VhdxKind::dynamic, random);
    if (auto room = check_space(files, std::filesystem::path(target).parent_path().string(), source.reader(), writer); !room) {
        return room.error();
    }
    if (auto copied = copy_image(source.reader(), writer, &file, progress); !copied) {
        return copied.error();
    }
    if (auto same = source.check_unchanged(); !same) {
        return same.error();
    }
    return writer.identity();
}

} // namespace

Result<MasterIdentity> import_image(FileSystem& files, const ImportSource& given, const std::string& target, const ProgressCallback& progress) {
    const std::string raw_copy = target + std::string(raw_copy_suffix);
    if (auto removed = files.remove(raw_copy); !removed) { // left behind by a crash
        return removed.error();
    }
    auto source = SourceImage::open(files, given.path, raw_copy, progress);
    if (!source) {
        return source.error();
    }
    if (!given.sha256.empty()) {
        if (auto right = check_digest(files, given, progress); !right) {
            return right.error();
        }
    }
    auto file = create_temporary(files, target);
    if (!file) {
        return file.error();
    }
    auto identity = fill(files, *source, **file, target, progress);
    auto done = identity ? files.make_read_only((*file)->path()) : Result<void>(identity.error());
    done = done ? publish_file(files, **file, target) : done;
    if (!done) {
        discard_temporary(files, target);
        return done.error();
    }
    return identity;
}

} // namespace rootstock::images
