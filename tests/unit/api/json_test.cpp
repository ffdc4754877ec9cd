#include "api/errors.hpp"
#include "api/json.hpp"
#include "api/model.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::api;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

http::Request with_body(std::string body) {
    http::Request request;
    request.body = std::move(body);
    return request;
}

} // namespace

TEST_CASE("Bodies: an object with known keys, or a sentence that helps", "[api][json]") {
    CHECK(read_body(with_body(" \r\n"), {"name"})->empty());
    CHECK(read_body(with_body(R"({"name": "a"})"), {"name"}));
    CHECK(read_body(with_body(R"({"nmae": "a"})"), {"name", "image"}).error().what ==
          "unknown key \"nmae\"; did you mean \"name\"?");
    CHECK(read_body(with_body(R"({"x": 1})"), {}).error().what ==
          "unknown key \"x\"; none is expected");
    for (const char* body :
         {"[]", "1", "{", "{\"a\":}", "nul", "{\"name\":\"a\"} x", "{\"name\":\"\xff\"}"}) {
        INFO(body);
        CHECK_FALSE(read_body(with_body(body), {"name"}));
    }
    CHECK_FALSE(read_body(
        with_body("{\"name\":" + std::string(5000, '[') + std::string(5000, ']') + "}"), {"name"}));
}

TEST_CASE("Values: of the right type or refused", "[api][json]") {
    const json::object body{{"text", "a"},
                            {"number", 5},
                            {"null", nullptr},
                            {"list", json::array{"a", "b"}},
                            {"mixed", json::array{"a", 1}},
                            {"address", "10.20.0.7"},
                            {"size", "10G"},
                            {"negative", -1}};
    CHECK(**text_of(body, "text") == "a");
    CHECK_FALSE(*text_of(body, "absent"));
    CHECK_FALSE(text_of(body, "number"));
    CHECK(**texts_of(body, "list", 2) == std::vector<std::string>{"a", "b"});
    CHECK_FALSE(texts_of(body, "list", 1));
    CHECK_FALSE(texts_of(body, "mixed", 9));
    CHECK(***address_of(body, "address") == *Ipv4::parse("10.20.0.7"));
    CHECK_FALSE(**address_of(body, "null"));
    CHECK_FALSE(*address_of(body, "absent"));
    CHECK_FALSE(address_of(body, "text"));
    CHECK(**size_of(body, "size") == 10ULL << 30);
    CHECK(**size_of(body, "number") == 5);
    CHECK_FALSE(size_of(body, "negative"));
    CHECK_FALSE(size_of(body, "null"));
    CHECK(parse_mac("52-54-00-AA-00-07")->text() == "52:54:00:aa:00:07");
    CHECK_FALSE(parse_mac("01:00:5e:00:00:01")); // a group's
}

TEST_CASE("Errors: status and code by the error, remedy behind the sentence", "[api][errors]") {
    const http::Response response = error_answer(make_error(
        std::errc::device_or_resource_busy, "volume a is in use; end its sessions first"));
    CHECK(response.status == 409);
    CHECK(response.text == "{\"error\":{\"code\":\"conflict\",\"message\":\"volume a is in "
                           "use\",\"remedy\":\"end its sessions first\"}}\n");
    CHECK(error_answer(make_error(std::errc::no_such_file_or_directory, "x")).status == 404);
    CHECK(error_answer(make_error(std::errc::no_space_on_device, "x")).status == 507);
    CHECK(error_answer(make_error(std::errc::io_error, "x")).status == 500);
}

TEST_CASE("What a machine does: from its newest boot and its sessions", "[api][model]") {
    const WallTime now = wall_from_unix_ms(1790000000000);
    fleet::Boot boot;
    boot.started = now - 30s;
    struct Row {
        fleet::BootOutcome outcome;
        std::size_t sessions;
        MachineState state;
    };
    const std::vector<Row> rows = {
        {fleet::BootOutcome::in_progress, 0, MachineState::booting},
        {fleet::BootOutcome::in_progress, 1, MachineState::booting},
        {fleet::BootOutcome::running, 1, MachineState::running},
        {fleet::BootOutcome::running, 0, MachineState::off},
        {fleet::BootOutcome::ended, 0, MachineState::off},
        {fleet::BootOutcome::failed, 0, MachineState::failed},
        {fleet::BootOutcome::refused, 0, MachineState::failed},
    };
    for (const Row& row : rows) {
        boot.outcome = row.outcome;
        INFO(fleet::outcome_name(row.outcome) << " " << row.sessions);
        CHECK(machine_state(&boot, row.sessions, now) == row.state);
    }
    boot.outcome = fleet::BootOutcome::in_progress;
    CHECK(machine_state(&boot, 0, now + 1h) == MachineState::off); // it never got further
    CHECK(machine_state(nullptr, 0, now) == MachineState::off);
}

TEST_CASE("The proposed name is the last one, counted up", "[api][model]") {
    const auto proposed = [](const std::vector<std::string>& names) {
        std::vector<fleet::Machine> machines;
        for (const std::string& name : names) {
            machines.emplace_back().name = name;
            machines.back().id = static_cast<fleet::MachineId>(machines.size());
        }
        return Model::proposed_name(fleet::FleetView(std::move(machines)));
    };
    CHECK(proposed({}) == "pc-01");
    CHECK(proposed({"lab1-07"}) == "lab1-08");
    CHECK(proposed({"lab1-08", "lab1-09"}) == "lab1-10");
    CHECK(proposed({"lab1-99"}) == "lab1-100");
    CHECK(proposed({"reception"}) == "reception-2");
    CHECK(proposed({"reception", "reception-2"}) == "reception-3");
}

TEST_CASE("The log keeps the latest events and hands all of them on", "[api][log]") {
    NullLog next;
    ManualClock clock;
    EventLog log(next, clock);
    int told = 0;
    log.on_event([&] { ++told; });
    for (int i = 0; i < 1500; ++i) {
        log.info("test.event", {{"number", i}});
    }
    CHECK(told == 1500);
    CHECK(log.latest(5000).size() == 1000);
    CHECK(log.latest(10).front().id == 1491);
    CHECK(log.latest(10, 1498).size() == 2);
    CHECK(log.latest(10, 1500).empty());
    log.debug("test.hidden");
    CHECK(told == 1500); // below the threshold
}
