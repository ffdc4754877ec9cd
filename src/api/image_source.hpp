// Where an import's bytes come from: a file on the server, or a URL, which is fetched into the data directory first.
// Threads: import_source() blocks; the import's own thread calls it.
#pragma once

#include "api/parts.hpp"

namespace rootstock::api {

struct ImportRequest {
    std::string source;  // a path on the server, or a URL
    std::string sha256;  // of the file's bytes; empty: not checked
    std::string ca_file; // of a URL; empty: the system's certificate authorities
};

/// A file's absolute path or an http(s) URL; the error says what it is instead.
[[nodiscard]] Result<void> check_source(const Parts& parts, const std::string& source);
/// As it may be logged: a URL without its query.
[[nodiscard]] std::string shown_source(const std::string& source);

/// The next version of the image `name`. What is fetched is gone afterwards, also after a crash.
[[nodiscard]] Result<images::ImageVersion> import_source(const Parts& parts, const ImportRequest& request, const std::string& name,
                                                         const images::ProgressCallback& progress);

} // namespace rootstock::api
