// qemu-img as a child process: the formats that are not ours, read into or written from a raw file. Blocking; cancelled, it leaves a file that the caller
// removes.
#pragma once

#include "images/image_copy.hpp"

namespace rootstock::images {

/// What qemu-img calls a format.
[[nodiscard]] std::string_view qemu_name(ImageFormat format);

/// Fills `target`, which is there and empty, with the contents of `source`. `progress` in shares of `total_bytes`. qemu-img missing: the error names
/// the package. `options`: for -o, or empty.
struct QemuConversion {
    std::string source;
    std::string source_format; // as qemu_name() has it
    std::string target;
    std::string target_format;
    std::string options;
    std::uint64_t total_bytes = 0;
};
[[nodiscard]] Result<void> qemu_convert(const QemuConversion& conversion, const ProgressCallback& progress);

struct QemuFacts {
    std::uint64_t virtual_bytes = 0;
    std::uint64_t data_bytes = 0; // about what a sparse raw file of it would occupy
};
[[nodiscard]] Result<QemuFacts> qemu_measure(const std::string& path, ImageFormat format);

/// What `qemu-img check` minds; empty when it is sound.
[[nodiscard]] Result<std::vector<std::string>> qemu_check(const std::string& path, ImageFormat format, const ProgressCallback& progress);

} // namespace rootstock::images
