// Access: who may use the API. The one place that every request passes before its handler
// (http::Router::Gate). Today: no foreign web site may make a browser act here (docs/api.md, "Other
// origins"). Users and roles will be checked here, too. Pure; any thread.
#pragma once

#include "http/message.hpp"

namespace rootstock::api {

struct OwnNames {
    std::string server; // [server] name
    std::string host;   // of this machine, without domain
};

/// A refusal, or nothing: go on.
[[nodiscard]] std::optional<http::Response> authorize(const http::Request& request,
                                                      const OwnNames& names);

/// Is `host` (of the header Host, with or without port) a name under which this server may be
/// addressed?
[[nodiscard]] bool is_own_host(std::string_view host, const OwnNames& names);

} // namespace rootstock::api
