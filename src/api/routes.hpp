// The API's resources, one file each (machines.cpp, images.cpp, ...): each adds its routes
// (docs/api.md).
#pragma once

#include "api/event_hub.hpp"
#include "api/imports.hpp"
#include "api/model.hpp"
#include "api/progress_stream.hpp"
#include "http/router.hpp"

namespace rootstock::api {

/// What the handlers share. Lives as long as any of them.
struct Api {
    explicit Api(const Parts& given)
        : parts(given), model(parts), hub(parts, model), imports(parts, hub) {}

    const Parts parts;
    const Model model;
    EventHub hub;
    Imports imports;
};
using SharedApi = std::shared_ptr<Api>;

void add_boot_routes(http::Router& router, const SharedApi& api); // /boot.ipxe, /loaders/
void add_status(http::Router& router,
                const SharedApi& api); // version, status, leases, log, plan, apply
void add_machines(http::Router& router, const SharedApi& api);
void add_unknown(http::Router& router, const SharedApi& api);
void add_images(http::Router& router, const SharedApi& api);
void add_versions(http::Router& router, const SharedApi& api); // of images
void add_warming(http::Router& router, const SharedApi& api);  // of images
void add_snapshots(http::Router& router, const SharedApi& api);
void add_store(http::Router& router, const SharedApi& api);
void add_volumes(http::Router& router, const SharedApi& api);
void add_sessions(http::Router& router, const SharedApi& api);
void add_boots(http::Router& router, const SharedApi& api);
void add_events(http::Router& router, const SharedApi& api);

/// Adds a route whose `handler`, given the Api and the request, may block.
template <class Handler>
void add_blocking(http::Router& router, const SharedApi& api, http::Method method, const char* path, Handler handler) {
    router.add(method, path, http::Runs::in_offload, [api, handler](const http::Request& request) { return handler(*api, request); });
}

/// Who asks, for the audit trail: "command line" or "web 10.20.0.9".
[[nodiscard]] std::string who(const http::Request& request);

} // namespace rootstock::api
