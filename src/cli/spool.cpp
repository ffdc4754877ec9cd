#include "cli/spool.hpp"

#include "cli/interrupt.hpp"
#include "images/image_copy.hpp"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace rootstock::cli {
namespace {

constexpr std::size_t step = std::size_t{1} << 20U;

/// Fills `out` as far as the input goes.
Result<std::size_t> read_input(MutableBytes out, const Interrupt& interrupt) {
    std::size_t filled = 0;
    while (filled < out.size()) {
        const ssize_t got = ::read(STDIN_FILENO, out.data() + filled, out.size() - filled);
        if (interrupt.asked()) {
            return images::cancelled("the import of standard input");
        }
        if (got < 0 && errno != EINTR) {
            return errno_error("cannot read standard input");
        }
        if (got == 0) {
            break;
        }
        filled += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    return filled;
}

} // namespace

Result<images::PendingFile> spool_standard_input(images::FileSystem& files, const std::string& directory, const Interrupt& interrupt) {
    auto file = images::PendingFile::create(files, images::unique_temporary_name(directory + "/stdin"));
    if (!file) {
        return file.error();
    }
    ByteVector buffer(step);
    std::uint64_t offset = 0;
    for (;;) {
        const auto filled = read_input(buffer, interrupt);
        if (!filled) {
            return filled.error();
        }
        const Bytes bytes = Bytes(buffer).first(*filled);
        const bool zeros = std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
        if (auto written = zeros ? Result<void>() : file->file().write_at(offset, bytes); !written) {
            return written.error();
        }
        offset += *filled;
        if (*filled < buffer.size()) {
            break;
        }
    }
    auto sized = file->file().resize(offset);
    return sized ? std::move(file) : Result<images::PendingFile>(sized.error());
}

} // namespace rootstock::cli
