// /api/v1/images/{name}/update, publish, release, rollback, prune; machines' promote and rebase
#include "api/errors.hpp"
#include "api/limits.hpp"
#include "api/routes.hpp"
#include "images/limits.hpp"

#include <limits>

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;

constexpr std::uint64_t number_max = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t time_max = std::numeric_limits<std::int64_t>::max() / 1000000; // what WallTime holds

/// The keys of a release, and those of the request itself.
std::vector<std::string> with_release_keys(std::vector<std::string> own) {
    for (const char* key : {"machines", "percent", "at", "watch", "minimum_boots", "minimum_share"}) {
        own.emplace_back(key);
    }
    return own;
}

template <class T> Result<void> take(Result<std::optional<T>> given, std::optional<T>& into) {
    if (!given) {
        return given.error();
    }
    into = std::move(*given);
    return {};
}

/// Nothing of it is given: to all, at once, watched.
Result<boot::ReleaseWish> wish_of(const json::object& body) {
    boot::ReleaseWish wish;
    std::optional<std::vector<std::string>> machines;
    std::optional<std::uint64_t> percent, at, minimum_boots, minimum_share;
    std::optional<bool> watch;
    auto read = take(texts_of(body, "machines", images::limits::release_machines), machines);
    read = read ? take(number_of(body, "percent", 1, 100), percent) : read;
    read = read ? take(number_of(body, "at", 0, time_max), at) : read;
    read = read ? take(number_of(body, "minimum_boots", 1, number_max), minimum_boots) : read;
    read = read ? take(number_of(body, "minimum_share", 0, 100), minimum_share) : read;
    read = read ? take(truth_of(body, "watch"), watch) : read;
    if (!read) {
        return read.error();
    }
    if (machines && percent) {
        return make_error(std::errc::invalid_argument,
                          "a release is for \"machines\" or for \"percent\" of them; give one of the two");
    }
    if (machines) {
        wish.audience = images::Audience::machines;
        wish.machines = std::move(*machines);
    } else if (percent && *percent < 100) {
        wish.audience = images::Audience::percent;
        wish.percent = static_cast<std::uint32_t>(*percent);
    }
    if (at) {
        wish.at = wall_from_unix_ms(static_cast<std::int64_t>(*at));
    }
    wish.watch.enabled = watch.value_or(true);
    wish.watch.minimum_boots = static_cast<std::uint32_t>(minimum_boots.value_or(wish.watch.minimum_boots));
    wish.watch.minimum_share = static_cast<std::uint32_t>(minimum_share.value_or(wish.watch.minimum_share));
    return wish;
}

Response begin_update(Api& api, const Request& request) {
    const auto body = read_body(request, {"machine", "discard"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto machine = text_of(*body, "machine");
    const auto discard = truth_of(*body, "discard");
    if (!machine || !discard) {
        return error_answer(machine ? discard.error() : machine.error());
    }
    if (!*machine) {
        return http::error_response(400, "invalid", "\"machine\" must name the machine that writes", R"(example: {"machine": "lab1-07"})");
    }
    const std::string& image = request.captures.at(0);
    const auto begun = api.parts.versions.begin_update(image, **machine, discard->value_or(false), who(request));
    if (!begun) {
        return error_answer(begun.error());
    }
    return json_response(json::object{{"image", image},
                                      {"machine", **machine},
                                      {"version", begun->version},
                                      {"disk_kept", begun->kept},
                                      {"disk_discarded", begun->discarded}});
}

Response cancel_update(Api& api, const Request& request) {
    const auto cancelled = api.parts.versions.cancel_update(request.captures.at(0), who(request));
    return cancelled ? no_content() : error_answer(cancelled.error());
}

/// A publication as a stream of lines, like an import.
Response publication(Api& api,
                     const std::string& image,
                     std::function<Result<boot::Publication>(const images::ProgressCallback&)> make) {
    auto stream = api.imports.start(
        image, [&api, make = std::move(make)](const images::ProgressCallback& progress) -> Result<json::object> {
            const auto made = make(progress);
            if (!made) {
                return made.error();
            }
            return json::object{{"publication", api.model.publication_json(*made)}};
        });
    if (!stream) {
        return error_answer(stream.error());
    }
    Response response = http::text_response(200, "application/x-ndjson", {});
    response.stream = std::move(*stream);
    return response;
}

Response publish(Api& api, const Request& request) {
    const auto body = read_body(request, with_release_keys({"dry_run"}));
    if (!body) {
        return error_answer(body.error());
    }
    const auto wish = wish_of(*body);
    const auto dry_run = truth_of(*body, "dry_run");
    if (!wish || !dry_run) {
        return error_answer(wish ? dry_run.error() : wish.error());
    }
    const std::string& image = request.captures.at(0);
    const auto make = [&api, image, wish = *wish, by = who(request), only_show = dry_run->value_or(false)](
                          const images::ProgressCallback& progress) {
        return only_show ? api.parts.versions.preview(image, wish)
                         : api.parts.versions.publish(image, wish, by, progress);
    };
    return publication(api, image, make);
}

Response promote(Api& api, const Request& request) {
    const auto body = read_body(request, with_release_keys({"name", "snapshot"}));
    if (!body) {
        return error_answer(body.error());
    }
    const auto name = text_of(*body, "name");
    const auto snapshot = text_of(*body, "snapshot");
    const auto wish = wish_of(*body);
    if (!name || !snapshot || !wish) {
        return error_answer(!name ? name.error() : !snapshot ? snapshot.error() : wish.error());
    }
    const std::string& machine = request.captures.at(0);
    const auto view = api.parts.registry.view();
    const fleet::Machine* found = view->find(machine);
    if (found == nullptr) {
        return not_found("machine", machine);
    }
    const std::string image = name->value_or(found->image);
    const auto make = [&api, machine, snapshot = *snapshot, image, wish = *wish, by = who(request)](const images::ProgressCallback& progress) {
        return snapshot ? api.parts.versions.promote_snapshot(machine, *snapshot, image, wish, by, progress)
                        : api.parts.versions.promote(machine, image, wish, by, progress);
    };
    return publication(api, image, make);
}

Response release(const Api& api, const Request& request) {
    const auto body = read_body(request, with_release_keys({"version"}));
    if (!body) {
        return error_answer(body.error());
    }
    const auto version = number_of(*body, "version", 1, number_max);
    const auto wish = wish_of(*body);
    if (!version || !wish) {
        return error_answer(version ? wish.error() : version.error());
    }
    const auto number = *version ? std::optional(static_cast<std::uint32_t>(**version)) : std::nullopt;
    const auto made = api.parts.versions.release(request.captures.at(0), number, *wish, who(request));
    return made ? json_response(api.model.release_json(*made)) : error_answer(made.error());
}

/// The one number of a request's body, which must be there.
Result<std::uint32_t> required_number(const Request& request, const char* key) {
    const auto body = read_body(request, {key});
    if (!body) {
        return body.error();
    }
    const auto number = number_of(*body, key, 1, number_max);
    if (!number) {
        return number.error();
    }
    if (!*number) {
        return make_error(std::errc::invalid_argument,
                          "\"" + std::string(key) + "\" is missing; example: {\"" + key + "\": 3}");
    }
    return static_cast<std::uint32_t>(**number);
}

Response roll_back(Api& api, const Request& request) {
    const auto to = required_number(request, "to");
    if (!to) {
        return error_answer(to.error());
    }
    const std::string& image = request.captures.at(0);
    const auto rolled = api.parts.versions.roll_back(image, *to, who(request));
    return rolled ? json_response(json::object{{"image", image}, {"version", *to}}) : error_answer(rolled.error());
}

Response prune(const Api& api, const Request& request) {
    const auto body = read_body(request, {"keep", "dry_run"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto keep = number_of(*body, "keep", 1, number_max);
    const auto dry_run = truth_of(*body, "dry_run");
    if (!keep || !dry_run) {
        return error_answer(keep ? dry_run.error() : keep.error());
    }
    const auto pruned = api.parts.versions.prune(request.captures.at(0),
                                                 static_cast<std::uint32_t>(keep->value_or(versions_kept)),
                                                 dry_run->value_or(false),
                                                 who(request));
    if (!pruned) {
        return error_answer(pruned.error());
    }
    json::array versions;
    for (const boot::PrunedVersion& version : pruned->versions) {
        versions.push_back(json::object{{"number", version.number},
                                        {"stored_bytes", version.stored_bytes},
                                        {"removed", version.kept_because.empty()},
                                        {"kept_because", version.kept_because}});
    }
    return json_response(json::object{{"versions", std::move(versions)},
                                      {"freed_bytes", pruned->gain.now_bytes},
                                      {"freed_by_merge_bytes", pruned->gain.merged_bytes},
                                      {"dry_run", dry_run->value_or(false)}});
}

Response rebase(const Api& api, const Request& request) {
    const auto body = read_body(request, {"to"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto to = number_of(*body, "to", 1, number_max);
    if (!to) {
        return error_answer(to.error());
    }
    const std::string& machine = request.captures.at(0);
    const auto number = *to ? std::optional(static_cast<std::uint32_t>(**to)) : std::nullopt;
    const auto version = api.parts.versions.rebase(machine, number, who(request));
    return version ? json_response(json::object{{"machine", machine}, {"version", *version}}) : error_answer(version.error());
}

} // namespace

void add_versions(http::Router& router, const SharedApi& api) {
    add_blocking(router, api, Method::post, "/api/v1/images/{name}/update", begin_update);
    add_blocking(router, api, Method::delete_, "/api/v1/images/{name}/update", cancel_update);
    add_blocking(router, api, Method::post, "/api/v1/images/{name}/publish", publish);
    add_blocking(router, api, Method::post, "/api/v1/images/{name}/release", release);
    add_blocking(router, api, Method::post, "/api/v1/images/{name}/rollback", roll_back);
    add_blocking(router, api, Method::post, "/api/v1/images/{name}/prune", prune);
    add_blocking(router, api, Method::post, "/api/v1/machines/{name}/promote", promote);
    add_blocking(router, api, Method::post, "/api/v1/machines/{name}/rebase", rebase);
}

} // namespace rootstock::api
