#include "images/boot_trace.hpp"

#include "images/limits.hpp"
#include "images/trace_recorder.hpp"
#include "support/store_host.hpp"

using namespace rootstock;
using namespace rootstock::images;
using namespace rootstock::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
const TimePoint begun{1h};

/// A store with an imported image, and a machine that boots it.
struct Boots : Host {
    std::unique_ptr<Store> store = open();

    Boots() { REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress)); }

    std::shared_ptr<Overlay> boot(const std::string& machine, OverlayKind kind = OverlayKind::persistent) {
        REQUIRE(store->close_machine_disk(machine));
        REQUIRE(store->begin_boot(machine));
        auto disk = store->open_machine_disk(machine, "win11", kind);
        INFO(error_of(disk));
        REQUIRE(disk);
        return *disk;
    }
    void pass(Duration time) {
        clock.advance(time);
        store->review_traces();
    }
    [[nodiscard]] std::optional<BootTrace> trace(std::uint32_t version = 1) { return *catalogue.traces().find("win11", version); }
};

} // namespace

TEST_CASE("Reads are merged into blocks, and what is read twice counts once", "[images][trace]") {
    ReadMarks marks;
    const auto read = [&](std::uint64_t offset, std::uint64_t length) {
        marks.add(offset, length);
        marks.count_read();
    };
    read(4096, 8192);
    read(4096, 4096);
    read(2 * mib - 512, 1024); // the ends of two blocks
    read(9 * mib + 512, 512);
    const BootTrace trace = marks.trace();
    CHECK(trace.blocks == std::vector<std::uint32_t>{0, 1, 4});
    CHECK(trace.facts.reads == 4);
    CHECK(trace.facts.bytes == 5 * 4096);
    CHECK(trace.facts.block_count == 3);
}

TEST_CASE("A recording remembers no more blocks than its bound", "[images][trace]") {
    ReadMarks marks;
    for (std::uint64_t block = 0; block < limits::trace_blocks; ++block) {
        marks.add(block * trace_block_bytes, 1);
    }
    marks.add(limits::trace_blocks * trace_block_bytes - 4096, 8192); // of two blocks: one known, one beyond the bound
    marks.add(std::uint64_t{64} << 40U, 4096);
    CHECK(marks.trace().blocks.size() == limits::trace_blocks);
    CHECK(marks.pages() == limits::trace_blocks + 1);
}

TEST_CASE("A recording is over when a system that runs reads nothing new", "[images][trace]") {
    TraceWatch watch(begun);
    CHECK(watch.look(begun + 30s, false, false, 100) == TraceVerdict::goes_on);
    CHECK(watch.look(begun + 40s, true, false, 200) == TraceVerdict::goes_on);
    CHECK(watch.look(begun + 44s, true, false, 300) == TraceVerdict::goes_on);
    CHECK(watch.look(begun + 48s, true, false, 300) == TraceVerdict::goes_on);
    CHECK(watch.look(begun + 49s, true, false, 300) == TraceVerdict::complete);
}

TEST_CASE("A system that never stops to read is recorded for a time", "[images][trace]") {
    TraceWatch watch(begun);
    std::uint64_t pages = 1;
    TimePoint now = begun;
    for (; now < begun + trace_after_running; now += 1s) {
        REQUIRE(watch.look(now, true, false, ++pages) == TraceVerdict::goes_on);
    }
    CHECK(watch.look(now, true, false, ++pages) == TraceVerdict::complete);
}

TEST_CASE("A boot that never runs leaves no trace", "[images][trace]") {
    CHECK(TraceWatch(begun).look(begun + 1s, false, true, 100) == TraceVerdict::aborted);
    CHECK(TraceWatch(begun).look(begun + trace_patience, false, false, 100) == TraceVerdict::aborted);
    CHECK(TraceWatch(begun).look(begun + 1s, true, true, 0) == TraceVerdict::aborted); // it wrote, and read nothing: no system
    CHECK(TraceWatch(begun).look(begun + 1s, true, true, 100) == TraceVerdict::complete);
}

TEST_CASE("The first boot of a version leaves its trace: what came from the master, not what is the machine's own", "[images][trace]") {
    Boots boots;
    const OverlayKind kind = GENERATE(OverlayKind::persistent, OverlayKind::reset);
    const auto disk = boots.boot("lab1-07", kind);
    write_sectors(*disk, 9, 0, 8); // a page of its own
    read_sectors(*disk, 0, 16);
    read_sectors(*disk, 8, 8);
    read_sectors(*disk, 4 * mib / model_sector, 8);
    boots.pass(1s);
    boots.store->note_running("lab1-07");
    boots.pass(1s);
    CHECK_FALSE(boots.trace());
    boots.pass(trace_quiet);

    const auto trace = boots.trace();
    REQUIRE(trace);
    CHECK(trace->blocks == std::vector<std::uint32_t>{0, 2});
    CHECK(trace->facts == TraceFacts{3, 2 * 4096, 2, "lab1-07", boots.clock.wall()});
    CHECK(boots.store->version_uses("win11")->front().trace == trace->facts);

    read_sectors(*disk, 2 * mib / model_sector, 8);
    boots.pass(trace_after_running);
    CHECK(boots.trace() == trace);
}

TEST_CASE("A version is recorded once, by one machine", "[images][trace]") {
    Boots boots;
    const auto first = boots.boot("lab1-01");
    const auto second = boots.boot("lab1-02");
    read_sectors(*first, 0, 8);
    read_sectors(*second, 4 * mib / model_sector, 8);
    boots.store->note_running("lab1-01");
    boots.store->note_running("lab1-02");
    boots.pass(1s);
    boots.pass(trace_quiet);
    REQUIRE(boots.trace());
    CHECK(boots.trace()->facts.machine == "lab1-01");
    CHECK(boots.trace()->blocks == std::vector<std::uint32_t>{0});

    const auto third = boots.boot("lab1-03");
    read_sectors(*third, 4 * mib / model_sector, 8);
    boots.store->note_running("lab1-03");
    boots.pass(1s);
    boots.pass(trace_quiet);
    CHECK(boots.trace()->facts.machine == "lab1-01");
}

TEST_CASE("An aborted boot leaves no trace, and the next one is recorded", "[images][trace]") {
    Boots boots;
    {
        const auto disk = boots.boot("lab1-07");
        read_sectors(*disk, 4 * mib / model_sector, 8);
    }
    const auto disk = boots.boot("lab1-07");
    read_sectors(*disk, 0, 8);
    boots.store->note_running("lab1-07");
    boots.pass(1s);
    boots.pass(trace_quiet);
    REQUIRE(boots.trace());
    CHECK(boots.trace()->blocks == std::vector<std::uint32_t>{0});
}

TEST_CASE("A disk that is only opened again, and the machine that writes the next version, are not recorded", "[images][trace]") {
    Boots boots;
    const bool writes = GENERATE(false, true);
    if (writes) {
        REQUIRE(boots.store->begin_maintenance({"win11", "lab1-07", boots.clock.wall()}));
        REQUIRE(boots.store->begin_boot("lab1-07"));
    }
    const auto disk = *boots.store->open_machine_disk("lab1-07", "win11", OverlayKind::persistent);
    read_sectors(*disk, 0, 8);
    boots.store->note_running("lab1-07");
    boots.pass(1s);
    boots.pass(trace_quiet);
    CHECK_FALSE(boots.trace());
}

TEST_CASE("A trace goes with its version", "[images][trace]") {
    Boots boots;
    REQUIRE(boots.catalogue.traces().put("win11", 1, {{1, 4096, 1, "lab1-07", {}}, {0}}));
    REQUIRE(boots.store->import({"/srv/win11.raw"}, "win11", no_progress));
    REQUIRE(boots.store->remove_version("win11", 1));
    CHECK_FALSE(boots.trace());
}
