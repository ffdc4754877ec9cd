// The whole of HTTP as one router: scripts and loaders for the PCs, the API, the web page.
#pragma once

#include "api/parts.hpp"
#include "http/router.hpp"

namespace rootstock::api {

[[nodiscard]] http::Router make_router(const Parts& parts);

} // namespace rootstock::api
