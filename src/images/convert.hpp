// Convert: a disk image of any format becomes a file of another one, standing alone: `rootstock image convert` and both exports. The result has its name
// only when it is whole and durable; a failure, a cancel or a broken rule of the source's format leaves nothing.
#pragma once

#include "images/image_copy.hpp"

namespace rootstock::images {

enum class OutputFormat : std::uint8_t { raw, vhdx, vhdx_fixed, vhd, vhd_fixed, qcow2, vmdk };

/// "raw", "vhdx", "vhdx-fixed", ...: as the command line has them; in the order of OutputFormat.
[[nodiscard]] const std::vector<std::string>& output_format_names();
[[nodiscard]] std::optional<OutputFormat> parse_output_format(std::string_view name);
/// By the end of the name: ".vhd", ".qcow2", ...; anything else is raw.
[[nodiscard]] OutputFormat output_format_of(const std::string& path);

struct Conversion {
    std::string source;
    std::string target;
    OutputFormat format = OutputFormat::vhdx;
    bool overwrite = false; // what is at `target`; never a file of the source's own chain
    bool portable = false;  // a file without holes, which Windows attaches wherever it is copied to; of native formats only
};
[[nodiscard]] Result<void> convert_image(FileSystem& files, const Conversion& conversion, const ProgressCallback& progress);

} // namespace rootstock::images
