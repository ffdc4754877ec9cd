// /api/v1/volumes
#include "api/errors.hpp"
#include "api/limits.hpp"
#include "api/routes.hpp"
#include "boot/volume_access.hpp"
#include "core/checked.hpp"

#include <algorithm>

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

Response answer(const Api& api, const std::string& name, unsigned status = 200) {
    const auto volumes = api.model.volumes();
    if (!volumes) {
        return error_answer(volumes.error());
    }
    const auto at = std::find_if(volumes->begin(), volumes->end(), [&](const json::value& row) {
        return row.as_object().at("name").as_string() == name;
    });
    return at == volumes->end() ? not_found("volume", name) : json_response(*at, status);
}

Response list(const Api& api) {
    const auto volumes = api.model.volumes();
    return volumes ? json_response(json::object{{"volumes", *volumes}})
                   : error_answer(volumes.error());
}

/// After each change of a volume: who may log in, and who looks at the page.
Result<void> changed(Api& api) {
    auto refreshed = api.parts.disks.refresh_volumes();
    api.hub.volumes_changed();
    return refreshed;
}

/// The list, when there is one: what could never match is a slip.
Result<std::optional<std::vector<std::string>>> initiators_of(const json::object& body) {
    auto entries = texts_of(body, "initiators", volume_initiators_max);
    if (!entries || !*entries) {
        return entries;
    }
    for (const std::string& entry : **entries) {
        if (!boot::is_valid_initiator_entry(entry)) {
            return make_error(std::errc::invalid_argument,
                              "\"" + entry +
                                  "\" is no initiator: expected a machine's name, an initiator name, an "
                                  "address like 10.20.0.7 or 10.20.0.0/16, a MAC, or *");
        }
    }
    return entries;
}

Result<images::VolumeOptions> options_of(const json::object& body) {
    const auto chap = chap_of(body, "chap");
    const auto mutual_chap = chap_of(body, "mutual_chap");
    if (!chap || !mutual_chap) {
        return chap ? mutual_chap.error() : chap.error();
    }
    const auto read_only = truth_of(body, "read_only");
    const auto in_memory = truth_of(body, "volatile");
    if (!read_only || !in_memory) {
        return read_only ? in_memory.error() : read_only.error();
    }
    const auto block_size = size_of(body, "block_size");
    if (!block_size) {
        return block_size.error();
    }
    const auto iso = text_of(body, "iso");
    if (!iso) {
        return iso.error();
    }
    if (*iso && (body.contains("size") || body.contains("block_size") || in_memory->value_or(false) ||
                 !read_only->value_or(true))) {
        return make_error(std::errc::invalid_argument,
                          "a volume with iso is a CD-ROM: it takes no size, block_size or volatile, "
                          "and nobody can write to it");
    }
    images::VolumeOptions options = *iso ? images::cdrom_options(**iso) : images::VolumeOptions{};
    options.chap = chap->value_or(options.chap);
    options.mutual_chap = mutual_chap->value_or(options.mutual_chap);
    if (*iso) {
        return options;
    }
    options.read_only = read_only->value_or(false);
    options.kind = in_memory->value_or(false) ? images::VolumeKind::memory_only : options.kind;
    options.block_size =
        narrow<std::uint32_t>(block_size->value_or(options.block_size)).value_or(0); // 0 is refused
    return options;
}

/// Empty: null was given, it is here again.
Result<std::optional<std::string>> moved_to_of(const json::object& body) {
    if (const json::value* member = body.if_contains("moved_to"); member != nullptr && member->is_null()) {
        return std::optional<std::string>("");
    }
    const auto text = text_of(body, "moved_to");
    if (!text || !*text) {
        return text;
    }
    const auto portal = images::full_portal(**text);
    if (!portal) {
        return make_error(std::errc::invalid_argument,
                          "moved_to: \"" + **text +
                              "\" is no address of a server: expected one like 10.20.0.2:3260 or [fd00::2]:3260");
    }
    return portal;
}

Result<images::VolumeChange> change_of(const json::object& body) {
    auto initiators = initiators_of(body);
    auto chap = chap_of(body, "chap");
    auto mutual_chap = chap_of(body, "mutual_chap");
    if (!initiators) {
        return initiators.error();
    }
    if (!chap || !mutual_chap) {
        return chap ? mutual_chap.error() : chap.error();
    }
    const auto read_only = truth_of(body, "read_only");
    if (!read_only) {
        return read_only.error();
    }
    auto iso = text_of(body, "iso");
    if (!iso) {
        return iso.error();
    }
    auto moved_to = moved_to_of(body);
    if (!moved_to) {
        return moved_to.error();
    }
    return images::VolumeChange{std::move(*initiators),
                                std::move(*chap),
                                std::move(*mutual_chap),
                                *read_only,
                                std::move(*iso),
                                std::move(*moved_to)};
}

Response create(Api& api, const Request& request) {
    const auto body = read_body(request,
                                {"name",
                                 "size",
                                 "initiators",
                                 "chap",
                                 "mutual_chap",
                                 "read_only",
                                 "volatile",
                                 "block_size",
                                 "iso"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto name = text_of(*body, "name");
    const auto size = size_of(*body, "size");
    auto initiators = initiators_of(*body);
    if (!size) {
        return error_answer(size.error());
    }
    if (!initiators) {
        return error_answer(initiators.error());
    }
    const auto options = options_of(*body);
    if (!options) {
        return error_answer(options.error());
    }
    const bool is_cdrom = options->kind == images::VolumeKind::cdrom;
    if (!name || !*name || (!*size && !is_cdrom) || !fleet::is_valid_store_name(**name)) {
        return http::error_response(
            400,
            "invalid",
            "a volume needs a name (small letters, digits, dots, hyphens, underscores) and a size, "
            "or an ISO image",
            R"(example: {"name": "data", "size": "10G", "initiators": ["*"]})");
    }
    const auto made = api.parts.store.create_volume(
        **name, size->value_or(0), initiators->value_or(std::vector<std::string>()), *options);
    if (!made) {
        return error_answer(made.error());
    }
    if (const auto refreshed = changed(api); !refreshed) {
        return error_answer(refreshed.error());
    }
    api.parts.log.info("api.volume.created",
                       {{"volume", **name}, {"size", made->size_bytes}, {"by", who(request)}});
    return answer(api, **name, 201);
}

Response change(Api& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    const auto body = read_body(
        request, {"initiators", "chap", "mutual_chap", "read_only", "size", "iso", "moved_to"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto wanted = change_of(*body);
    if (!wanted) {
        return error_answer(wanted.error());
    }
    const auto size = size_of(*body, "size");
    if (!size) {
        return error_answer(size.error());
    }
    if (body->empty()) {
        return http::error_response(
            400, "invalid", "nothing to change", R"(example: {"initiators": ["lab1-07"]})");
    }
    if (const Response found = answer(api, name); found.status != 200) {
        return found;
    }
    auto done = api.parts.store.change_volume(name, *wanted);
    if (done && *size) {
        done = api.parts.store.grow_volume(name, **size);
    }
    if (!done) {
        return error_answer(done.error());
    }
    if (const auto refreshed = changed(api); !refreshed) {
        return error_answer(refreshed.error());
    }
    api.parts.log.info("api.volume.changed", {{"volume", name}, {"by", who(request)}});
    return answer(api, name);
}

Response remove(Api& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    if (const Response found = answer(api, name); found.status != 200) {
        return found;
    }
    if (const auto released = api.parts.disks.release_volume(name); !released) {
        return error_answer(released.error());
    }
    if (const auto removed = api.parts.store.remove_volume(name); !removed) {
        return error_answer(removed.error());
    }
    if (const auto refreshed = changed(api); !refreshed) {
        return error_answer(refreshed.error());
    }
    api.parts.log.info("api.volume.removed", {{"volume", name}, {"by", who(request)}});
    return no_content();
}

} // namespace

void add_volumes(http::Router& router, const SharedApi& api) {
    router.add(Method::get, "/api/v1/volumes", Runs::in_offload, [api](const Request&) {
        return list(*api);
    });
    router.add(Method::get,
               "/api/v1/volumes/{name}",
               Runs::in_offload,
               [api](const Request& request) { return answer(*api, request.captures.at(0)); });
    router.add(Method::post, "/api/v1/volumes", Runs::in_offload, [api](const Request& request) {
        return create(*api, request);
    });
    router.add(Method::patch,
               "/api/v1/volumes/{name}",
               Runs::in_offload,
               [api](const Request& request) { return change(*api, request); });
    router.add(Method::delete_,
               "/api/v1/volumes/{name}",
               Runs::in_offload,
               [api](const Request& request) { return remove(*api, request); });
}

} // namespace rootstock::api
