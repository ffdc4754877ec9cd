// The web page's files, out of the binary (assets "web/..."): types, ETags, and the headers that
// keep a browser from doing what the page does not need.
#pragma once

#include "http/message.hpp"

#include <map>

namespace rootstock::http {

class StaticFiles {
  public:
    /// Takes all assets below "web/".
    StaticFiles();

    /// GET and HEAD of "/", "/app.js", "/views/machines.js", ...; 404 for all else.
    [[nodiscard]] Response get(const Request& request) const;

  private:
    struct File {
        Bytes bytes;
        std::string etag;
    };
    std::map<std::string, File, std::less<>> files_; // by path: "/index.html"
};

/// By the ending of `name`; "application/octet-stream" when it is unknown.
[[nodiscard]] std::string_view content_type_of(std::string_view name);
/// A strong ETag of the contents, with its quotes.
[[nodiscard]] std::string etag_of(Bytes bytes);

} // namespace rootstock::http
