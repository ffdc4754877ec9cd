#include "http/range.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::http;

namespace {

Response body_response() {
    Response response;
    response.headers.emplace_back("ETag", "\"v1\"");
    response.text = "0123456789";
    return response;
}

Request get_with(Pairs headers) {
    Request request;
    request.headers = std::move(headers);
    return request;
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

TEST_CASE("Ranges as RFC 9110 section 14 has them", "[http][range]") {
    struct Row {
        const char* value;
        RangeResult result;
        ByteRange range;
    };
    const std::vector<Row> rows = {
        {"bytes=0-4", RangeResult::part, {0, 5}},
        {"bytes=5-", RangeResult::part, {5, 5}},
        {"bytes=-3", RangeResult::part, {7, 3}},
        {"bytes=-99", RangeResult::part, {0, 10}},
        {"bytes=9-99", RangeResult::part, {9, 1}},
        {"BYTES=0-0", RangeResult::part, {0, 1}},
        {"bytes=0-18446744073709551615", RangeResult::part, {0, 10}},
        {"bytes=10-", RangeResult::unsatisfiable, {}},
        {"bytes=18446744073709551615-", RangeResult::unsatisfiable, {}},
        {"bytes=-0", RangeResult::unsatisfiable, {}},
        {"bytes=4-2", RangeResult::whole, {}},
        {"bytes=a-b", RangeResult::whole, {}},
        {"bytes=-", RangeResult::whole, {}},
        {"bytes=", RangeResult::whole, {}},
        {"bytes=0-1,3-4", RangeResult::whole, {}}, // several: the whole is allowed, and simpler
        {"items=0-1", RangeResult::whole, {}},
        {"bytes=99999999999999999999-", RangeResult::whole, {}},
    };
    for (const Row& row : rows) {
        INFO(row.value);
        ByteRange range;
        CHECK(parse_range(row.value, 10, range) == row.result);
        if (row.result == RangeResult::part) {
            CHECK(range == row.range);
        }
    }
    ByteRange range;
    CHECK(parse_range("bytes=0-", 0, range) == RangeResult::unsatisfiable);
}

TEST_CASE("A part is a 206 that says where it lies", "[http][range]") {
    Response response = body_response();
    apply_conditions(get_with({{"range", "bytes=2-4"}}), response);
    CHECK(response.status == 206);
    CHECK(response.text == "234");
    CHECK(header_of(response, "Content-Range") == "bytes 2-4/10");
}

TEST_CASE("A range behind the end is a 416 that says the size", "[http][range]") {
    Response response = body_response();
    apply_conditions(get_with({{"range", "bytes=20-"}}), response);
    CHECK(response.status == 416);
    CHECK(response.body().empty());
    CHECK(header_of(response, "Content-Range") == "bytes */10");
}

TEST_CASE("If-Range: another version is sent whole", "[http][range]") {
    Response same = body_response();
    apply_conditions(get_with({{"range", "bytes=2-4"}, {"if-range", "\"v1\""}}), same);
    CHECK(same.status == 206);
    Response other = body_response();
    apply_conditions(get_with({{"range", "bytes=2-4"}, {"if-range", "\"v0\""}}), other);
    CHECK(other.status == 200);
    CHECK(other.text.size() == 10);
}

TEST_CASE("If-None-Match: what the client has is not sent again", "[http][range]") {
    for (const char* value : {"\"v1\"", "\"v0\", \"v1\"", "W/\"v1\"", "*"}) {
        Response response = body_response();
        apply_conditions(get_with({{"if-none-match", value}}), response);
        CHECK(response.status == 304);
        CHECK(response.body().empty());
    }
    Response response = body_response();
    apply_conditions(get_with({{"if-none-match", "\"v0\""}}), response);
    CHECK(response.status == 200);
}

TEST_CASE("A boot file is delivered when its last byte went out", "[http][range]") {
    const ByteVector file(100, 7);
    const auto ends = [&](const char* range) {
        Response response;
        response.bytes = file;
        response.sent = [] {};
        apply_conditions(get_with({{"range", range}}), response);
        return static_cast<bool>(response.sent);
    };
    CHECK_FALSE(ends("bytes=0-49"));
    CHECK(ends("bytes=50-99"));
    CHECK(ends("bytes=50-"));
}
