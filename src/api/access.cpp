#include "api/access.hpp"

#include "core/ipv4.hpp"
#include "core/text.hpp"

namespace rootstock::api {

namespace {

http::Response forbidden(std::string_view message, std::string_view remedy) {
    return http::error_response(403, "forbidden", message, remedy);
}

bool is_change(http::Method method) {
    return method == http::Method::post || method == http::Method::put ||
           method == http::Method::patch || method == http::Method::delete_;
}

bool is_json(std::string_view content_type) {
    return equals_ignoring_case(trim(content_type.substr(0, content_type.find(';'))),
                                "application/json");
}

} // namespace

bool is_own_host(std::string_view host, const OwnNames& names) {
    if (host.starts_with('[')) {
        return true; // an IPv6 address: no name, so no foreign DNS
    }
    const std::string name = to_lower(host.substr(0, host.find(':')));
    if (name.find('.') == std::string::npos || Ipv4::parse(name)) {
        return true;
    }
    return name == to_lower(names.server) ||
           (!names.host.empty() && name.starts_with(to_lower(names.host) + "."));
}

std::optional<http::Response> authorize(const http::Request& request, const OwnNames& names) {
    if (request.local || !request.path.starts_with("/api/")) {
        return std::nullopt; // the socket's file mode says who; scripts, loaders and the page are
                             // for everybody
    }
    const std::string_view host = request.header("host");
    if (!is_own_host(host, names)) {
        return forbidden("this server is not called " + std::string(host),
                         "use its address, or its own host name");
    }
    const std::string_view origin = request.header("origin");
    if (request.header("sec-fetch-site") == "cross-site" ||
        (!origin.empty() && origin != "http://" + std::string(host))) {
        return forbidden("requests from other web sites are refused",
                         "open the page of this server itself");
    }
    if (is_change(request.method) && request.method != http::Method::delete_ &&
        !is_json(request.header("content-type"))) {
        return http::error_response(415,
                                    "unsupported_media_type",
                                    "a change must say Content-Type: application/json",
                                    "add that header");
    }
    return std::nullopt;
}

} // namespace rootstock::api
