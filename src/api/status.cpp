// /api/v1/version, status, leases, log, plan, apply
#include "api/errors.hpp"
#include "api/limits.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

constexpr int api_version = 1;
constexpr std::size_t log_listed_default = 200;

Response leases(const Api& api) {
    const auto rows = api.model.leases();
    return rows ? json_response(json::object{{"leases", *rows}}) : error_answer(rows.error());
}

Response log(const Api& api, const Request& request) {
    const std::string_view limit = request.query_value("limit");
    const auto most =
        limit.empty() ? std::optional(log_listed_default) : parse_number<std::size_t>(limit);
    if (!most || *most == 0 || *most > log_events_max) {
        return http::error_response(400,
                                    "invalid",
                                    "\"limit\" must be a number from 1 to " +
                                        std::to_string(log_events_max));
    }
    json::array rows;
    for (const LogEvent& event : api.parts.log.latest(*most)) {
        rows.push_back(Model::log_json(event));
    }
    return json_response(json::object{{"log", std::move(rows)}});
}

Response plan_failure(const PlanFailure& failure) {
    if (failure.problems.empty()) {
        return error_answer(failure.error);
    }
    json::array problems;
    for (const std::string& problem : failure.problems) {
        problems.emplace_back(problem);
    }
    return json_response(
        json::object{{"error",
                      json::object{{"code", "invalid_config"},
                                   {"message", "the configuration file has errors"},
                                   {"remedy", "mend it and try again; nothing was changed"},
                                   {"problems", std::move(problems)}}}},
        422);
}

Response plan(const Api& api, const Request& request, bool apply) {
    if (const auto body = read_body(request, {}); !body) {
        return error_answer(body.error());
    }
    const auto plan = api.parts.plan(apply);
    if (!plan) {
        return plan_failure(plan.error());
    }
    json::array changes;
    for (const PlanChange& change : plan->changes) {
        changes.push_back(json::object{{"action", change.action},
                                       {"object", change.object},
                                       {"field", change.field},
                                       {"from", change.from},
                                       {"to", change.to},
                                       {"text", change.text}});
    }
    json::array notes;
    for (const std::string& note : plan->notes) {
        notes.emplace_back(note);
    }
    return json_response(json::object{{"file", api.parts.facts.config_file},
                                      {"applied", apply},
                                      {"changes", std::move(changes)},
                                      {"notes", std::move(notes)}});
}

} // namespace

void add_status(http::Router& router, const SharedApi& api) {
    router.add(Method::get, "/api/v1/version", Runs::here, [](const Request&) {
        return json_response(
            json::object{{"name", "rootstock"}, {"version", version()}, {"api", api_version}});
    });
    router.add(Method::get, "/api/v1/status", Runs::in_offload, [api](const Request&) {
        return json_response(api->model.status());
    });
    router.add(Method::get, "/api/v1/leases", Runs::in_offload, [api](const Request&) {
        return leases(*api);
    });
    router.add(Method::get, "/api/v1/log", Runs::here, [api](const Request& request) {
        return log(*api, request);
    });
    router.add(Method::post, "/api/v1/plan", Runs::in_offload, [api](const Request& request) {
        return plan(*api, request, false);
    });
    router.add(Method::post, "/api/v1/apply", Runs::in_offload, [api](const Request& request) {
        return plan(*api, request, true);
    });
}

} // namespace rootstock::api
