// Check: whether a disk image of any format is sound, its chain of parents included, and what is wrong where. Reads all data. Never writes. Blocking.
#pragma once

#include "images/image_copy.hpp"

namespace rootstock::images {

struct ImageReport {
    std::string path;
    std::string format;                // "VHDX", "qcow2"
    std::string kind;                  // "fixed", "dynamic", "differencing", "flat"; empty where the format was not read natively
    std::uint64_t size_bytes = 0;      // of the disk; 0: could not be read
    std::uint32_t logical_sector_size = 0;
    std::uint64_t data_bytes = 0;      // in blocks of 2 MiB that are not zeros; natively read formats alone
    std::vector<std::string> chain;    // the file, then its parents
    std::vector<std::string> problems; // each a sentence that names the file
    std::vector<std::string> notes;

    [[nodiscard]] bool sound() const { return problems.empty(); }
};

/// An error only where there is nothing to check: no such file, no permission, no qemu-img for a format that needs it, cancelled.
[[nodiscard]] Result<ImageReport> check_image(FileSystem& files, const std::string& path, const ProgressCallback& progress);

} // namespace rootstock::images
