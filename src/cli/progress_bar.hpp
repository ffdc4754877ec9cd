// One line on standard error that is drawn over and over; nothing when that is no terminal.
#pragma once

#include <cstdint>

namespace rootstock::cli {

class ProgressBar {
  public:
    ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;
    ~ProgressBar(); // ends the line

    void draw(std::uint64_t done_bytes, std::uint64_t total_bytes, std::uint64_t stored_bytes);

  private:
    bool shown_;
    bool drawn_ = false;
};

} // namespace rootstock::cli
