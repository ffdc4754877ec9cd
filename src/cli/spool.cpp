#include "cli/spool.hpp"

#include "cli/interrupt.hpp"
#include "images/image_copy.hpp"
#include "images/sparse_appender.hpp"

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
    images::SparseAppender appender(file->file());
    ByteVector buffer(step);
    for (std::size_t got = buffer.size(); got == buffer.size();) {
        const auto filled = read_input(buffer, interrupt);
        if (!filled) {
            return filled.error();
        }
        got = *filled;
        if (auto written = appender.append(Bytes(buffer).first(got)); !written) {
            return written.error();
        }
    }
    auto finished = appender.finish();
    return finished ? std::move(file) : Result<images::PendingFile>(finished.error());
}

} // namespace rootstock::cli
