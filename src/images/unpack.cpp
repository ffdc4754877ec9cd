#include "images/unpack.hpp"

#include "core/text.hpp"
#include "images/child_process.hpp"
#include "images/limits.hpp"
#include "images/sparse_appender.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

namespace rootstock::images {
namespace {

constexpr std::uint64_t space_look_bytes = std::uint64_t{64} << 20U;

struct Unpacker {
    ImageFormat format;
    std::vector<std::string> words;
    std::string_view package;
};
/// Their memory is bounded: a file asks for what its decompressor needs, up to 4 GiB with xz.
const Unpacker* unpacker_of(ImageFormat format) {
    static const std::array all{
        Unpacker{ImageFormat::gzip, {"gzip", "-dc"}, "gzip"},
        Unpacker{ImageFormat::xz, {"xz", "-dc", "--memlimit-decompress=1GiB"}, "xz-utils"},
        Unpacker{ImageFormat::zstd, {"zstd", "-dcq", "--memory=1024MB"}, "zstd"},
        Unpacker{ImageFormat::bzip2, {"bzip2", "-dc"}, "bzip2"},
    };
    const auto* const found = std::ranges::find(all, format, &Unpacker::format);
    return found == all.end() ? nullptr : found;
}

/// Takes a program's output into a file.
class Intake {
  public:
    Intake(FileSystem& files, File& file, const ProgressCallback& progress)
        : files_(files), directory_(std::filesystem::path(file.path()).parent_path().string()), appender_(file), progress_(progress) {}

    [[nodiscard]] bool take(std::string_view output) {
        failure_ = appender_.append(as_bytes(output));
        failure_ = failure_ ? check_bounds() : failure_;
        return failure_ && (!progress_ || progress_({appender_.size(), 0, appender_.stored_bytes()}));
    }
    [[nodiscard]] Result<void> finish() { return failure_ ? appender_.finish() : failure_; }
    /// Why the program was ended; none: nobody wanted it any more.
    [[nodiscard]] const Result<void>& failure() const { return failure_; }

  private:
    Result<void> check_bounds() {
        if (appender_.size() > limits::virtual_size) {
            return make_error(std::errc::file_too_large, "more than 64 TiB came out of it");
        }
        if (appender_.stored_bytes() < next_look_) {
            return {};
        }
        next_look_ = appender_.stored_bytes() + space_look_bytes;
        const auto space = files_.space(directory_.empty() ? "." : directory_);
        if (space && space->free_bytes < limits::free_kept) {
            return make_error(std::errc::no_space_on_device, "after " + format_size(appender_.size()) + " only " + format_size(space->free_bytes) +
                                                                 " are free in " + directory_ + "; make room there, or unpack it elsewhere");
        }
        return {};
    }

    FileSystem& files_;
    const std::string directory_;
    SparseAppender appender_;
    const ProgressCallback& progress_;
    Result<void> failure_;
    std::uint64_t next_look_ = 0;
};

std::string reason_of(const ProgramEnd& end, const std::string& program) {
    const std::string_view told = trim(end.error_output);
    const std::string reason(told.substr(told.rfind('\n') == told.npos ? 0 : told.rfind('\n') + 1));
    return reason.empty() ? program + " ended with " + std::to_string(end.status) : reason;
}

} // namespace

bool is_packed(ImageFormat format) { return unpacker_of(format) || format == ImageFormat::tar || format == ImageFormat::zip; }

Error is_packed_error(const std::string& path, ImageFormat format) {
    const Unpacker* const unpacker = unpacker_of(format);
    return make_error(std::errc::not_supported,
                      unpacker ? path + " is compressed; unpack it first (" + unpacker->words[0] + " -d), or import it as it is"
                               : path + " is no disk image but a " + std::string(format_name(format)) + " archive; take the image out of it first");
}

Result<PendingFile> unpack(FileSystem& files, File& packed, ImageFormat format, const std::string& temporary, const ProgressCallback& progress) {
    const Unpacker* const unpacker = unpacker_of(format);
    if (!unpacker) {
        return is_packed_error(packed.path(), format);
    }
    auto plain = PendingFile::create(files, temporary);
    if (!plain) {
        return plain.error();
    }
    Intake intake(files, plain->file(), progress);
    std::vector<std::string> words = unpacker->words;
    words.insert(words.end(), {"--", packed.path()});
    const auto end = run_program(words, [&intake](std::string_view output) { return intake.take(output); });
    if (!end && end.error().code == std::errc::no_such_file_or_directory) {
        return make_error(std::errc::not_supported, words[0] + " is needed to unpack " + packed.path() + " and is not installed; install the package " +
                                                        std::string(unpacker->package));
    }
    if (const auto& failure = intake.failure(); !failure) {
        return Error{failure.error().code, "cannot unpack " + packed.path() + ": " + failure.error().what};
    }
    if (!end) {
        return end.error().code == std::errc::operation_canceled ? cancelled("unpacking " + packed.path()) : end.error();
    }
    if (end->status != 0) {
        return make_error(std::errc::illegal_byte_sequence, "cannot unpack " + packed.path() + ": " + reason_of(*end, words[0]));
    }
    const auto finished = intake.finish();
    return finished ? std::move(plain) : Result<PendingFile>(finished.error());
}

} // namespace rootstock::images
