// Every resource of the API but volumes (volumes_test.cpp).
#include "api_world.hpp"

using namespace rootstock;
using namespace rootstock::test;

namespace {

/// What the stream says next, waiting for it.
std::string next_events(http::Stream& stream) {
    for (int i = 0; i < 6000; ++i) {
        const auto next = stream.next();
        REQUIRE(next);
        if (!next->empty()) {
            return *next;
        }
        std::this_thread::sleep_for(10ms);
    }
    return {};
}

} // namespace

TEST_CASE("API: version, status and an empty server", "[api]") {
    World world;
    CHECK(world.get("/api/v1/version").at("api").as_int64() == 1);
    const auto status = world.get("/api/v1/status");
    CHECK(text_at(status, "url") == "http://10.20.0.1:8080/");
    CHECK(status.at("data").as_object().at("total_bytes").as_int64() > 0);
    for (const char* list :
         {"machines", "unknown", "images", "volumes", "sessions", "leases", "boots"}) {
        INFO(list);
        CHECK(world.get(std::string("/api/v1/") + list).at(list).as_array().empty());
    }
    CHECK(world.ask(Method::get, "/api/v1/nothing").status == 404);
    CHECK(world.ask(Method::delete_, "/api/v1/machines").status == 405);
}

TEST_CASE("API: a machine's life", "[api][machines]") {
    World world;
    world.import();
    world.assign("lab1-07", pc);
    auto machine = world.get("/api/v1/machines/lab1-07");
    CHECK(text_at(machine, "state") == "off");
    CHECK(text_at(machine, "target") == "iqn.2026-01.internal.rootstock:machine.lab1-07");
    CHECK(text_at(machine, "initiator") == "iqn.2026-01.internal.rootstock:initiator.1:lab1-07");
    CHECK(machine.at("boot").is_null());

    machine = World::parsed(world.ask(Method::patch,
                                      "/api/v1/machines/lab1-07",
                                      R"({"mode":"reset","address":"10.20.0.7"})"),
                            200);
    CHECK(text_at(machine, "mode") == "reset");
    CHECK(text_at(machine, "address") == "10.20.0.7");
    machine = World::parsed(
        world.ask(Method::patch, "/api/v1/machines/lab1-07", R"({"address":null})"), 200);
    CHECK(machine.at("address").is_null());

    machine = World::parsed(world.ask(Method::post,
                                      "/api/v1/machines/lab1-07/replace",
                                      R"({"with":")" + new_pc.text() + "\"}"),
                            200);
    CHECK(machine.at("generation").as_int64() == 2);
    CHECK(text_at(machine.at("retired").as_array().at(0).as_object(), "mac") == pc.text());
    CHECK_THAT(world.ask(Method::get, "/boot.ipxe?mac=" + pc.text()).text,
               Contains("has been replaced"));
    CHECK_THAT(world.ask(Method::get, "/boot.ipxe?mac=" + new_pc.text()).text, Contains("sanboot"));
    CHECK(text_at(world.get("/api/v1/machines/lab1-07"), "state") == "booting");

    CHECK(world.ask(Method::post, "/api/v1/machines/lab1-07/reset").status == 200);
    CHECK(world.ask(Method::delete_, "/api/v1/images/debian12").status == 409);
    CHECK(world.ask(Method::delete_, "/api/v1/machines/lab1-07").status == 204);
    CHECK(world.ask(Method::get, "/api/v1/machines/lab1-07").status == 404);
    CHECK(world.ask(Method::delete_, "/api/v1/images/debian12").status == 204);
}

TEST_CASE("API: what is wrong with a request is told", "[api][errors]") {
    World world;
    world.import();
    world.assign("lab1-07", pc);
    struct Row {
        Method method;
        const char* path;
        const char* body;
        unsigned status;
        const char* text;
    };
    const std::vector<Row> rows = {
        {Method::post, "/api/v1/machines", "{", 400, "not JSON"},
        {Method::post, "/api/v1/machines", "{}", 400, "needs name, macs and image"},
        {Method::post, "/api/v1/machines", R"({"nam":"a"})", 400, "did you mean"},
        {Method::post,
         "/api/v1/machines",
         R"({"name":"a","mac":"zz","image":"debian12"})",
         400,
         "no hardware address"},
        {Method::post,
         "/api/v1/machines",
         R"({"name":"A_b","mac":"52:54:00:00:00:01","image":"debian12"})",
         400,
         "A_b"},
        {Method::post,
         "/api/v1/machines",
         R"({"name":"lab1-07","mac":"52:54:00:00:00:01","image":"debian12"})",
         409,
         "lab1-07"},
        {Method::post,
         "/api/v1/machines",
         R"({"name":"b","mac":"52:54:00:aa:00:07","image":"debian12"})",
         409,
         "lab1-07"},
        {Method::post,
         "/api/v1/machines",
         R"({"name":"b","mac":"52:54:00:00:00:01","image":"debian12","mode":"kept"})",
         400,
         "persistent"},
        {Method::post,
         "/api/v1/machines/none/replace",
         R"({"with":"52:54:00:00:00:01"})",
         404,
         "none"},
        {Method::post, "/api/v1/machines/lab1-07/replace", "{}", 400, "with"},
        {Method::post, "/api/v1/machines/none/reset", "", 404, "none"},
        {Method::delete_, "/api/v1/machines/none", "", 404, "none"},
        {Method::delete_, "/api/v1/unknown/52:54:00:00:00:01", "", 404, "52:54:00:00:00:01"},
        {Method::delete_, "/api/v1/images/none", "", 404, "none"},
        {Method::delete_, "/api/v1/volumes/none", "", 404, "none"},
        {Method::delete_, "/api/v1/sessions/12", "", 404, "12"},
        {Method::get, "/api/v1/boots?limit=0", "", 400, "limit"},
        {Method::get, "/api/v1/boots/x", "", 404, "x"},
        {Method::get, "/api/v1/log?limit=5000", "", 400, "limit"},
        {Method::get, "/boot.ipxe", "", 400, "mac="},
        {Method::get, "/boot.ipxe?mac=ff:ff:ff:ff:ff:ff", "", 400, "mac="},
        {Method::get, "/loaders/none.efi", "", 404, "none.efi"},
        {Method::post,
         "/api/v1/images",
         R"({"name":"x","source":"relative.img"})",
         400,
         "absolute"},
        {Method::post, "/api/v1/images", R"({"name":"x","source":"/not/there"})", 400, "no file"},
        {Method::post,
         "/api/v1/images",
         R"({"name":"No Good","source":"/dev/null"})",
         400,
         "no name"},
        {Method::post,
         "/api/v1/images",
         R"({"name":"x","source":"/dev/null","sha256":"12"})",
         400,
         "64 hexadecimal digits"},
        {Method::post, "/api/v1/machines/none/export", "", 404, "none"},
        {Method::post, "/api/v1/machines/lab1-07/export", "", 404, "no disk of its own"},
        {Method::post, "/api/v1/volumes", R"({"name":"a","size":"much"})", 400, "size"},
        {Method::post, "/api/v1/volumes", R"({"name":"A B","size":"1M"})", 400, "example"},
    };
    for (const Row& row : rows) {
        INFO(row.path << " " << row.body);
        const auto response = world.ask(row.method, row.path, row.body);
        CHECK(response.status == row.status);
        CHECK_THAT(response.text, Contains(row.text) && Contains("\"error\":{\"code\":"));
    }
}

TEST_CASE("API: an export has the machine's disk for as long as it reads", "[api][export]") {
    World world;
    world.import();
    world.assign("lab1-07", pc);
    constexpr auto kind = images::OverlayKind::persistent;
    const auto open = [&] { return world.store->open_machine_disk("lab1-07", "debian12", kind); };
    const std::string url = "/api/v1/machines/lab1-07/export";
    {
        const auto in_use = open();
        CHECK(world.ask(Method::post, url).status == 409);
    }
    {
        const auto lent = world.ask(Method::post, url);
        REQUIRE(lent.stream);
        CHECK(lent.stream->next() ==
              R"({"disk":{"file":")" + world.folder.file("overlays/lab1-07.vhdx") + "\"}}\n");
        CHECK(lent.stream->next() == std::string()); // it goes on
        CHECK_FALSE(open());
        CHECK(world.ask(Method::post, "/api/v1/machines/lab1-07/reset").status == 409);
    }
    CHECK(open());
    CHECK(text_at(world.get("/api/v1/images/debian12"), "file") ==
          world.folder.file("images/debian12/v0001.vhdx"));
}

TEST_CASE("API: an unknown PC waits, is assigned, and goes on", "[api][unknown]") {
    World world;
    world.import();
    CHECK_THAT(world.ask(Method::get, "/boot.ipxe?mac=" + pc.text()).text,
               Contains("not assigned"));
    world.ask(Method::get, "/boot.ipxe?mac=" + pc.text() + "&wait=1&manufacturer=QEMU");
    REQUIRE(world.held);
    std::atomic<int> woken{0};
    world.held->on_ready([&] { ++woken; });
    auto unknown = world.get("/api/v1/unknown/" + pc.text());
    CHECK(unknown.at("waiting").as_bool());
    CHECK(text_at(unknown, "manufacturer") == "QEMU");
    CHECK(text_at(unknown, "proposed_name") == "pc-01");
    world.clock.advance(2min);
    CHECK_FALSE(world.get("/api/v1/unknown/" + pc.text())
                    .at("waiting")
                    .as_bool()); // it was switched off, it seems
    world.assign("lab1-07", pc);
    CHECK(woken == 1);
    CHECK_THAT(world.held->finish().text, Contains("sanboot"));
    world.held.reset();
    CHECK(world.ask(Method::get, "/api/v1/unknown/" + pc.text()).status == 404);
}

TEST_CASE("API: a waiting PC that hangs up no longer waits", "[api][unknown]") {
    World world;
    world.ask(Method::get, "/boot.ipxe?mac=" + pc.text() + "&wait=1");
    REQUIRE(world.held);
    world.held->on_ready([] {});
    CHECK(world.get("/api/v1/unknown/" + pc.text()).at("waiting").as_bool());
    world.held.reset();
    CHECK_FALSE(world.get("/api/v1/unknown/" + pc.text()).at("waiting").as_bool());
}

TEST_CASE("API: plan and apply, and a file with errors", "[api][plan]") {
    World world;
    const auto plan = World::parsed(world.ask(Method::post, "/api/v1/plan"), 200);
    CHECK_FALSE(plan.at("applied").as_bool());
    CHECK(text_at(plan.at("changes").as_array().at(0).as_object(), "object") == "machine/a");
    CHECK(
        World::parsed(world.ask(Method::post, "/api/v1/apply", "{}"), 200).at("applied").as_bool());
    world.problems = {"rootstock.toml:7:3: no"};
    const auto failed =
        World::parsed(world.ask(Method::post, "/api/v1/apply"), 422).at("error").as_object();
    CHECK(text_at(failed, "code") == "invalid_config");
    CHECK(failed.at("problems").as_array().at(0).as_string() == "rootstock.toml:7:3: no");
}

TEST_CASE("API: the event stream begins with everything, then tells what changes",
          "[api][events]") {
    World world;
    world.import();
    const auto response = world.ask(Method::get, "/api/v1/events");
    REQUIRE(response.stream);
    http::Stream& stream = *response.stream;
    std::atomic<int> woken{0};
    stream.on_ready([&] { ++woken; });
    CHECK_THAT(next_events(stream),
               Contains("event: snapshot\ndata: {\"status\":") &&
                   Contains("\"images\":[{\"name\":\"debian12\""));

    world.registry->stage(pc, fleet::Stage::discover, "x86 BIOS");
    fleet::UnknownMachine seen;
    seen.mac = pc;
    world.registry->saw_unknown(seen);
    CHECK(woken > 0);
    CHECK_THAT(next_events(stream),
               Contains("event: unknown\ndata: {\"mac\":\"52:54:00:aa:00:07\"") &&
                   Contains("event: boot\n"));

    world.assign("lab1-07", pc);
    CHECK_THAT(next_events(stream),
               Contains("event: machine\ndata: {\"name\":\"lab1-07\"") &&
                   Contains("event: unknown_removed\ndata: {\"mac\":\"52:54:00:aa:00:07\"}") &&
                   Contains("event: log\n") && Contains("api.machine.assigned"));

    world.ask(Method::delete_, "/api/v1/machines/lab1-07");
    CHECK_THAT(next_events(stream),
               Contains("event: machine_removed\ndata: {\"name\":\"lab1-07\"}"));

    world.clock.advance(20s);
    CHECK_THAT(next_events(stream), Contains(":\n\n") && Contains("event: status\n"));
}

TEST_CASE("API: a reader that does not read costs one entry for each object", "[api][events]") {
    World world;
    world.import();
    const auto response = world.ask(Method::get, "/api/v1/events");
    next_events(*response.stream);
    world.assign("lab1-07", pc);
    for (int i = 0; i < 50; ++i) {
        world.ask(Method::patch,
                  "/api/v1/machines/lab1-07",
                  i % 2 == 0 ? R"({"mode":"reset"})" : R"({"mode":"persistent"})");
    }
    const std::string events = next_events(*response.stream);
    std::size_t count = 0;
    for (std::size_t at = events.find("event: machine\n"); at != std::string::npos;
         at = events.find("event: machine\n", at + 1)) {
        ++count;
    }
    CHECK(count == 1);
}

TEST_CASE("API: event streams are bounded", "[api][events]") {
    World world;
    std::vector<std::shared_ptr<http::Stream>> streams;
    for (int i = 0; i < 64; ++i) {
        streams.push_back(world.ask(Method::get, "/api/v1/events").stream);
        REQUIRE(streams.back());
    }
    CHECK(world.ask(Method::get, "/api/v1/events").status == 429);
    streams.pop_back();
    CHECK(world.ask(Method::get, "/api/v1/events").status == 200);
}

TEST_CASE("API: CHAP secrets never appear", "[api][secrets]") {
    World world;
    world.import();
    world.assign("lab1-07", pc);
    const std::string script = world.ask(Method::get, "/boot.ipxe?mac=" + pc.text()).text;
    const std::size_t at = script.find("set password ") + 13;
    const std::string secret = script.substr(at, script.find('\n', at) - at);
    REQUIRE(secret.size() >= 24);
    const auto stream = world.ask(Method::get, "/api/v1/events").stream;
    std::string all = next_events(*stream);
    for (const char* path : {"status",
                             "machines",
                             "machines/lab1-07",
                             "boots",
                             "boots/1",
                             "sessions",
                             "log",
                             "unknown",
                             "leases"}) {
        all += world.ask(Method::get, std::string("/api/v1/") + path).text;
    }
    CHECK(all.find(secret) == std::string::npos);
}
