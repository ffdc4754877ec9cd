// /api/v1/machines
#include "api/errors.hpp"
#include "api/machine_export.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"
#include "fleet/limits.hpp"

#include <algorithm>

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using http::Runs;

Response machine_answer(const Api& api, const std::string& name, unsigned status = 200) {
    const auto machine = api.model.machine(name);
    return machine ? json_response(*machine, status) : not_found("machine", name);
}

Result<fleet::Mode> parse_mode(const std::string& text) {
    const auto mode = fleet::parse_mode(text);
    if (!mode) {
        return make_error(std::errc::invalid_argument,
                          "\"mode\" must be \"persistent\" or \"reset\"");
    }
    return *mode;
}

Result<std::vector<Mac>> parse_macs(const std::vector<std::string>& texts) {
    std::vector<Mac> macs;
    for (const std::string& text : texts) {
        const auto mac = parse_mac(text);
        if (!mac) {
            return mac.error();
        }
        macs.push_back(*mac);
    }
    return macs;
}

/// A group that is only misspelt would be one without a limit.
Result<void> check_group(const Api& api, const std::optional<std::string>& group) {
    std::vector<std::string> names;
    for (const images::SpaceUse& known : api.parts.store.space().report().groups) {
        names.push_back(known.name);
    }
    if (!group || group->empty() || std::find(names.begin(), names.end(), *group) != names.end()) {
        return {};
    }
    return make_error(std::errc::invalid_argument,
                      "there is no group \"" + *group + "\"; " +
                          (names.empty() ? "the configuration file names them under [[group]]"
                                         : "there are: " + join(names, ", ")));
}

/// The fields that POST and PATCH share.
Result<fleet::MachineChange> parse_change(const json::object& body) {
    fleet::MachineChange change;
    auto macs = texts_of(body, "macs", fleet::macs_per_machine_max);
    const auto one_mac = text_of(body, "mac");
    const auto image = text_of(body, "image");
    const auto mode = text_of(body, "mode");
    const auto address = address_of(body, "address");
    const auto quota = quota_of(body, "quota");
    const auto group = text_or_null_of(body, "group");
    if (!macs || !one_mac) {
        return macs ? one_mac.error() : macs.error();
    }
    if (!image || !mode) {
        return image ? mode.error() : image.error();
    }
    if (!address) {
        return address.error();
    }
    if (!quota || !group) {
        return quota ? group.error() : quota.error();
    }
    if (*one_mac) {
        *macs = std::vector<std::string>{**one_mac};
    }
    if (*macs) {
        auto parsed = parse_macs(**macs);
        if (!parsed) {
            return parsed.error();
        }
        change.macs = std::move(*parsed);
    }
    if (*mode) {
        const auto parsed = parse_mode(**mode);
        if (!parsed) {
            return parsed.error();
        }
        change.mode = *parsed;
    }
    change.image = *image;
    change.address = *address;
    change.quota_bytes = *quota;
    change.group = *group;
    return change;
}

Response assign(const Api& api, const Request& request) {
    const auto body = read_body(request, {"name", "mac", "macs", "image", "mode", "address", "quota", "group"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto name = text_of(*body, "name");
    const auto given = parse_change(*body);
    if (!name || !given) {
        return error_answer(name ? given.error() : name.error());
    }
    if (!*name || !given->macs || !given->image) {
        return http::error_response(
            400,
            "invalid",
            "a machine needs name, macs and image",
            R"(example: {"name": "lab1-07", "macs": ["52:54:00:aa:00:07"], "image": "win11"})");
    }
    if (const auto known = check_group(api, given->group); !known) {
        return error_answer(known.error());
    }
    const fleet::NewMachine machine{**name,
                                    *given->macs,
                                    *given->image,
                                    given->mode.value_or(fleet::Mode::persistent),
                                    given->address.value_or(std::nullopt),
                                    given->quota_bytes.value_or(std::nullopt),
                                    given->group.value_or("")};
    const auto assigned = api.parts.registry.assign(machine, who(request));
    if (!assigned) {
        return error_answer(assigned.error());
    }
    api.parts.log.info("api.machine.assigned",
                       {{"machine", assigned->name},
                        {"mac", assigned->macs.front().text()},
                        {"image", assigned->image},
                        {"by", who(request)}});
    return machine_answer(api, assigned->name, 201);
}

Response change(const Api& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    const auto body = read_body(request, {"mac", "macs", "image", "mode", "address", "quota", "group"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto given = parse_change(*body);
    if (!given) {
        return error_answer(given.error());
    }
    if (const auto known = check_group(api, given->group); !known) {
        return error_answer(known.error());
    }
    if (const auto changed = api.parts.registry.change(name, *given, who(request)); !changed) {
        return error_answer(changed.error());
    }
    api.parts.log.info("api.machine.changed", {{"machine", name}, {"by", who(request)}});
    return machine_answer(api, name);
}

Response replace(const Api& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    const auto body = read_body(request, {"with"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto with = text_of(*body, "with");
    if (!with || !*with) {
        return http::error_response(
            400,
            "invalid",
            "\"with\" must be the hardware address of the PC that takes the place",
            R"(example: {"with": "52:54:00:bb:00:07"})");
    }
    const auto mac = parse_mac(**with);
    if (!mac) {
        return error_answer(mac.error());
    }
    const auto replaced = api.parts.registry.replace(name, *mac, who(request));
    if (!replaced) {
        return error_answer(replaced.error());
    }
    api.parts.log.info("api.machine.replaced",
                       {{"machine", name},
                        {"with", mac->text()},
                        {"generation", replaced->generation},
                        {"by", who(request)}});
    return machine_answer(api, name);
}

Response reset(const Api& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    if (const auto body = read_body(request, {}); !body) {
        return error_answer(body.error());
    }
    if (api.parts.registry.view()->find(name) == nullptr) {
        return not_found("machine", name);
    }
    if (const auto discarded = api.parts.disks.discard_machine_disk(name); !discarded) {
        return error_answer(discarded.error());
    }
    api.parts.log.info("api.machine.reset", {{"machine", name}, {"by", who(request)}});
    return machine_answer(api, name);
}

Response lend_disk(const Api& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    if (const auto body = read_body(request, {}); !body) {
        return error_answer(body.error());
    }
    if (api.parts.registry.view()->find(name) == nullptr) {
        return not_found("machine", name);
    }
    auto stream = lend_machine_disk(api.parts, name);
    if (!stream) {
        return error_answer(stream.error());
    }
    api.parts.log.info("api.machine.disk_lent", {{"machine", name}, {"by", who(request)}});
    Response response = http::text_response(200, "application/x-ndjson", {});
    response.stream = std::move(*stream);
    return response;
}

Response remove(const Api& api, const Request& request) {
    const std::string& name = request.captures.at(0);
    const bool keep_disk = request.query_value("keep_disk") == "true";
    if (const auto removed = api.parts.registry.remove(name, who(request)); !removed) {
        return error_answer(removed.error());
    }
    api.parts.log.info("api.machine.removed",
                       {{"machine", name}, {"disk_kept", keep_disk}, {"by", who(request)}});
    if (!keep_disk) {
        if (const auto discarded = api.parts.disks.discard_machine_disk(name); !discarded) {
            return error_answer(discarded.error());
        }
    }
    Response response;
    response.status = 204;
    return response;
}

} // namespace

void add_machines(http::Router& router, const SharedApi& api) {
    router.add(Method::get, "/api/v1/machines", Runs::here, [api](const Request&) {
        return json_response(json::object{{"machines", api->model.machines()}});
    });
    router.add(Method::get, "/api/v1/machines/{name}", Runs::here, [api](const Request& request) {
        return machine_answer(*api, request.captures.at(0));
    });
    router.add(Method::post, "/api/v1/machines", Runs::in_offload, [api](const Request& request) {
        return assign(*api, request);
    });
    router.add(Method::patch,
               "/api/v1/machines/{name}",
               Runs::in_offload,
               [api](const Request& request) { return change(*api, request); });
    router.add(Method::delete_,
               "/api/v1/machines/{name}",
               Runs::in_offload,
               [api](const Request& request) { return remove(*api, request); });
    router.add(Method::post,
               "/api/v1/machines/{name}/replace",
               Runs::in_offload,
               [api](const Request& request) { return replace(*api, request); });
    router.add(Method::post,
               "/api/v1/machines/{name}/reset",
               Runs::in_offload,
               [api](const Request& request) { return reset(*api, request); });
    router.add(Method::post,
               "/api/v1/machines/{name}/export",
               Runs::in_offload,
               [api](const Request& request) { return lend_disk(*api, request); });
}

} // namespace rootstock::api
