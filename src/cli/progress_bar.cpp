#include "cli/progress_bar.hpp"

#include "core/text.hpp"

#include <cstdio>

#include <unistd.h>

namespace rootstock::cli {

ProgressBar::ProgressBar() : shown_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
    if (drawn_) {
        std::fputc('\n', stderr);
    }
}

void ProgressBar::draw(std::uint64_t done_bytes, std::uint64_t total_bytes, std::uint64_t stored_bytes) {
    if (!shown_) {
        return;
    }
    drawn_ = true;
    if (total_bytes == 0) { // nobody knows how much there is
        std::fprintf(stderr, "\r\x1b[K%s, %s stored", format_size(done_bytes).c_str(), format_size(stored_bytes).c_str());
        return;
    }
    constexpr std::size_t cells = 30;
    const double share = static_cast<double>(done_bytes) / static_cast<double>(total_bytes);
    const auto full = static_cast<std::size_t>(share * cells);
    std::fprintf(stderr, "\r\x1b[K[%s%s] %3.0f%%  %s of %s, %s stored", std::string(full, '#').c_str(), std::string(cells - full, '.').c_str(),
                 share * 100, format_size(done_bytes).c_str(), format_size(total_bytes).c_str(), format_size(stored_bytes).c_str());
}

} // namespace rootstock::cli
