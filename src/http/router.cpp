#include "http/router.hpp"

#include "core/text.hpp"

namespace rootstock::http {

namespace {

constexpr std::string_view method_name(Method method) {
    switch (method) {
    case Method::get:
        return "GET, HEAD";
    case Method::head:
        return "HEAD";
    case Method::post:
        return "POST";
    case Method::put:
        return "PUT";
    case Method::patch:
        return "PATCH";
    case Method::delete_:
        return "DELETE";
    case Method::other:
        return "";
    }
    return "";
}

} // namespace

Router& Router::add(Method method, std::string_view pattern, Runs runs, Handler handler) {
    Route route{method, {}, runs, std::move(handler)};
    for (const std::string_view segment : split(pattern.substr(1), '/')) {
        route.segments.emplace_back(segment);
    }
    routes_.push_back(std::move(route));
    return *this;
}

Router& Router::otherwise(Handler handler) {
    otherwise_ = std::move(handler);
    return *this;
}

Router& Router::gate(Gate gate) {
    gate_ = std::move(gate);
    return *this;
}

std::optional<std::vector<std::string>> Router::captures_of(const Route& route,
                                                            std::string_view path) {
    const auto segments = split(path.substr(1), '/');
    if (segments.size() != route.segments.size()) {
        return std::nullopt;
    }
    std::vector<std::string> captures;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        if (route.segments[i].starts_with('{')) {
            if (segments[i].empty()) {
                return std::nullopt;
            }
            captures.emplace_back(segments[i]);
        } else if (route.segments[i] != segments[i]) {
            return std::nullopt;
        }
    }
    return captures;
}

Router::Match Router::match(const Request& request) const {
    Match match;
    if (gate_) {
        if (auto refused = gate_(request)) {
            match.refusal = std::move(*refused);
            return match;
        }
    }
    const Method wanted = request.method == Method::head ? Method::get : request.method;
    std::string allowed;
    for (const Route& route : routes_) {
        auto captures = captures_of(route, request.path);
        if (!captures) {
            continue;
        }
        if (route.method == wanted) {
            match.handler = &route.handler;
            match.runs = route.runs;
            match.captures = std::move(*captures);
            return match;
        }
        allowed += (allowed.empty() ? "" : ", ") + std::string(method_name(route.method));
    }
    if (allowed.empty() && wanted == Method::get && otherwise_) {
        match.handler = &otherwise_;
        return match;
    }
    if (allowed.empty()) {
        match.refusal = error_response(404, "not_found", "there is nothing at " + request.path);
        return match;
    }
    match.refusal = error_response(405,
                                   "method_not_allowed",
                                   "this cannot be done with " + request.path,
                                   "allowed: " + allowed);
    match.refusal.headers.emplace_back("Allow", allowed);
    return match;
}

Reply Router::handle(Request request) const {
    Match found = match(request);
    if (found.handler == nullptr) {
        return std::move(found.refusal);
    }
    request.captures = std::move(found.captures);
    return (*found.handler)(request);
}

} // namespace rootstock::http
