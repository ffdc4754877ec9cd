// Runs another program to its end: no shell, words as they are, standard input empty. The only user of processes in this folder. Blocking.
#pragma once

#include "core/result.hpp"

#include <functional>
#include <string>
#include <vector>

namespace rootstock::images {

struct ProgramEnd {
    int status = 0;           // the exit code; 128 and the signal's number when a signal ended it
    std::string output;       // standard output, its end where it is long
    std::string error_output; // standard error, its end where it is long
};

/// Called with what came on standard output, and without anything a few times a second; false ends the program (SIGTERM, then SIGKILL).
using OnOutput = std::function<bool(std::string_view output)>;

/// `words[0]` is looked for in PATH. An error only when it cannot be started (errc::no_such_file_or_directory: there is none) or was ended by
/// `on_output` (errc::operation_canceled).
[[nodiscard]] Result<ProgramEnd> run_program(const std::vector<std::string>& words, const OnOutput& on_output);

} // namespace rootstock::images
