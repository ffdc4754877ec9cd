// A machine's disk lent to whoever asked, for as long as the answer's stream lives: `rootstock
// machine export` reads the file by itself, with its own rights.
#pragma once

#include "api/parts.hpp"
#include "http/message.hpp"

namespace rootstock::api {

/// Holds the disk (images::Store::hold_machine_disk); one line names its file, and the
/// stream goes on until the reader closes it.
[[nodiscard]] Result<std::shared_ptr<http::Stream>> lend_machine_disk(const Parts& parts,
                                                                      const std::string& machine);

} // namespace rootstock::api
