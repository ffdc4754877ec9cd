#include "images/layer_rewrite.hpp"

#include "core/clock.hpp"
#include "images/overlay.hpp"
#include "images/vhdx_image.hpp"
#include "images/vhdx_writer.hpp"

#include <algorithm>
#include <filesystem>

namespace rootstock::images {
namespace {

constexpr std::uint64_t step_bytes = std::uint64_t{2} << 20U; // read or compared at once

/// Tells of progress a few times a second, and of a cancel.
class Reporter {
  public:
    Reporter(const ProgressCallback& progress, std::uint64_t total, std::string what) : progress_(progress), total_(total), what_(std::move(what)) {}

    Result<void> at(std::uint64_t done, std::uint64_t stored) {
        if (clock_.now() - last_ < progress_interval) {
            return {};
        }
        last_ = clock_.now();
        return progress_ && !progress_({done, total_, stored}) ? Result<void>(cancelled(what_)) : Result<void>();
    }

  private:
    const ProgressCallback& progress_;
    const std::uint64_t total_;
    const std::string what_;
    SystemClock clock_;
    TimePoint last_{};
};

Error io_failure(const std::string& path) { return make_error(std::errc::io_error, path + " could not be read or written; see the kernel's log"); }

/// What the layers say of one piece goes into the new disk; what they leave to their parent is left to it as well.
Result<void> copy_piece(std::vector<std::unique_ptr<ImageLayer>>& layers, const ChainPiece& found, std::uint64_t offset, Overlay& disk, ByteVector& buffer) {
    switch (found.piece.source) {
    case PieceSource::parent: return {};
    case PieceSource::zeros: return disk.discard(offset, found.piece.length) ? Result<void>() : io_failure(layers.front()->file().path());
    case PieceSource::own: break;
    }
    const MutableBytes bytes = MutableBytes(buffer).first(found.piece.length);
    if (auto read = layers[found.layer]->read_own(found.piece.file_offset, bytes); !read) {
        return read;
    }
    return disk.write(offset, bytes, false) ? Result<void>() : io_failure(layers.front()->file().path());
}

Result<std::vector<std::unique_ptr<ImageLayer>>> open_layers(FileSystem& files, const std::vector<LayerPlace>& places) {
    std::vector<std::unique_ptr<ImageLayer>> layers;
    for (const LayerPlace& place : places) {
        auto layer = open_image_layer(files, place.path);
        if (!layer) {
            return layer.error();
        }
        layers.push_back(std::move(*layer));
    }
    return layers;
}

Result<void> merge(LayerFiles& files, const LayerRewrite& rewrite, const ProgressCallback& progress) {
    auto below = open_master(files, rewrite.below);
    if (!below) {
        return below.error();
    }
    auto opened = open_layers(files.file_system(), rewrite.merged);
    if (!opened) {
        return opened.error();
    }
    std::vector<std::unique_ptr<ImageLayer>>& layers = *opened;
    if (auto created = create_persistent_overlay(files.file_system(), rewrite.target, **below); !created) {
        return created;
    }
    auto disk = open_persistent_overlay(files.file_system(), rewrite.target, *below);
    if (!disk) {
        return disk.error();
    }
    const std::uint64_t size = layers.front()->facts().size_bytes;
    ByteVector buffer(step_bytes);
    Reporter report(progress, size, "the merge of " + rewrite.merged.front().path);
    std::uint64_t stored = 0;
    for (std::uint64_t offset = 0; offset < size;) {
        const auto found = locate_in_chain(layers, offset, std::min(step_bytes, size - offset));
        auto done = found ? copy_piece(layers, *found, offset, **disk, buffer) : Result<void>(found.error());
        done = done ? report.at(offset, stored) : done;
        if (!done) {
            return done;
        }
        stored += found->piece.source == PieceSource::own ? found->piece.length : 0;
        offset += found->piece.length;
    }
    return (*disk)->close();
}

Result<void> flatten(FileSystem& files, const LayerRewrite& rewrite, const ProgressCallback& progress) {
    auto reader = ImageReader::open(files, rewrite.merged.front().path);
    if (!reader) {
        return reader.error();
    }
    auto file = files.open(rewrite.target, OpenMode::create_new);
    if (!file) {
        return file.error();
    }
    SystemRandom random;
    const std::string directory = std::filesystem::path(rewrite.target).parent_path().string();
    VhdxWriter writer(**file, shape_of(reader->facts()), VhdxKind::dynamic, random);
    auto done = check_space(files, directory, *reader, writer);
    done = done ? copy_image(*reader, writer, file->get(), progress) : done;
    done = done ? (*file)->sync_data() : done;
    return done ? files.sync_directory(directory) : done; // the catalogue will speak of this file before it takes its name
}

/// Makes the new file known by the old one's DataWriteGuid, and by another size. The GUID last: a file that has it is whole, and cannot be taken for the
/// old one.
Result<MasterIdentity> take_identity(FileSystem& files, const std::string& path, const MasterIdentity& old) {
    const auto file = files.open(path, OpenMode::read_write);
    if (!file) {
        return file.error();
    }
    SystemRandom random;
    const auto image = open_vhdx_writable(**file, random);
    if (!image) {
        return image.error();
    }
    MasterIdentity identity{old.data_write_guid, image->metadata.virtual_disk_size, image->file_size};
    Result<void> done;
    if (identity.file_size == old.file_size) {
        identity.file_size += vhdx::mib;
        done = (*file)->resize(identity.file_size);
    }
    static_cast<void>((*file)->punch_hole(image->current.header.log_offset, image->current.header.log_length)); // never needed again; costs space alone
    done = done ? (*file)->sync_data() : done;
    done = done ? VhdxHeaderWriter(**file, image->current, random).set_data_write_guid(old.data_write_guid) : done;
    return done ? Result<MasterIdentity>(identity) : Result<MasterIdentity>(done.error());
}

/// Reads what is not the same piece of the same file in both.
Result<void> check_same(Master& before, Master& after, const ProgressCallback& progress) {
    const std::uint64_t size = before.geometry().size_bytes;
    Reporter report(progress, size, "the comparison of " + before.path());
    std::uint64_t compared = 0;
    ByteVector old_bytes(step_bytes);
    ByteVector new_bytes(step_bytes);
    for (std::uint64_t offset = 0; offset < size;) {
        const auto a = before.place_of(offset, size - offset);
        const auto b = after.place_of(offset, size - offset);
        std::uint64_t length = std::min(a.length, b.length);
        if (a.file != b.file || a.file_offset != b.file_offset) {
            length = std::min(length, step_bytes);
            const MutableBytes old_part = MutableBytes(old_bytes).first(length);
            const MutableBytes new_part = MutableBytes(new_bytes).first(length);
            if (!before.read(offset, old_part) || !after.read(offset, new_part)) {
                return io_failure(after.path());
            }
            if (!std::ranges::equal(old_part, new_part)) {
                return make_error(std::errc::io_error, after.path() + " does not hold what " + before.path() + " holds; nothing was changed");
            }
            compared += length;
        }
        offset += length;
        if (auto go_on = report.at(offset, compared); !go_on) {
            return go_on;
        }
    }
    return {};
}

Result<MasterIdentity> write_and_check(LayerFiles& files, const LayerRewrite& rewrite, const ProgressCallback& progress) {
    std::vector<LayerPlace> chain = rewrite.merged;
    chain.insert(chain.end(), rewrite.below.begin(), rewrite.below.end());
    const auto before = open_master(files, chain); // and every file is the recorded one
    if (!before) {
        return before.error();
    }
    const auto written = rewrite.below.empty() ? flatten(files.file_system(), rewrite, progress) : merge(files, rewrite, progress);
    if (!written) {
        return written.error();
    }
    const auto identity = take_identity(files.file_system(), rewrite.target, (*before)->identity());
    if (!identity) {
        return identity.error();
    }
    chain = rewrite.below;
    chain.insert(chain.begin(), LayerPlace{rewrite.target, *identity});
    const auto after = open_master(files, chain);
    if (!after) {
        return after.error();
    }
    if (auto same = check_same(**before, **after, progress); !same) {
        return same.error();
    }
    const auto sealed = files.file_system().make_read_only(rewrite.target);
    return sealed ? identity : Result<MasterIdentity>(sealed.error());
}

} // namespace

Result<std::uint64_t> rewritten_bytes(FileSystem& files, const LayerRewrite& rewrite) {
    const auto layers = open_layers(files, rewrite.merged);
    if (!layers) {
        return layers.error();
    }
    const std::uint64_t size = layers->front()->facts().size_bytes;
    const std::uint64_t unit = rewrite.below.empty() ? writer_block_size : 1; // a file that stands alone has whole blocks, others have sectors
    std::uint64_t bytes = 2 * vhdx::mib + size / writer_block_size * sizeof(std::uint64_t); // headers and tables
    std::uint64_t counted = 0; // up to this offset
    for (std::uint64_t offset = 0; offset < size;) {
        const auto found = locate_in_chain(*layers, offset, size - offset);
        if (!found) {
            return found.error();
        }
        if (found->piece.source == PieceSource::own) {
            const std::uint64_t end = round_up(offset + found->piece.length, unit);
            const std::uint64_t begin = std::max(offset / unit * unit, counted);
            bytes += end - std::min(begin, end);
            counted = end;
        }
        offset += found->piece.length;
    }
    return bytes;
}

Result<MasterIdentity> rewrite_layers(LayerFiles& files, const LayerRewrite& rewrite, const ProgressCallback& progress) {
    auto identity = write_and_check(files, rewrite, progress);
    if (!identity) {
        (void)remove_disk(files.file_system(), rewrite.target); // what is left of it, the next start removes
    }
    return identity;
}

} // namespace rootstock::images
