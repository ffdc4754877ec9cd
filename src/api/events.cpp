// /api/v1/events: server-sent events.
#include "api/routes.hpp"

namespace rootstock::api {

namespace {

http::Response open(Api& api) {
    http::Response response = http::text_response(200, "text/event-stream", {});
    response.stream = api.hub.open();
    if (!response.stream) {
        return http::error_response(
            429, "too_many", "too many event streams are open", "close some pages of this server");
    }
    return response;
}

} // namespace

void add_events(http::Router& router, const SharedApi& api) {
    router.add(http::Method::get, "/api/v1/events", http::Runs::here, [api](const http::Request&) {
        return open(*api);
    });
}

} // namespace rootstock::api
