#include "http/fetch.hpp"

#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::http;
using Catch::Matchers::Contains;
using Next = FetchPlan::Next;

namespace {

FetchPlan plan_for(const std::string& text = "http://files.example/win11.vhdx") {
    const auto url = parse_url(text);
    REQUIRE(url);
    return FetchPlan(*url);
}

FetchHead whole(std::uint64_t size, std::string etag = "\"v1\"") { return {200, size, std::move(etag), "", "", "", ""}; }
FetchHead part(std::uint64_t first, std::uint64_t size) {
    return {206, size - first, "\"v1\"", "", "bytes " + std::to_string(first) + "-" + std::to_string(size - 1) + "/" + std::to_string(size), "", ""};
}
FetchHead redirect(std::string location) { return {302, 0, "", "", "", "", std::move(location)}; }

} // namespace

TEST_CASE("URLs are http or https, name a host, and carry no password", "[http][fetch]") {
    const auto url = parse_url("HTTPS://Files.example:8443/a%20b/win11.vhdx?token=x#top");
    REQUIRE(url);
    CHECK(url->tls);
    CHECK(url->port == 8443);
    CHECK(url->target == "/a%20b/win11.vhdx?token=x");
    CHECK(url->authority() == "Files.example:8443");
    CHECK(url->shown() == "https://Files.example:8443/a%20b/win11.vhdx");
    CHECK(parse_url("http://[fd00::1]/x")->authority() == "[fd00::1]");
    CHECK(parse_url("http://host")->target == "/");
    CHECK(parse_url("https://host/")->port == 443);
    for (const char* bad : {"ftp://host/x", "http:///x", "http://user:secret@host/x", "http://host:0/x", "http://host:99999/x", "http://ho st/x", "http://host/\x01", "/srv/x"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_url(bad));
    }
    CHECK_FALSE(parse_url("http://host/" + std::string(fetch_url_max, 'x')));
    CHECK_THAT(parse_url("http://user:secret@host/x").error().what, !Contains("secret"));
    CHECK(is_url("HTTP://host/x"));
    CHECK_FALSE(is_url("/srv/http://x"));
}

TEST_CASE("a broken connection goes on where it broke, if the file is still the same", "[http][fetch]") {
    FetchPlan plan = plan_for();
    CHECK(plan.range().empty());
    REQUIRE(*plan.on_head(whole(1'000'000)) == Next::body);
    REQUIRE(plan.on_bytes(400'000));
    REQUIRE(plan.on_broken("reset"));
    CHECK(plan.range() == "bytes=400000-");
    CHECK(plan.if_range() == "\"v1\"");
    REQUIRE(*plan.on_head(part(400'000, 1'000'000)) == Next::body);
    CHECK(plan.position() == 400'000);
    REQUIRE(plan.on_bytes(600'000));
    REQUIRE(plan.on_end());
    CHECK(plan.is_whole());
}

TEST_CASE("another file, or none that can be told from it, begins anew", "[http][fetch]") {
    SECTION("the server sends the whole other file") {
        FetchPlan plan = plan_for();
        REQUIRE(plan.on_head(whole(1'000'000)));
        REQUIRE(plan.on_bytes(400'000));
        REQUIRE(plan.on_broken("reset"));
        REQUIRE(*plan.on_head(whole(2'000'000, "\"v2\"")) == Next::body);
        CHECK(plan.position() == 0);
        CHECK(plan.size() == std::uint64_t{2'000'000});
    }
    SECTION("a weak ETag says nothing of bytes; a date does") {
        FetchPlan plan = plan_for();
        FetchHead head = whole(1'000'000, "W/\"v1\"");
        REQUIRE(plan.on_head(head));
        REQUIRE(plan.on_bytes(400'000));
        REQUIRE(plan.on_broken("reset"));
        CHECK(plan.position() == 0);
        head.last_modified = "Sat, 21 Nov 2026 10:00:00 GMT";
        REQUIRE(plan.on_head(head));
        REQUIRE(plan.on_bytes(400'000));
        REQUIRE(plan.on_broken("reset"));
        CHECK(plan.if_range() == head.last_modified);
    }
    SECTION("the file has become shorter") {
        FetchPlan plan = plan_for();
        REQUIRE(plan.on_head(whole(1'000'000)));
        REQUIRE(plan.on_bytes(400'000));
        REQUIRE(plan.on_broken("reset"));
        REQUIRE(*plan.on_head({416, 0, "", "", "bytes */100", "", ""}) == Next::ask_again);
        CHECK(plan.range().empty());
    }
    SECTION("but not for ever") {
        FetchPlan plan = plan_for();
        Result<void> again;
        for (int turn = 0; turn < 20 && again; ++turn) {
            REQUIRE(plan.on_head(whole(1'000'000, "")));
            REQUIRE(plan.on_bytes(400'000));
            again = plan.on_broken("reset");
        }
        CHECK_FALSE(again);
    }
}

TEST_CASE("a part that was not asked for is refused", "[http][fetch]") {
    for (const char* range : {"bytes 0-999999/1000000", "bytes 400000-999999/2000000", "bytes 400000-500000/1000000", "bytes 400000-999999/*", "items 1-2/3", "", "bytes x"}) {
        CAPTURE(range);
        FetchPlan plan = plan_for();
        REQUIRE(plan.on_head(whole(1'000'000)));
        REQUIRE(plan.on_bytes(400'000));
        REQUIRE(plan.on_broken("reset"));
        CHECK_FALSE(plan.on_head({206, 600'000, "\"v1\"", "", range, "", ""}));
    }
    FetchPlan plan = plan_for();
    CHECK_FALSE(plan.on_head(part(400'000, 1'000'000))); // nothing was asked for yet
}

TEST_CASE("redirects are followed, relative ones too, a bounded number, and never out of TLS", "[http][fetch]") {
    FetchPlan plan = plan_for("https://files.example/a/win11.vhdx?x=1");
    REQUIRE(*plan.on_head(redirect("../b/win11.vhdx")) == Next::ask_again);
    CHECK(plan.url() == *parse_url("https://files.example/b/win11.vhdx"));
    REQUIRE(plan.on_head(redirect("https://other.example/c")));
    CHECK(plan.url().host == "other.example");
    const auto exposed = plan.on_head(redirect("http://other.example/c"));
    REQUIRE_FALSE(exposed);
    CHECK_THAT(exposed.error().what, Contains("not protected"));
    for (const char* bad : {"", "ftp://x/y", "http://user:pw@x/y", "::"}) {
        CAPTURE(bad);
        FetchPlan other = plan_for();
        const auto next = other.on_head(redirect(bad));
        CHECK((!next || other.url() == plan_for().url())); // an empty reference is the same address: the loop is bounded
    }
    FetchPlan looping = plan_for();
    for (unsigned turn = 0; turn < fetch_redirects_max; ++turn) {
        REQUIRE(looping.on_head(redirect("/again")));
    }
    CHECK_THAT(looping.on_head(redirect("/again")).error().what, Contains("redirects"));
}

TEST_CASE("a busy server is asked again, a firm no is final", "[http][fetch]") {
    FetchPlan plan = plan_for();
    for (unsigned turn = 1; turn < fetch_fruitless_max; ++turn) {
        REQUIRE(*plan.on_head({503, 0, "", "", "", "", ""}) == Next::wait);
    }
    CHECK_FALSE(plan.on_head({503, 0, "", "", "", "", ""}));
    for (const unsigned status : {204U, 304U, 400U, 401U, 403U, 404U, 410U}) {
        FetchPlan other = plan_for();
        CHECK_FALSE(other.on_head({status, 0, "", "", "", "", ""}));
    }
}

TEST_CASE("attempts that bring next to nothing are counted, and forgotten once one brings more", "[http][fetch]") {
    FetchPlan plan = plan_for();
    REQUIRE(plan.on_head(whole(100'000'000)));
    for (unsigned turn = 1; turn < fetch_fruitless_max; ++turn) {
        REQUIRE(plan.on_bytes(10));
        REQUIRE(plan.on_broken("silent"));
    }
    CHECK(plan.fruitless() == fetch_fruitless_max - 1);
    REQUIRE(plan.on_bytes(fetch_progress_min));
    REQUIRE(plan.on_broken("silent"));
    CHECK(plan.fruitless() == 0);
    for (unsigned turn = 1; turn < fetch_fruitless_max; ++turn) {
        REQUIRE(plan.on_broken("silent"));
    }
    CHECK_THAT(plan.on_broken("silent").error().what, Contains("silent"));
}

TEST_CASE("more bytes than were said, an encoding, and a size beyond all disks are refused", "[http][fetch]") {
    FetchPlan plan = plan_for();
    REQUIRE(plan.on_head(whole(10)));
    CHECK_FALSE(plan.on_bytes(11));
    CHECK_FALSE(plan_for().on_head({200, 10, "", "", "", "gzip", ""}));
    CHECK_FALSE(plan_for().on_head(whole(fetch_size_max + 1)));
    FetchPlan chunked = plan_for();
    REQUIRE(chunked.on_head({200, std::nullopt, "", "", "", "", ""}));
    REQUIRE(chunked.on_bytes(12345));
    REQUIRE(chunked.on_end());
    CHECK(chunked.is_whole());
    FetchPlan cut = plan_for();
    REQUIRE(cut.on_head(whole(1'000'000)));
    REQUIRE(cut.on_bytes(400'000));
    REQUIRE(cut.on_end());
    CHECK_FALSE(cut.is_whole());
    CHECK(cut.range() == "bytes=400000-");
}
