// /api/v1/images
#include "api/errors.hpp"
#include "api/routes.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

Response list(const Api& api) {
    const auto images = api.model.images();
    return images ? json_response(json::object{{"images", *images}}) : error_answer(images.error());
}

Response get(const Api& api, const std::string& name) {
    const auto images = api.parts.store.images();
    if (!images) {
        return error_answer(images.error());
    }
    const auto at = std::find_if(images->begin(), images->end(), [&](const auto& image) {
        return image.version.image == name;
    });
    return at == images->end() ? not_found("image", name)
                               : json_response(api.model.image_json(*at));
}

bool is_sha256(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
}

/// 0: the current one.
Result<std::uint32_t> version_of(const json::object& body) {
    const json::value* given = body.if_contains("version");
    if (given == nullptr || given->is_null()) {
        return 0U;
    }
    boost::system::error_code wrong;
    const auto number = given->to_number<std::uint32_t>(wrong);
    if (wrong || number == 0) {
        return make_error(std::errc::invalid_argument, "\"version\" must be a number from 1 on; example: 2");
    }
    return number;
}

Response import(Api& api, const Request& request) {
    const auto body = read_body(request, {"name", "source", "sha256", "ca"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto name = text_of(*body, "name");
    const auto source = text_of(*body, "source");
    const auto sha256 = text_of(*body, "sha256");
    if (!sha256 || (*sha256 && !is_sha256(**sha256))) {
        return http::error_response(400,
                                    "invalid",
                                    "\"sha256\" must be a digest of 64 hexadecimal digits",
                                    "sha256sum FILE prints it");
    }
    const auto ca_file = text_of(*body, "ca");
    if (!ca_file) {
        return error_answer(ca_file.error());
    }
    if (!name || !source || !*name || !*source) {
        return http::error_response(400,
                                    "invalid",
                                    "an import needs name and source",
                                    R"(example: {"name": "win11", "source": "/srv/win11.img"})");
    }
    auto stream = api.imports.start({**source, sha256->value_or(""), ca_file->value_or("")}, **name);
    if (!stream) {
        return error_answer(stream.error());
    }
    Response response = http::text_response(200, "application/x-ndjson", {});
    response.stream = std::move(*stream);
    return response;
}

Response verify(const SharedApi& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    const auto body = read_body(request, {"version"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto version = version_of(*body);
    if (!version) {
        return error_answer(version.error());
    }
    if (const Response found = get(*api, name); found.status != 200) {
        return found;
    }
    Response response = http::text_response(200, "application/x-ndjson", {});
    response.stream = std::make_shared<ProgressStream>([api, name, number = *version](
                                                           const ProgressStream::Tell& tell) {
        const auto files = api->parts.store.verify_version(
            name, number, [&](std::uint64_t done, std::uint64_t total) {
                return tell({{"done_bytes", done}, {"total_bytes", total}, {"stored_bytes", 0}});
            });
        if (!files) {
            return error_line(files.error());
        }
        json::array all;
        for (const images::ContentState& state : *files) {
            all.push_back(Model::content_json({state.file, state, false, 0}));
        }
        return json::serialize(json::object{{"files", std::move(all)}}) + "\n";
    });
    return response;
}

/// Machines that are to boot from it need it as much as overlays do.
std::optional<std::string> machine_with_image(const fleet::FleetView& view,
                                              const std::string& image) {
    const auto& machines = view.machines();
    const auto at =
        std::find_if(machines.begin(), machines.end(), [&](const fleet::Machine& machine) {
            return machine.image == image;
        });
    return at == machines.end() ? std::nullopt : std::optional(at->name);
}

Response remove(Api& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    if (const auto machine = machine_with_image(*api.parts.registry.view(), name)) {
        return http::error_response(
            409,
            "conflict",
            "image " + name + " is needed by machine " + *machine,
            "remove the machines that boot from it, or give them another image, first");
    }
    if (const Response found = get(api, name); found.status != 200) {
        return found;
    }
    if (const auto removed = api.parts.store.remove_image(name); !removed) {
        return error_answer(removed.error());
    }
    api.parts.log.info("api.image.removed", {{"image", name}, {"by", who(request)}});
    api.hub.images_changed();
    return no_content();
}

} // namespace

void add_images(http::Router& router, const SharedApi& api) {
    router.add(Method::get, "/api/v1/images", Runs::in_offload, [api](const Request&) {
        return list(*api);
    });
    router.add(Method::get,
               "/api/v1/images/{name}",
               Runs::in_offload,
               [api](const Request& request) { return get(*api, request.captures.at(0)); });
    router.add(Method::post, "/api/v1/images", Runs::in_offload, [api](const Request& request) {
        return import(*api, request);
    });
    router.add(Method::post,
               "/api/v1/images/{name}/verify",
               Runs::in_offload,
               [api](const Request& request) { return verify(api, request); });
    router.add(Method::delete_,
               "/api/v1/images/{name}",
               Runs::in_offload,
               [api](const Request& request) { return remove(*api, request); });
}

} // namespace rootstock::api
