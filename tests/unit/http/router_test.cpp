#include "http/router.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::http;

namespace {

Handler says(std::string text) {
    return [text](const Request& request) {
        std::string out = text;
        for (const std::string& capture : request.captures) {
            out += " " + capture;
        }
        return text_response(200, "text/plain", out);
    };
}

Router router() {
    Router made;
    made.add(Method::get, "/things", Runs::here, says("list"))
        .add(Method::post, "/things", Runs::in_offload, says("add"))
        .add(Method::get, "/things/{name}", Runs::here, says("one"))
        .add(Method::post, "/things/{name}/parts/{part}", Runs::here, says("part"))
        .otherwise(says("file"));
    return made;
}

Response ask(Method method, std::string path) {
    Request request;
    request.method = method;
    request.path = std::move(path);
    return router().handle(std::move(request)).response;
}

} // namespace

TEST_CASE("Router: patterns, captures and methods", "[http][router]") {
    struct Row {
        Method method;
        const char* path;
        unsigned status;
        const char* text;
    };
    const std::vector<Row> rows = {
        {Method::get, "/things", 200, "list"},
        {Method::head, "/things", 200, "list"},
        {Method::post, "/things", 200, "add"},
        {Method::get, "/things/a", 200, "one a"},
        {Method::post, "/things/a/parts/b", 200, "part a b"},
        {Method::get, "/other", 200, "file"},
        {Method::get, "/", 200, "file"},
        {Method::get, "/things/", 200, "file"},
        {Method::get, "/things/a/b", 200, "file"},
    };
    for (const Row& row : rows) {
        INFO(row.path);
        const Response response = ask(row.method, row.path);
        CHECK(response.status == row.status);
        CHECK(response.text == row.text);
    }
}

TEST_CASE("Router: what is not there is 404, what cannot be done is 405 with Allow",
          "[http][router]") {
    CHECK(ask(Method::post, "/other").status == 404);
    const Response response = ask(Method::delete_, "/things");
    CHECK(response.status == 405);
    CHECK(response.headers.back() ==
          std::pair<std::string, std::string>("Allow", "GET, HEAD, POST"));
    CHECK(response.text == "{\"error\":{\"code\":\"method_not_allowed\",\"message\":\"this cannot "
                           "be done with /things\","
                           "\"remedy\":\"allowed: GET, HEAD, POST\"}}\n");
}

TEST_CASE("Router: the gate is asked before any handler", "[http][router]") {
    Router guarded = router();
    guarded.gate([](const Request& request) {
        return request.header("key") == "1" ? std::nullopt
                                            : std::optional(error_response(403, "forbidden", "no"));
    });
    Request request;
    request.path = "/things";
    CHECK(guarded.handle(request).response.status == 403);
    request.headers = {{"key", "1"}};
    CHECK(guarded.handle(request).response.status == 200);
}

TEST_CASE("Error texts cannot break out of their JSON", "[http][message]") {
    CHECK(json_string("a\"b\\c\n\x01") == "\"a\\\"b\\\\c\\u000a\\u0001\"");
}
