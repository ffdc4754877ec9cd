#include "images/flatten_choice.hpp"
#include "images/limits.hpp"
#include "support/catch.hpp"

#include <array>

using namespace rootstock;
using namespace rootstock::images;

namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30U;
constexpr std::size_t longest = limits::flatten_depth;

FlattenWork work(const std::string& layer, std::size_t files, std::uint64_t needed, std::uint64_t freed) {
    return {{layer, {}}, files, needed * gib, freed * gib};
}

/// A row of layers, each on the one before it, under a disk.
LayerTree row_of(const std::vector<std::string>& files) {
    LayerTree tree;
    for (const std::string& file : files) {
        tree.layers.push_back({file, tree.layers.empty() ? std::string() : tree.layers.back().file, {}, {}, {}});
    }
    VolumeRow volume;
    volume.name = "data";
    volume.layer = files.back();
    tree.volumes = {volume};
    return tree;
}

void keep_snapshot(LayerTree& tree, const std::string& layer) { tree.snapshots.push_back({{DiskKind::volume, "data"}, layer, layer, {}, 0, {}}); }

} // namespace

TEST_CASE("Work is done when its chain is too long, or when little is written for what comes back", "[images][flatten]") {
    struct Row {
        FlattenWork work;
        bool done;
    };
    const std::array rows{
        Row{work("long", longest + 1, 40, 0), true},    // costs 40 GiB and gives nothing back
        Row{work("bound", longest, 40, 0), false},
        Row{work("cheap", 2, 8, 9), true},              // 8 bytes for each
        Row{work("dear", 2, 9, 10), false},
        Row{work("no gain", 2, 1, 1), false},
        Row{work("loss", 2, 2, 1), false},
    };
    for (const Row& row : rows) {
        INFO(row.work.what.layer);
        const auto choice = choose_flatten(std::array{row.work}, {});
        CHECK(choice.next.has_value() == row.done);
        CHECK_FALSE(choice.no_room);
    }
}

TEST_CASE("No limit comes near its alarm; what has no room lets others go first", "[images][flatten]") {
    const FlattenWork grows = work("grows", longest + 1, 20, 0);
    const FlattenWork shrinks = work("shrinks", 2, 20, 30);
    const auto in = [&](std::uint64_t used, std::uint64_t limit, const FlattenWork& each) {
        return choose_flatten(std::array{each}, std::array{FlattenRoom{used * gib, limit * gib}});
    };
    CHECK(in(69, 100, grows).next == grows);
    CHECK_FALSE(in(70, 100, grows).next);
    CHECK(in(70, 100, grows).no_room == grows);
    CHECK(in(74, 100, shrinks).next == shrinks);
    CHECK(in(75, 100, shrinks).no_room == shrinks);
    CHECK(in(1000, 0, grows).next == grows); // no limit
    const std::array rooms{FlattenRoom{10 * gib, 100 * gib}, FlattenRoom{72 * gib, 100 * gib}};
    const auto both = choose_flatten(std::array{grows, shrinks}, rooms);
    CHECK(both.next == shrinks);
    CHECK(both.no_room == grows);
}

TEST_CASE("What failed is left alone for longer and longer, and told once", "[images][flatten]") {
    FlattenPauses pauses;
    TimePoint now{};
    std::vector<std::int64_t> minutes;
    for (int round = 0; round < 11; ++round) {
        CHECK(pauses.failed("a", now) == (round == 0));
        const TimePoint since = now;
        while (pauses.pausing("a", now)) {
            now += std::chrono::minutes(1);
        }
        minutes.push_back(std::chrono::duration_cast<std::chrono::minutes>(now - since).count());
    }
    CHECK(minutes == std::vector<std::int64_t>{1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360});
    CHECK_FALSE(pauses.pausing("b", now));
    pauses.done("a");
    CHECK(pauses.failed("a", now)); // news again
}

TEST_CASE("The chain of a disk: what waits for a merge, how long it is, and what would be left", "[images][flatten]") {
    LayerTree tree = row_of({"a", "b", "c", "d"});
    keep_snapshot(tree, "b");
    CHECK(tree.merges() == std::vector<LayerTree::Shorter>{{"b", {}}, {"d", "b"}});
    CHECK(tree.longest_chain() == 4);
    CHECK(tree.longest_chain("c") == 4);
    CHECK(tree.long_chains(4).empty());
    CHECK(tree.long_chains(3) == std::vector<LayerTree::Shorter>{{"d", {}}});
    CHECK(tree.shorter(3) == LayerTree::Shorter{"b", {}});
    tree.put_parent({"b", {}});
    CHECK(tree.longest_chain() == 3);
    REQUIRE(tree.unneeded().size() == 1);
    CHECK(tree.unneeded().front().file == "a");
    keep_snapshot(tree, "c");
    CHECK(tree.merges().empty());
    CHECK(LayerTree().longest_chain() == 0);
}

TEST_CASE("The long chain of a disk ends on its version, which others share", "[images][flatten]") {
    LayerTree tree = row_of({"v1", "v2", "a", "b", "c"});
    for (const std::string file : {"v1", "v2"}) {
        tree.versions.push_back({});
        tree.versions.back().file = file;
    }
    using Works = std::vector<LayerTree::Shorter>;
    CHECK(tree.long_chains(5) == Works{});
    CHECK(tree.long_chains(4) == Works{{"c", "v2"}});
    CHECK(tree.long_chains(3) == Works{{"c", "v2"}});
    CHECK(tree.long_chains(2) == Works{{"v2", {}}}); // not the disk with all of the version
    CHECK(tree.long_chains(1) == Works{{"c", {}}, {"v2", {}}});
    tree.put_parent({"v2", {}});
    CHECK(tree.long_chains(2) == Works{{"c", "v2"}});
    tree.put_parent({"c", "v2"});
    CHECK(tree.long_chains(2) == Works{});
}
