#include "http/limits.hpp"
#include "http/request_reader.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::http;
using Status = RequestReader::Status;

namespace {

Status feed(RequestReader& reader, std::string_view bytes, std::size_t step = 1000) {
    Status status = Status::need_more;
    while (!bytes.empty() && status == Status::need_more) {
        const MutableBytes window = reader.window();
        const std::size_t count = std::min({step, bytes.size(), window.size()});
        std::copy_n(bytes.begin(), count, window.begin());
        bytes.remove_prefix(count);
        status = reader.commit(count);
    }
    return status;
}

Request taken(RequestReader& reader) {
    auto taken = reader.take();
    REQUIRE(std::holds_alternative<RequestReader::Taken>(taken));
    return std::get<RequestReader::Taken>(taken).request;
}

constexpr std::string_view post_head = "POST /api/v1/machines?x=1 HTTP/1.1\r\nHost: "
                                       "10.20.0.1:8080\r\nContent-Type: application/json\r\n"
                                       "Content-Length: 11\r\n\r\n";

} // namespace

TEST_CASE("A request is the same however it is cut", "[http][reader]") {
    for (const std::size_t step : {1U, 2U, 3U, 7U, 64U, 1000U}) {
        RequestReader reader;
        const std::string text = std::string(post_head) + "{\"name\":\"\"}";
        REQUIRE(feed(reader, text, step) == Status::ready);
        const Request request = taken(reader);
        CHECK(request.method == Method::post);
        CHECK(request.path == "/api/v1/machines");
        CHECK(request.query_value("x") == "1");
        CHECK(request.header("content-type") == "application/json");
        CHECK(request.body == "{\"name\":\"\"}");
        CHECK_FALSE(reader.in_request());
    }
}

TEST_CASE("Two requests in one packet are two requests", "[http][reader]") {
    RequestReader reader;
    REQUIRE(feed(reader, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n") ==
            Status::ready);
    CHECK(taken(reader).path == "/a");
    REQUIRE(reader.resume() == Status::ready);
    CHECK(taken(reader).path == "/b");
    CHECK(reader.resume() == Status::need_more);
}

TEST_CASE("A chunked body is put together", "[http][reader]") {
    RequestReader reader;
    REQUIRE(feed(reader,
                 "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                 5) == Status::ready);
    CHECK(taken(reader).body == "abcde");
}

TEST_CASE("Too large, malformed and foreign requests are refused with the right status",
          "[http][reader]") {
    struct Row {
        std::string bytes;
        unsigned status;
    };
    const std::vector<Row> rows = {
        {"GET /a HTTP/1.1\r\nX: " + std::string(header_bytes_max, 'a'), 431},
        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body_bytes_max + 1) +
             "\r\n\r\n",
         413},
        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"GET /a HTTP/3.7\r\n\r\n", 505},
        {"\x16\x03\x01\x02garbage\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
    };
    for (const Row& row : rows) {
        INFO(row.bytes.substr(0, 60));
        RequestReader reader;
        REQUIRE(feed(reader, row.bytes) == Status::failed);
        CHECK(reader.refusal().status == row.status);
    }
}

TEST_CASE("HTTP/1.1 needs one Host, and a target that is a path", "[http][reader]") {
    for (const char* bytes : {"GET /a HTTP/1.1\r\n\r\n",
                              "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                              "GET /../a HTTP/1.1\r\nHost: a\r\n\r\n",
                              "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"}) {
        INFO(bytes);
        RequestReader reader;
        REQUIRE(feed(reader, bytes) == Status::ready);
        const auto taken = reader.take();
        REQUIRE(std::holds_alternative<Response>(taken));
        CHECK(std::get<Response>(taken).status == 400);
    }
    RequestReader reader;
    REQUIRE(feed(reader, "GET /a HTTP/1.0\r\n\r\n") == Status::ready);
    CHECK_FALSE(std::get<RequestReader::Taken>(reader.take()).keep_alive);
}

TEST_CASE("A client that waits for 100 Continue is told once", "[http][reader]") {
    RequestReader reader;
    REQUIRE(
        feed(reader,
             "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n") ==
        Status::need_more);
    CHECK(reader.wants_continue());
    CHECK_FALSE(reader.wants_continue());
    CHECK(feed(reader, "ab") == Status::ready);
}
