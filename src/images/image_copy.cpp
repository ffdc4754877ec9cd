#include "images/image_copy.hpp"

#include "core/clock.hpp"
#include "core/text.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

constexpr std::uint64_t writeback_step = 32; // blocks, so that the sync at the end has little left to do

bool is_zero(Bytes bytes) { return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0); }

/// Walks the blocks of a disk that may hold data.
class BlockWalk {
  public:
    explicit BlockWalk(ImageReader& reader) : reader_(reader), buffer_(std::min(writer_block_size, reader.size_bytes())) {}

    /// Calls `visit(offset)` for each block with data in it, as far as its formats can tell; stops at the first failure.
    template <class Visit> Result<void> each(Visit visit) {
        std::uint64_t offset = 0;
        while (offset < reader_.size_bytes()) {
            const auto extent = reader_.extent(offset, reader_.size_bytes() - offset);
            if (!extent) {
                return extent.error();
            }
            if (!extent->data) {
                offset += extent->length;
                continue;
            }
            const std::uint64_t block = offset / writer_block_size * writer_block_size;
            if (auto visited = visit(block); !visited) {
                return visited;
            }
            offset = block + writer_block_size;
        }
        return {};
    }

    /// The block's bytes; empty when they are zeros.
    Result<Bytes> read(std::uint64_t offset) {
        const MutableBytes bytes = MutableBytes(buffer_).first(std::min(writer_block_size, reader_.size_bytes() - offset));
        if (auto read = reader_.read(offset, bytes); !read) {
            return read.error();
        }
        return is_zero(bytes) ? Bytes() : Bytes(bytes);
    }

  private:
    ImageReader& reader_;
    ByteVector buffer_;
};

class Copy {
  public:
    Copy(ImageReader& reader, ImageWriter& writer, File* target, const ProgressCallback& progress)
        : reader_(reader), writer_(writer), target_(target), progress_(progress), walk_(reader) {}

    Result<void> run() {
        if (auto go_on = report(0); !go_on) {
            return go_on;
        }
        if (auto copied = walk_.each([this](std::uint64_t offset) { return copy_block(offset); }); !copied) {
            return copied;
        }
        if (auto go_on = report(reader_.size_bytes()); !go_on) {
            return go_on;
        }
        auto same = reader_.check_unchanged();
        return same ? writer_.finish() : same;
    }

  private:
    Result<void> copy_block(std::uint64_t offset) {
        const auto data = walk_.read(offset);
        if (!data) {
            return data.error();
        }
        if (!data->empty()) {
            if (auto written = writer_.write_block(offset, *data); !written) {
                return written;
            }
            if (++stored_blocks_ % writeback_step == 0 && target_ != nullptr) {
                target_->start_writeback();
            }
        }
        return clock_.now() - last_report_ < progress_interval ? Result<void>() : report(std::min(offset + writer_block_size, reader_.size_bytes()));
    }

    Result<void> report(std::uint64_t done) {
        last_report_ = clock_.now();
        if (progress_ && !progress_({done, reader_.size_bytes(), stored_blocks_ * writer_block_size})) {
            return cancelled("the copy of " + reader_.layers().front()->file().path());
        }
        return {};
    }

    ImageReader& reader_;
    ImageWriter& writer_;
    File* target_;
    const ProgressCallback& progress_;
    BlockWalk walk_;
    std::uint64_t stored_blocks_ = 0;
    SystemClock clock_;
    TimePoint last_report_{};
};

} // namespace

Result<void> check_space(FileSystem& files, const std::string& directory, ImageReader& reader, const ImageWriter& writer) {
    const std::string place = directory.empty() ? "." : directory;
    const auto space = files.space(place);
    if (!space) {
        return space.error();
    }
    BlockWalk walk(reader);
    std::uint64_t blocks = 0;
    auto counted = walk.each([&](std::uint64_t) {
        ++blocks;
        return Result<void>();
    });
    if (counted && writer.needed_bytes(blocks) > space->free_bytes) {
        blocks = 0;
        counted = walk.each([&](std::uint64_t offset) {
            const auto data = walk.read(offset);
            blocks += data && !data->empty() ? 1U : 0U;
            return data ? Result<void>() : Result<void>(data.error());
        });
    }
    if (!counted) {
        return counted;
    }
    if (const std::uint64_t needed = writer.needed_bytes(blocks); needed > space->free_bytes) {
        return no_room(needed, place, space->free_bytes);
    }
    return {};
}

Result<void> copy_image(ImageReader& reader, ImageWriter& writer, File* target, const ProgressCallback& progress) {
    return Copy(reader, writer, target, progress).run();
}

Error cancelled(const std::string& what) { return make_error(std::errc::operation_canceled, what + " was cancelled; nothing was kept"); }

Error no_room(std::uint64_t needed, const std::string& directory, std::uint64_t free) {
    return make_error(std::errc::no_space_on_device, "the image needs " + format_size(needed) + " in " + directory + ", where " + format_size(free) +
                                                         " are free; make room there or choose another directory");
}

} // namespace rootstock::images
