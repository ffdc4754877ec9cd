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

/// Notes the digest of each block that goes to `next`, a dynamic VHDX: block by block, in the order of its file.
class DigestingWriter final : public ImageWriter {
  public:
    DigestingWriter(File& file, VhdxWriter& next) : file_(file), next_(next) {}

    std::uint64_t needed_bytes(std::uint64_t data_blocks) const override { return next_.needed_bytes(data_blocks); }
    Result<void> write_block(std::uint64_t offset, Bytes data) override {
        const ByteVector leaf = piece_digest(data, digest_piece_size);
        payload_.insert(payload_.end(), leaf.begin(), leaf.end());
        return next_.write_block(offset, data);
    }
    Result<void> finish() override { return next_.finish(); }

    /// After finish(). What lies in front of the payload is read back: it was written last, and is a few MiB.
    Result<ContentDigest> digest() {
        ContentDigest digest;
        digest.file_size = next_.identity().file_size;
        ByteVector piece(digest_piece_size);
        for (std::uint64_t offset = 0; offset < next_.needed_bytes(0); offset += digest_piece_size) {
            if (auto read = file_.read_at(offset, piece); !read) {
                return read.error();
            }
            const ByteVector leaf = piece_digest(piece, digest_piece_size);
            digest.leaves.insert(digest.leaves.end(), leaf.begin(), leaf.end());
        }
        digest.leaves.insert(digest.leaves.end(), payload_.begin(), payload_.end());
        return digest;
    }

  private:
    static_assert(digest_piece_size == writer_block_size); // a block is a piece
    File& file_;
    VhdxWriter& next_;
    ByteVector payload_; // the leaves of the blocks
};

Result<ImportedMaster> fill(FileSystem& files, SourceImage& source, File& file, const std::string& target, const ProgressCallback& progress) {
    SystemRandom random;
    VhdxWriter disk(file, shape_of(source.reader().facts()), VhdxKind::dynamic, random);
    DigestingWriter writer(file, disk);
    if (auto room = check_space(files, std::filesystem::path(target).parent_path().string(), source.reader(), writer); !room) {
        return room.error();
    }
    if (auto copied = copy_image(source.reader(), writer, &file, progress); !copied) {
        return copied.error();
    }
    if (auto same = source.check_unchanged(); !same) {
        return same.error();
    }
    auto digest = writer.digest();
    return digest ? Result<ImportedMaster>(ImportedMaster{disk.identity(), std::move(*digest)}) : digest.error();
}

} // namespace

Result<ImportedMaster> import_image(FileSystem& files, const ImportSource& given, const std::string& target, const ProgressCallback& progress) {
    const std::string raw_copy = target + std::string(raw_copy_suffix);
    for (const std::string& left_by_crash : {raw_copy, raw_copy + std::string(SourceImage::unpacked_suffix)}) {
        if (auto removed = files.remove(left_by_crash); !removed) {
            return removed.error();
        }
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
    auto imported = fill(files, *source, **file, target, progress);
    auto done = imported ? files.make_read_only((*file)->path()) : Result<void>(imported.error());
    done = done ? publish_file(files, **file, target) : done;
    if (!done) {
        discard_temporary(files, target);
        return done.error();
    }
    return imported;
}

} // namespace rootstock::images
