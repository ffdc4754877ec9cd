// Where a parent may lie on this host, from the paths that a differencing disk stores Windows' way. Pure.
#pragma once

#include <string>
#include <vector>

namespace rootstock::images {

/// Candidates for the parent of the disk at `child`, best first. `stored`: as they stand in the file: relative ones from the child's directory, absolute
/// ones (`C:\a\b`, `\\?\C:\a\b`, `\\?\Volume{...}\a\b`, `/a/b`) without their drive; then a file of that name beside the child, which is
/// where a chain that was copied has it. The caller opens one only if it is the parent by its identity.
[[nodiscard]] std::vector<std::string> parent_candidates(const std::string& child, const std::vector<std::string>& stored);

} // namespace rootstock::images
