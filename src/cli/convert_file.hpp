// Writes a disk image as another file, with a progress bar and a clean end on Ctrl-C: what `image convert` and both exports do.
#pragma once

#include "cli/options.hpp"
#include "core/result.hpp"

#include <memory>

namespace rootstock::cli {

/// What the commands take: FILE, --format, --force, --portable, --chain.
struct OutputFile {
    std::string path;
    std::string format; // empty: by the end of the name
    bool force = false;
    bool portable = false;
    bool chain = false;   // only where add_chain() was called
};

/// Adds the first four to `command`; the values are in what is returned once the command line is parsed.
[[nodiscard]] std::shared_ptr<OutputFile> add_output_file(CLI::App& command, const char* name);

/// --chain, for a differencing source.
void add_chain(CLI::App& command, OutputFile& output);

/// `source` becomes `output`; prints what was written and gives the exit code.
[[nodiscard]] int convert_file(const Options& options, const std::string& source, const OutputFile& output);

} // namespace rootstock::cli
