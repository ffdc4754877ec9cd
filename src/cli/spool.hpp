// Standard input as a file: what cannot be read twice, or from its end, is kept in the data directory while it is imported.
#pragma once

#include "images/pending_file.hpp"

namespace rootstock::cli {

class Interrupt;

/// Everything that comes on standard input, as a new sparse file in `directory`; gone with the object.
[[nodiscard]] Result<images::PendingFile> spool_standard_input(images::FileSystem& files, const std::string& directory, const Interrupt& interrupt);

} // namespace rootstock::cli
