// /api/v1/unknown
#include "api/errors.hpp"
#include "api/routes.hpp"

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

Response get(const Api& api, const Request& request) {
    const auto mac = parse_mac(request.captures.at(0));
    if (!mac) {
        return error_answer(mac.error());
    }
    const auto unknown = api.model.unknown(*mac);
    return unknown ? json_response(*unknown) : not_found("unknown machine", mac->text());
}

Response forget(const Api& api, const Request& request) {
    const auto mac = parse_mac(request.captures.at(0));
    if (!mac) {
        return error_answer(mac.error());
    }
    if (!api.model.unknown(*mac)) {
        return not_found("unknown machine", mac->text());
    }
    if (const auto forgotten = api.parts.registry.forget_unknown(*mac); !forgotten) {
        return error_answer(forgotten.error());
    }
    Response response;
    response.status = 204;
    return response;
}

} // namespace

void add_unknown(http::Router& router, const SharedApi& api) {
    router.add(Method::get, "/api/v1/unknown", Runs::here, [api](const Request&) {
        return json_response(json::object{{"unknown", api->model.unknown()}});
    });
    router.add(Method::get, "/api/v1/unknown/{mac}", Runs::here, [api](const Request& request) {
        return get(*api, request);
    });
    router.add(Method::delete_,
               "/api/v1/unknown/{mac}",
               Runs::in_offload,
               [api](const Request& request) { return forget(*api, request); });
}

} // namespace rootstock::api
