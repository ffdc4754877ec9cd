#include "api/router.hpp"

#include "api/access.hpp"
#include "api/routes.hpp"
#include "http/static_files.hpp"

namespace rootstock::api {

std::string who(const http::Request& request) {
    return request.local ? "command line" : "web " + request.remote_address;
}

http::Router make_router(const Parts& parts) {
    const auto api = std::make_shared<Api>(parts);
    http::Router router;
    router.gate([names = OwnNames{parts.facts.name, parts.facts.host_name}](
                    const http::Request& request) { return authorize(request, names); });
    add_boot_routes(router, api);
    add_status(router, api);
    add_machines(router, api);
    add_unknown(router, api);
    add_images(router, api);
    add_warming(router, api);
    add_versions(router, api);
    add_store(router, api);
    add_volumes(router, api);
    add_snapshots(router, api);
    add_sessions(router, api);
    add_boots(router, api);
    add_events(router, api);
    router.otherwise([files = std::make_shared<http::StaticFiles>()](const http::Request& request) {
        return files->get(request);
    });
    return router;
}

} // namespace rootstock::api
