// The API over the real database and the real store, as one router without sockets: what the tests of this folder share.
#pragma once

#include "api/router.hpp"
#include "core/text.hpp"
#include "db/database.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <atomic>
#include <fstream>
#include <thread>

namespace rootstock::test {

using namespace std::chrono_literals;
using Catch::Contains;
using http::Method;
namespace json = boost::json;

inline const Mac pc = *Mac::parse("52:54:00:aa:00:07");
inline const Mac new_pc = *Mac::parse("52:54:00:bb:00:07");

/// Moved by the test; read by other threads.
class TestClock final : public Clock {
  public:
    TimePoint now() const override { return SystemClock().now() + offset_.load(); }
    WallTime wall() const override {
        return SystemClock().wall() +
               std::chrono::duration_cast<WallTime::duration>(offset_.load());
    }
    void advance(Duration by) { offset_ = offset_.load() + by; }

  private:
    std::atomic<Duration> offset_{Duration::zero()};
};

struct World {
    World() {
        auto opened = db::Database::open(folder.file("rootstock.db"), clock);
        REQUIRE(opened);
        database = std::move(*opened);
        auto disks_store =
            images::open_store(*files, folder.path(), database->images(), log, clock);
        REQUIRE(disks_store);
        store = std::move(*disks_store);
        registry.emplace(database->fleet(), random, clock);
        REQUIRE(registry->load());
        settings.address = *Ipv4::parse("10.20.0.1");
        loaders.emplace(*registry, clients, log);
        scripts.emplace(settings, *registry, clients, log);
        disks.emplace(settings.names, *registry, *store, database->reservations(), log, clock);
        versions.emplace(*disks, *registry, *store, database->releases(), *files, log, clock);
        disks->choose_versions_by([this](const fleet::Machine& machine) { return versions->choose(machine); });
        api::ServerFacts facts;
        facts.config_file = "rootstock.toml";
        facts.data_directory = folder.path();
        router = api::make_router({*registry,
                                   *store,
                                   *files,
                                   *disks,
                                   *versions,
                                   *scripts,
                                   *loaders,
                                   log,
                                   clock,
                                   settings,
                                   facts,
                                   [this] { return database->leases().load(); },
                                   [this](bool apply) { return plan(apply); },
                                   [this] { return database->problems(); }});
    }
    Result<api::Plan, api::PlanFailure> plan(bool apply) {
        if (!problems.empty()) {
            return api::PlanFailure{problems, {}};
        }
        return api::Plan{{{apply ? "done" : "change", "machine/a", "image", "x", "y", "text"}},
                         {"note"}};
    }

    http::Response ask(Method method, std::string target, std::string body = {}) {
        http::Request request;
        request.method = method;
        const std::size_t question = target.find('?');
        request.path = target.substr(0, question);
        if (question != std::string::npos) {
            for (const std::string_view pair :
                 split(std::string_view(target).substr(question + 1), '&')) {
                request.query.emplace_back(pair.substr(0, pair.find('=')),
                                           pair.substr(pair.find('=') + 1));
            }
        }
        request.headers = {{"host", "10.20.0.1:8080"}, {"content-type", "application/json"}};
        request.body = std::move(body);
        request.remote_address = "10.20.0.107";
        http::Reply reply = router.handle(std::move(request));
        if (reply.held) {
            held = reply.held;
            return {};
        }
        return std::move(reply.response);
    }
    json::object get(const std::string& path, unsigned status = 200) {
        return parsed(ask(Method::get, path), status);
    }
    static json::object parsed(const http::Response& response, unsigned status) {
        INFO(response.text);
        REQUIRE(response.status == status);
        return json::parse(response.text).as_object();
    }
    void assign(const std::string& name, Mac mac) {
        parsed(
            ask(Method::post,
                "/api/v1/machines",
                R"({"name":")" + name + R"(","mac":")" + mac.text() + R"(","image":"debian12"})"),
            201);
    }
    void import() {
        std::ofstream(folder.file("image.raw")) << std::string(1 << 20, 'M');
        const auto response =
            ask(Method::post,
                "/api/v1/images",
                R"({"name":"debian12","source":")" + folder.file("image.raw") + "\"}");
        REQUIRE(response.stream);
        REQUIRE_THAT(drain(*response.stream),
                     Contains("{\"image\":{\"name\":\"debian12\",\"version\":1"));
    }
    static std::string drain(http::Stream& stream) {
        std::string all;
        while (auto next = stream.next()) {
            all += *next;
            if (next->empty()) {
                std::this_thread::sleep_for(2ms);
            }
        }
        return all;
    }

    test::TemporaryFolder folder;
    TestClock clock;
    SystemRandom random;
    NullLog quiet;
    api::EventLog log{quiet, clock};
    std::unique_ptr<images::FileSystem> files = images::make_posix_file_system();
    std::unique_ptr<db::Database> database;
    std::unique_ptr<images::Store> store;
    std::optional<fleet::Registry> registry;
    boot::Settings settings;
    boot::Clients clients{clock};
    std::optional<boot::Files> loaders;
    std::optional<boot::Scripts> scripts;
    std::optional<boot::Disks> disks;
    std::optional<boot::Versions> versions;
    std::vector<std::string> problems;
    http::Router router;
    std::shared_ptr<http::Held> held;
};

inline std::string text_at(const json::object& object, const char* key) {
    return std::string(object.at(key).as_string());
}

} // namespace rootstock::test
