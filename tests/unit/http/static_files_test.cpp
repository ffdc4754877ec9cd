#include "http/response_head.hpp"
#include "http/static_files.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::http;

namespace {

Response get(std::string path) {
    Request request;
    request.path = std::move(path);
    return StaticFiles().get(request);
}

std::string header_of(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
        if (key == name) {
            return value;
        }
    }
    return {};
}

} // namespace

TEST_CASE("The page is at /, with type, ETag and a policy that allows nothing foreign",
          "[http][static]") {
    const Response response = get("/");
    CHECK(response.status == 200);
    CHECK(as_text(response.bytes).starts_with("<!doctype html>"));
    CHECK(header_of(response, "Content-Type") == "text/html; charset=utf-8");
    CHECK(header_of(response, "ETag") == etag_of(response.bytes));
    CHECK_THAT(header_of(response, "Content-Security-Policy"),
               Catch::Contains("default-src 'none'") && !Catch::Contains("unsafe"));
    CHECK(header_of(response, "X-Content-Type-Options") == "nosniff");
}

TEST_CASE("Every part of the page has its type; loaders and schema are no part of it",
          "[http][static]") {
    CHECK(header_of(get("/app.js"), "Content-Type") == "text/javascript; charset=utf-8");
    CHECK(header_of(get("/views/machines.js"), "Content-Type") == "text/javascript; charset=utf-8");
    CHECK(header_of(get("/style.css"), "Content-Type") == "text/css; charset=utf-8");
    CHECK(header_of(get("/icon.svg"), "Content-Type") == "image/svg+xml");
    for (const char* path : {"/undionly.kpxe",
                             "/../ipxe/undionly.kpxe",
                             "/web/index.html",
                             "/schema/0001_initial.sql",
                             "/index.htm",
                             "//app.js"}) {
        INFO(path);
        CHECK(get(path).status == 404);
    }
}

TEST_CASE("The head of a response", "[http][head]") {
    Response response = text_response(200, "text/plain", "hello");
    CHECK(response_head(response, Framing::length, true, wall_from_unix_ms(784111777000)) ==
          "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: "
          "text/plain\r\nCache-Control: no-store\r\n"
          "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n");
    Response none;
    none.status = 204;
    CHECK_THAT(response_head(none, Framing::length, false, {}),
               !Catch::Contains("Content-Length") && Catch::Contains("Connection: close"));
    CHECK(chunk("hello world, hello") == "12\r\nhello world, hello\r\n");
    CHECK(chunk("") == "0\r\n\r\n");
}
