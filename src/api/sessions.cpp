// /api/v1/sessions
#include "api/errors.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

Response end(const Api& api, const Request& request) {
    const auto id = parse_number<boot::SessionId>(request.captures.at(0));
    if (!id || !api.parts.disks.end_session(*id)) {
        return not_found("session", request.captures.at(0));
    }
    api.parts.log.info("api.session.ended", {{"session", *id}, {"by", who(request)}});
    Response response;
    response.status = 204;
    return response;
}

} // namespace

void add_sessions(http::Router& router, const SharedApi& api) {
    router.add(Method::get, "/api/v1/sessions", Runs::here, [api](const Request&) {
        return json_response(json::object{{"sessions", api->model.sessions()}});
    });
    router.add(Method::delete_, "/api/v1/sessions/{id}", Runs::here, [api](const Request& request) {
        return end(*api, request);
    });
}

} // namespace rootstock::api
