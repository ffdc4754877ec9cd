// /api/v1/boots
#include "api/errors.hpp"
#include "api/limits.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

constexpr std::size_t boots_listed_default = 50;

Response list(const Api& api, const Request& request) {
    std::optional<fleet::MachineId> machine;
    if (const std::string_view name = request.query_value("machine"); !name.empty()) {
        const auto view = api.parts.registry.view();
        const fleet::Machine* found = view->find(name);
        if (found == nullptr) {
            return not_found("machine", name);
        }
        machine = found->id;
    }
    const std::string_view limit = request.query_value("limit");
    const auto most =
        limit.empty() ? std::optional(boots_listed_default) : parse_number<std::size_t>(limit);
    if (!most || *most == 0 || *most > boots_listed_max) {
        return http::error_response(400,
                                    "invalid",
                                    "\"limit\" must be a number from 1 to " +
                                        std::to_string(boots_listed_max));
    }
    return json_response(json::object{{"boots", api.model.boots(machine, *most)}});
}

Response get(const Api& api, const Request& request) {
    const auto id = parse_number<fleet::BootId>(request.captures.at(0));
    const auto boot = id ? api.model.boot(*id) : std::nullopt;
    return boot ? json_response(*boot) : not_found("boot", request.captures.at(0));
}

} // namespace

void add_boots(http::Router& router, const SharedApi& api) {
    router.add(Method::get, "/api/v1/boots", Runs::here, [api](const Request& request) {
        return list(*api, request);
    });
    router.add(Method::get, "/api/v1/boots/{id}", Runs::here, [api](const Request& request) {
        return get(*api, request);
    });
}

} // namespace rootstock::api
