#include "api/access.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::api;
using http::Method;
using http::Pairs;

namespace {

const OwnNames names{"rootstock.school.example", "bootserver"};

/// 0: allowed.
unsigned
refusal(Method method, Pairs headers, std::string path = "/api/v1/machines", bool local = false) {
    http::Request request;
    request.method = method;
    request.path = std::move(path);
    request.headers = std::move(headers);
    request.local = local;
    const auto refused = authorize(request, names);
    return refused ? refused->status : 0;
}

} // namespace

TEST_CASE("Access: under which names the server may be addressed", "[api][access]") {
    for (const char* host : {"10.20.0.1",
                             "10.20.0.1:8080",
                             "localhost",
                             "localhost:8080",
                             "bootserver:8080",
                             "[::1]:8080",
                             "rootstock.school.example:8080",
                             "bootserver.school.example",
                             "BootServer.School.Example",
                             "demo"}) {
        INFO(host);
        CHECK(is_own_host(host, names));
    }
    for (const char* host : {"evil.example",
                             "evil.example:8080",
                             "10.20.0.1.evil.example",
                             "xbootserver.evil.example",
                             "rootstock.school.example.evil.example"}) {
        INFO(host);
        CHECK_FALSE(is_own_host(host, names));
    }
}

TEST_CASE("Access: a foreign web site cannot make a browser act", "[api][access]") {
    const std::pair<std::string, std::string> host{"host", "10.20.0.1:8080"};
    const std::pair<std::string, std::string> json{"content-type", "application/json"};
    CHECK(refusal(Method::post, {host, json}) == 0);
    CHECK(refusal(Method::post, {host, {"content-type", "Application/JSON; charset=utf-8"}}) == 0);
    CHECK(
        refusal(
            Method::post,
            {host, json, {"origin", "http://10.20.0.1:8080"}, {"sec-fetch-site", "same-origin"}}) ==
        0);
    CHECK(refusal(Method::post, {host, json, {"origin", "http://evil.example"}}) == 403);
    CHECK(refusal(Method::post, {host, json, {"origin", "null"}}) == 403);
    CHECK(refusal(Method::post, {host, json, {"origin", "http://10.20.0.1:9999"}}) == 403);
    CHECK(refusal(Method::delete_, {host, {"origin", "http://evil.example"}}) == 403);
    CHECK(refusal(Method::delete_, {host}) == 0);
    CHECK(refusal(Method::get, {host, {"sec-fetch-site", "cross-site"}}) == 403);
    CHECK(refusal(Method::get, {{"host", "evil.example:8080"}}) == 403); // DNS rebinding
}

TEST_CASE("Access: what a form or an image could send is no change", "[api][access]") {
    const std::pair<std::string, std::string> host{"host", "10.20.0.1:8080"};
    for (const char* type : {"",
                             "text/plain",
                             "application/x-www-form-urlencoded",
                             "multipart/form-data; boundary=application/json"}) {
        INFO(type);
        CHECK(refusal(Method::post, {host, {"content-type", type}}) == 415);
    }
}

TEST_CASE("Access: scripts, loaders and the page are for everybody, the local socket is trusted",
          "[api][access]") {
    CHECK(refusal(Method::get, {{"host", "evil.example"}}, "/boot.ipxe") == 0);
    CHECK(refusal(Method::get, {{"host", "evil.example"}}, "/") == 0);
    CHECK(refusal(Method::post, {}, "/api/v1/machines", true) == 0);
}
