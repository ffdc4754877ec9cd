// Chain export: a differencing disk leaves as two files that belong together: itself, still differencing, and beside it everything below it as one parent.
// Hyper-V opens the pair where it lies: the child names its parent by a relative and by an absolute path, Windows' way, and by its DataWriteGuid.
// Blocking. Both files have their names only when both are whole; a failure or a cancel leaves nothing.
#pragma once

#include "images/image_copy.hpp"

namespace rootstock::images {

struct ChainExport {
    std::string source;
    std::string target;
    bool overwrite = false; // what is at `target` and at parent_target()
    bool portable = false;  // blocks of zeros as data (some readers look into the parent instead), and no holes in the files
};

/// "lab1-07.vhdx" -> "lab1-07-parent.vhdx".
[[nodiscard]] std::string parent_target(const std::string& target);
/// A source that stands alone, or is no VHDX, is refused.
[[nodiscard]] Result<void> export_chain(FileSystem& files, const ChainExport& job, const ProgressCallback& progress);

} // namespace rootstock::images
