// Jobs: requests that the server answers with lines of progress and, last, the result (imports, publications).
#pragma once

#include "cli/client.hpp"
#include "cli/interrupt.hpp"

namespace rootstock::cli {

/// Follows the lines with a progress bar. The last one is the result: its member `key`, or the server's error. Ctrl-C cancels the job; `what` is what the
/// error says then: "the import".
[[nodiscard]] Result<boost::json::value> follow_job(Client& client, const std::string& url, const boost::json::value& body, const Interrupt& interrupt,
                                                    const char* key, const std::string& what);

} // namespace rootstock::cli
