// Versions of images over the API.
#include "api_world.hpp"

using namespace rootstock;
using namespace rootstock::test;

TEST_CASE("API: the versions of an image, from the update to the rollback", "[api][versions]") {
    World world;
    world.import();
    world.assign("lab1-07", pc);
    world.assign("lab1-08", new_pc);
    const auto post = [&](const std::string& path, const std::string& body) { return world.ask(Method::post, "/api/v1/" + path, body); };
    const auto update = World::parsed(post("images/debian12/update", R"({"machine":"lab1-07"})"), 200);
    CHECK(update.at("version") == 1);
    CHECK(update.at("disk_kept") == false);
    CHECK(world.get("/api/v1/machines/lab1-07").at("mode") == "maintenance");
    CHECK(world.get("/api/v1/images/debian12").at("maintenance").at("machine") == "lab1-07");
    World::parsed(post("images/debian12/update", R"({"machine":"lab1-08"})"), 409);
    World::parsed(world.ask(Method::patch, "/api/v1/machines/lab1-07", R"({"mode":"reset"})"), 409);
    World::parsed(world.ask(Method::patch, "/api/v1/machines/lab1-08", R"({"mode":"maintenance"})"), 400);

    {
        const auto disk = world.store->open_machine_disk("lab1-07", "debian12", images::OverlayKind::persistent);
        REQUIRE(disk);
        REQUIRE((*disk)->write(0, ByteVector(512, 'N'), false));
    }
    World::parsed(post("images/debian12/publish", R"({"percent":10,"machines":["lab1-08"]})"), 400);
    World::parsed(post("images/debian12/publish", R"({"percent":0})"), 400);
    const auto last_line = [&](const std::string& body) { // and lets go of the stream, as a connection does: one publication at a time
        const auto answer = post("images/debian12/publish", body);
        REQUIRE(answer.stream);
        return World::drain(*answer.stream);
    };
    CHECK_THAT(last_line(R"({"dry_run":true})"), Contains(R"("changed_bytes":512)") && Contains(R"("at_next_boot":["lab1-08"])"));
    CHECK(world.get("/api/v1/images/debian12").at("version") == 1);
    CHECK_THAT(last_line(R"({"machines":["lab1-08"],"minimum_boots":2})"), Contains(R"("version":2)") && Contains(R"("audience":"machines")"));

    const json::object image = world.get("/api/v1/images/debian12");
    CHECK(image.at("version") == 1); // the release is for one machine alone
    CHECK(image.at("maintenance").is_null());
    CHECK(image.at("versions").as_array().size() == 2);
    CHECK(image.at("releases").at(0).at("minimum_boots") == 2);
    CHECK(world.get("/api/v1/machines/lab1-07").at("mode") == "persistent");
    World::parsed(post("images/debian12/release", R"({"version":2})"), 200);
    CHECK(world.get("/api/v1/images/debian12").at("version") == 2);
    World::parsed(post("images/debian12/release", R"({"version":3})"), 404);
    World::parsed(post("images/debian12/rollback", R"({"to":1})"), 200);
    CHECK(world.get("/api/v1/images/debian12").at("version") == 1);
    const auto pruned = World::parsed(post("images/debian12/prune", R"({"keep":1,"dry_run":true})"), 200);
    CHECK(pruned.at("versions").as_array().size() == 2);
    CHECK(world.ask(Method::delete_, "/api/v1/images/debian12/update").status == 409);
}
