// Volumes over the API: disks and CD-ROMs.
#include "api_world.hpp"
#include "support/iso_file.hpp"

using namespace rootstock;
using namespace rootstock::test;

TEST_CASE("API: volumes", "[api][volumes]") {
    World world;
    auto volume = World::parsed(world.ask(Method::post,
                                          "/api/v1/volumes",
                                          R"({"name":"data","size":"64M","initiators":["*"]})"),
                                201);
    CHECK(volume.at("size_bytes").as_int64() == 64 << 20);
    CHECK(text_at(volume, "target") == "iqn.2026-01.internal.rootstock:volume.data");
    CHECK(world.ask(Method::post, "/api/v1/volumes", R"({"name":"data","size":"64M"})").status ==
          409);
    volume = World::parsed(
        world.ask(Method::patch, "/api/v1/volumes/data", R"({"initiators":["lab1-07"]})"), 200);
    CHECK(text_at(world.get("/api/v1/volumes/data"), "name") == "data");
    CHECK(volume.at("initiators").as_array().size() == 1);
    const auto guarded = world.ask(Method::patch, "/api/v1/volumes/data", R"({"chap":{"user":"backup","secret":"at least 12 bytes"}})");
    CHECK(text_at(World::parsed(guarded, 200), "chap_user") == "backup");
    CHECK_THAT(guarded.text, !Contains("12 bytes"));
    volume = World::parsed(world.ask(Method::patch, "/api/v1/volumes/data", R"({"moved_to":"10.20.0.2"})"), 200);
    CHECK(text_at(volume, "moved_to") == "10.20.0.2:3260");
    CHECK(world.ask(Method::patch, "/api/v1/volumes/data", R"({"moved_to":"over there"})").status == 400);
    volume = World::parsed(world.ask(Method::patch, "/api/v1/volumes/data", R"({"moved_to":null})"), 200);
    CHECK(volume.at("moved_to").is_null());
    CHECK(world.ask(Method::delete_, "/api/v1/volumes/data").status == 204);
    CHECK(world.get("/api/v1/volumes").at("volumes").as_array().empty());
}

TEST_CASE("API: a CD-ROM, and the images in it", "[api][volumes][iso]") {
    World world;
    const std::string first = write_iso(world.folder, "a.iso", 40 << 10, 'a'), second = write_iso(world.folder, "b.iso", 80 << 10, 'b');
    const auto create = [&](const std::string& more) {
        return world.ask(Method::post, "/api/v1/volumes", R"({"name":"debian","iso":")" + first + "\"" + more + "}");
    };
    CHECK(create(R"(,"size":"1G")").status == 400);
    CHECK(create(R"(,"read_only":false)").status == 400);
    auto volume = World::parsed(create(""), 201);
    CHECK(text_at(volume, "kind") == "cdrom");
    CHECK(text_at(volume, "iso") == first);
    CHECK(volume.at("size_bytes").as_int64() == 40 << 10);
    CHECK(volume.at("block_size").as_int64() == 2048);
    volume = World::parsed(world.ask(Method::patch, "/api/v1/volumes/debian", R"({"iso":")" + second + "\"}"), 200);
    CHECK(volume.at("size_bytes").as_int64() == 80 << 10);
    CHECK(world.ask(Method::patch, "/api/v1/volumes/debian", R"({"iso":"relative.iso"})").status == 400);
    CHECK(world.ask(Method::patch, "/api/v1/volumes/debian", R"({"size":"1G"})").status == 400);
}
