#include "http/static_files.hpp"

#include "assets/assets.hpp"
#include "core/text.hpp"

#include <array>

namespace rootstock::http {

namespace {

constexpr std::string_view web_folder = "web";

/// The page loads nothing from elsewhere, is framed by nobody, and runs no inline script.
constexpr std::string_view content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
    "'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> content_types = {{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".efi", "application/efi"}, // UEFI 2.5 section 23.7.2: the type of a boot file
    {".json", "application/json"},
}};

} // namespace

std::string_view content_type_of(std::string_view name) {
    for (const auto& [ending, type] : content_types) {
        if (name.ends_with(ending)) {
            return type;
        }
    }
    return "application/octet-stream";
}

std::string etag_of(Bytes bytes) {
    std::uint64_t hash =
        14695981039346656037U; // FNV-1a: to notice another version, not to resist anybody
    for (const std::uint8_t byte : bytes) {
        hash = (hash ^ byte) * 1099511628211U;
    }
    return "\"" + hex(object_bytes(hash)) + "\"";
}

StaticFiles::StaticFiles() {
    for (const assets::Asset& asset : assets::all()) {
        if (asset.name.starts_with(web_folder) &&
            asset.name.substr(web_folder.size()).starts_with('/')) {
            files_.emplace(asset.name.substr(web_folder.size()),
                           File{asset.bytes, etag_of(asset.bytes)});
        }
    }
}

Response StaticFiles::get(const Request& request) const {
    const std::string_view path =
        request.path == "/" ? std::string_view("/index.html") : std::string_view(request.path);
    const auto file = files_.find(path);
    if (file == files_.end()) {
        return error_response(404,
                              "not_found",
                              "there is nothing at " + request.path,
                              "the page is at /, the API at /api/v1/");
    }
    Response response;
    response.headers = {{"Content-Type", std::string(content_type_of(path))},
                        {"Cache-Control", "no-cache"},
                        {"ETag", file->second.etag},
                        {"Content-Security-Policy", std::string(content_security_policy)},
                        {"X-Content-Type-Options", "nosniff"},
                        {"Referrer-Policy", "no-referrer"}};
    response.bytes = file->second.bytes;
    return response;
}

} // namespace rootstock::http
