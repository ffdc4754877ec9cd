#include "images/space_account.hpp"

#include "support/catch.hpp"

#include <thread>
#include <vector>

using namespace rootstock::images;

TEST_CASE("the nearest limit is the one that is named", "[images][space]") {
    const auto store = std::make_shared<SpaceBudget>();
    const auto group = std::make_shared<SpaceBudget>();
    SpaceAccount one(store);
    SpaceAccount other(store);
    one.join(group);
    other.join(group);
    REQUIRE(one.may_take(1'000'000)); // no limits at all
    store->set_limit(100);
    group->set_limit(50);
    one.set_limit(20);
    one.add(20);
    REQUIRE(one.obstacle(1) == SpaceScope::disk);
    REQUIRE(other.may_take(30));
    other.add(30);
    REQUIRE(other.obstacle(1) == SpaceScope::group);
    other.join(nullptr);
    REQUIRE(group->used() == 20);
    REQUIRE(other.may_take(50));
    REQUIRE(other.obstacle(51) == SpaceScope::store);
}

TEST_CASE("what is given back, settled or forgotten is everybody's again", "[images][space]") {
    const auto store = std::make_shared<SpaceBudget>();
    const auto group = std::make_shared<SpaceBudget>();
    {
        SpaceAccount disk(store);
        disk.add(100);
        disk.join(group);
        REQUIRE(group->used() == 100);
        disk.give_back(30);
        REQUIRE(store->used() == 70);
        disk.give_back(1000); // holes were never charged
        REQUIRE(disk.used() == 0);
        disk.settle(42);
        REQUIRE(group->used() == 42);
        REQUIRE(store->used() == 42);
    }
    REQUIRE(group->used() == 0);
    REQUIRE(store->used() == 0);
}

TEST_CASE("a refusal is told once", "[images][space]") {
    SpaceAccount disk;
    disk.note_refusal(SpaceScope::group);
    disk.note_refusal(SpaceScope::group);
    REQUIRE_FALSE(disk.take_refusal(SpaceScope::disk));
    REQUIRE(disk.take_refusal(SpaceScope::group));
    REQUIRE_FALSE(disk.take_refusal(SpaceScope::group));
}

TEST_CASE("disks that share a budget from several threads lose no byte of it", "[images][space]") {
    const auto store = std::make_shared<SpaceBudget>();
    std::vector<std::unique_ptr<SpaceAccount>> disks;
    std::vector<std::thread> threads;
    for (int at = 0; at < 4; ++at) {
        disks.push_back(std::make_unique<SpaceAccount>(store));
        threads.emplace_back([disk = disks.back().get()] {
            for (int turn = 0; turn < 20'000; ++turn) {
                disk->add(3);
                disk->give_back(1);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    REQUIRE(store->used() == 4 * 20'000 * 2);
}
