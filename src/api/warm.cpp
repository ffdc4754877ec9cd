// /api/v1/images/{name}/warm
#include "api/errors.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"

#include <boost/json/serialize.hpp>

#include <limits>

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

constexpr std::uint64_t number_max = std::numeric_limits<std::uint32_t>::max();

Response warm(const SharedApi& api, const Request& request) {
    const auto body = read_body(request, {"version"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto version = number_of(*body, "version", 1, number_max);
    if (!version) {
        return error_answer(version.error());
    }
    api->parts.log.info("api.image.warmed", {{"image", request.captures.at(0)}, {"by", who(request)}});
    Response response = http::text_response(200, "application/x-ndjson", {});
    response.stream = std::make_shared<ProgressStream>(
        [api, name = request.captures.at(0), number = static_cast<std::uint32_t>(version->value_or(0))](const ProgressStream::Tell& tell) {
            const auto state = api->parts.store.warm(name, number, [&](std::uint64_t done, std::uint64_t total) {
                return tell({{"done_bytes", done}, {"total_bytes", total}, {"stored_bytes", done}});
            });
            return state ? json::serialize(json::object{{"warm", Model::warm_json(*state)}}) + "\n" : error_line(state.error());
        });
    return response;
}

Response cool(Api& api, const Request& request) {
    const std::string_view given = request.query_value("version");
    const auto version = given.empty() ? std::optional(0U) : parse_number<std::uint32_t>(given);
    if (!version) {
        return http::error_response(400, "invalid", "\"version\" must be a number from 1 on", "example: ?version=2");
    }
    const std::string& name = request.captures.at(0);
    if (const auto uses = api.parts.store.version_uses(name); !uses) {
        return error_answer(uses.error());
    }
    const auto cooled = api.parts.store.cool(name, *version);
    return cooled ? no_content() : error_answer(cooled.error());
}

} // namespace

void add_warming(http::Router& router, const SharedApi& api) {
    router.add(Method::post, "/api/v1/images/{name}/warm", Runs::in_offload, [api](const Request& request) { return warm(api, request); });
    router.add(Method::delete_, "/api/v1/images/{name}/warm", Runs::in_offload, [api](const Request& request) { return cool(*api, request); });
}

} // namespace rootstock::api
