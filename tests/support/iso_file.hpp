// A file that counts as an ISO image: its first volume descriptor says so, all else is one byte.
#pragma once

#include "support/temporary_folder.hpp"

#include <fstream>
#include <string>

namespace rootstock::test {

/// Its path. `size`: at least 34 KiB.
inline std::string write_iso(const TemporaryFolder& folder, const std::string& name, std::size_t size, char fill) {
    std::string content(size, fill);
    content.replace(16 * 2048 + 1, 5, "CD001");
    std::ofstream(folder.file(name), std::ios::binary) << content;
    return folder.file(name);
}

} // namespace rootstock::test
