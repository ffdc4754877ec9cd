#include "images/chain_export.hpp"

#include "core/clock.hpp"
#include "images/convert.hpp"
#include "images/overlay.hpp"
#include "images/pending_file.hpp"

#include <algorithm>
#include <filesystem>

namespace rootstock::images {
namespace {

Error block_failure(const std::string& path, block::IoError why) {
    return make_error(why == block::IoError::no_space ? std::errc::no_space_on_device : std::errc::io_error, "cannot write " + path);
}

/// Copies what one layer itself holds into a new differencing disk.
class ChildCopy {
  public:
    ChildCopy(ImageLayer& layer, Overlay& disk, const ChainExport& job, const ProgressCallback& progress)
        : layer_(layer), disk_(disk), job_(job), progress_(progress), buffer_(writer_block_size) {}

    Result<void> run() {
        const std::uint64_t size = layer_.facts().size_bytes;
        for (std::uint64_t offset = 0; offset < size;) {
            const auto piece = layer_.locate(offset, std::min<std::uint64_t>(size - offset, writer_block_size - offset % writer_block_size));
            if (!piece) {
                return piece.error();
            }
            if (Result<void> copied = copy(*piece); !copied) {
                return copied;
            }
            offset += piece->length;
            if (!report(offset, size)) {
                return cancelled("the export of " + job_.source);
            }
        }
        const auto flushed = disk_.flush();
        return flushed ? disk_.close() : block_failure(job_.target, flushed.error());
    }

  private:
    Result<void> copy(const Piece& piece) {
        const MutableBytes bytes = MutableBytes(buffer_).first(piece.length);
        Result<void, block::IoError> done;
        switch (piece.source) {
        case PieceSource::parent: return {};
        case PieceSource::own:
            if (Result<void> read = layer_.read_own(piece.file_offset, bytes); !read) {
                return read;
            }
            done = disk_.write(piece.offset, bytes, false);
            stored_ += piece.length;
            break;
        case PieceSource::zeros:
            std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
            done = job_.portable ? disk_.write(piece.offset, bytes, false) : disk_.discard(piece.offset, piece.length);
            break;
        }
        return done ? Result<void>() : block_failure(job_.target, done.error());
    }

    [[nodiscard]] bool report(std::uint64_t done, std::uint64_t total) {
        if (!progress_ || clock_.now() - last_report_ < progress_interval) {
            return true;
        }
        last_report_ = clock_.now();
        return progress_({done, total, stored_});
    }

    ImageLayer& layer_;
    Overlay& disk_;
    const ChainExport& job_;
    const ProgressCallback& progress_;
    ByteVector buffer_;
    const SystemClock clock_;
    TimePoint last_report_{};
    std::uint64_t stored_ = 0;
};

/// The child under a temporary name, whole and closed.
Result<void> write_child(FileSystem& files, ImageLayer& layer, const std::string& temporary, const ChainExport& job, const ProgressCallback& progress) {
    auto parent = open_master(files, std::filesystem::absolute(parent_target(job.target)).string(), std::nullopt);
    if (!parent) {
        return parent.error();
    }
    if (Result<void> created = create_persistent_overlay(files, temporary, **parent); !created) {
        return created;
    }
    auto disk = open_persistent_overlay(files, temporary, std::move(*parent));
    return disk ? ChildCopy(layer, **disk, job, progress).run() : disk.error();
}

/// Space for all of the file: what is sparse here is sparse where it is copied to, and Windows attaches no such file.
Result<void> publish_child(FileSystem& files, const std::string& temporary, const ChainExport& job) {
    {
        const auto file = files.open(temporary, OpenMode::read_write);
        if (!file) {
            return file.error();
        }
        const auto size = (*file)->size();
        Result<void> done = size ? Result<void>() : size.error();
        done = done && job.portable ? (*file)->allocate(0, *size) : done;
        done = done ? (*file)->sync_data() : done;
        if (!done) {
            return done;
        }
    }
    if (Result<void> named = files.rename(temporary, job.target); !named) {
        return named;
    }
    return files.sync_directory(std::filesystem::absolute(job.target).parent_path().string());
}

} // namespace

std::string parent_target(const std::string& target) {
    const std::filesystem::path path(target);
    return (path.parent_path() / (path.stem().string() + "-parent" + path.extension().string())).string();
}

Result<void> export_chain(FileSystem& files, const ChainExport& job, const ProgressCallback& progress) {
    auto reader = ImageReader::open(files, job.source);
    if (!reader) {
        return reader.error();
    }
    if (reader->layers().size() < 2 || reader->facts().format != ImageFormat::vhdx) {
        return make_error(std::errc::invalid_argument, job.source + " has no parent, or is no VHDX file; export it without --chain");
    }
    if (!job.overwrite && files.exists(job.target)) {
        return make_error(std::errc::file_exists, job.target + " exists already; choose another name, or say --force");
    }
    const std::string parent = parent_target(job.target);
    const Conversion below{reader->layers()[1]->file().path(), parent, OutputFormat::vhdx, job.overwrite, job.portable};
    if (Result<void> written = convert_image(files, below, progress); !written) {
        return written;
    }
    const std::string temporary = unique_temporary_name(job.target);
    Result<void> done = write_child(files, *reader->layers().front(), temporary, job, progress);
    done = done ? reader->check_unchanged() : done;
    done = done ? publish_child(files, temporary, job) : done;
    if (!done) { // if even that fails, the temporary name says what is left
        const Result<void> child_gone = remove_disk(files, temporary);
        const Result<void> parent_gone = files.remove(parent);
    }
    return done;
}

} // namespace rootstock::images
