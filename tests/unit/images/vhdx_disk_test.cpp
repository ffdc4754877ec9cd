// What a disk does to its file, operation by operation, and what it does when the file refuses. Power cuts: tests/sim/images.

#include "images/live_map.hpp"
#include "images/overlay.hpp"

#include "support/catch.hpp"
#include "support/disk_model.hpp"
#include "support/sim_file.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::test;
using block::IoError;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
constexpr std::uint64_t disk_bytes = 64 * mib;
const std::string path = "/data/lab1-07.vhdx";

struct Bench {
    SimFileSystem files;
    std::shared_ptr<images::Overlay> disk;

    Bench() {
        REQUIRE(files.make_directories("/data"));
        REQUIRE(images::create_persistent_overlay(files, path, PatternMaster(disk_bytes)));
        open();
    }
    void open() {
        disk.reset();
        auto opened = images::open_persistent_overlay(files, path, std::make_shared<PatternMaster>(disk_bytes));
        INFO((opened ? "" : opened.error().what));
        REQUIRE(opened);
        disk = *opened;
        static_cast<void>(files.take_operations());
    }
    void write(Tag tag, std::uint64_t first, std::uint64_t count) const {
        REQUIRE(disk->write(first * model_sector, pattern(tag, first, count), false));
    }
    [[nodiscard]] ByteVector read(std::uint64_t first, std::uint64_t count) const {
        ByteVector bytes(count * model_sector);
        REQUIRE(disk->read(first * model_sector, bytes));
        return bytes;
    }
    /// Operations on the disk's own file since the last call.
    std::vector<SimOperation> operations() {
        auto all = files.take_operations();
        std::erase_if(all, [](const SimOperation& operation) { return operation.path != path; });
        return all;
    }
};

std::size_t count(const std::vector<SimOperation>& operations, SimAction action) {
    return static_cast<std::size_t>(std::count_if(operations.begin(), operations.end(), [&](const auto& o) { return o.action == action; }));
}

class Collect final : public block::ReadSink {
  public:
    void mapped(Bytes) override { FAIL("nothing is mapped here"); }
    MutableBytes buffer(std::size_t size) override {
        pieces.emplace_back(size);
        return pieces.back();
    }
    void zeros(std::size_t size) override { pieces.emplace_back(size); }
    std::vector<ByteVector> pieces;
};

std::optional<Error> disk_full(const SimOperation& operation) {
    return operation.action == SimAction::write ? std::optional(make_error(std::errc::no_space_on_device, "disk full")) : std::nullopt;
}

} // namespace

TEST_CASE("a first 4 KiB write into a new block is one write of 4 KiB", "[images][disk]") {
    Bench bench;
    bench.write(9, 80, 8); // grows the file once
    static_cast<void>(bench.operations());
    bench.write(9, 5 * 4096, 8);
    const auto operations = bench.operations();
    REQUIRE(operations.size() == 1);
    REQUIRE(operations[0].action == SimAction::write);
    REQUIRE(operations[0].length == 4096);
}

TEST_CASE("a flush is two syncs however many blocks are new, one without new ones, none without writes", "[images][disk]") {
    Bench bench;
    for (std::uint64_t block = 0; block < 30; ++block) {
        bench.write(9, block * 4096 + 8, 8);
    }
    static_cast<void>(bench.operations());
    REQUIRE(bench.disk->flush());
    REQUIRE(count(bench.operations(), SimAction::sync) == 2);
    bench.write(10, 8, 8);
    REQUIRE(bench.disk->flush());
    REQUIRE(count(bench.operations(), SimAction::sync) == 1);
    REQUIRE(bench.disk->flush());
    REQUIRE(bench.operations().empty());
}

TEST_CASE("FUA on sectors that are durably owned is one durable write, elsewhere it flushes", "[images][disk]") {
    Bench bench;
    bench.write(9, 8, 8);
    REQUIRE(bench.disk->flush());
    static_cast<void>(bench.operations());
    REQUIRE(bench.disk->write(8 * model_sector, pattern(10, 8, 8), true));
    auto operations = bench.operations();
    REQUIRE(operations.size() == 1);
    REQUIRE(operations[0].action == SimAction::durable_write);
    REQUIRE(bench.disk->write(16 * model_sector, pattern(10, 16, 8), true));
    operations = bench.operations();
    REQUIRE(count(operations, SimAction::sync) == 2);
}

TEST_CASE("zeroing part of a block writes no data", "[images][disk]") {
    Bench bench;
    bench.write(9, 0, 8);
    static_cast<void>(bench.operations());
    REQUIRE(bench.disk->discard(4 * model_sector, 8 * model_sector));
    const auto operations = bench.operations();
    REQUIRE(operations.size() == 1);
    REQUIRE(operations[0].action == SimAction::punch);
    REQUIRE(bench.read(0, 4) == pattern(9, 0, 4));
    REQUIRE(bench.read(4, 8) == pattern(zeros_tag, 4, 8));
    REQUIRE(bench.read(12, 1) == pattern(parent_tag, 12, 1));
}

TEST_CASE("a discarded block reads zeros at once and gives its space back only after the flush", "[images][disk]") {
    Bench bench;
    bench.write(9, 0, 4096);
    REQUIRE(bench.disk->flush());
    static_cast<void>(bench.operations());
    REQUIRE(bench.disk->discard(0, 2 * mib));
    REQUIRE(bench.operations().empty());
    REQUIRE(bench.read(0, 1) == pattern(zeros_tag, 0, 1));
    REQUIRE(bench.disk->flush());
    const auto operations = bench.operations();
    REQUIRE(operations.back().action == SimAction::punch);
    REQUIRE(count(operations, SimAction::sync) == 2);
    REQUIRE_FALSE(bench.disk->extent(0, 2 * mib).mapped);
}

TEST_CASE("a place that was given up is used for the next new block", "[images][disk]") {
    Bench bench;
    bench.write(9, 0, 4096);
    REQUIRE(bench.disk->discard(0, 2 * mib));
    REQUIRE(bench.disk->flush());
    static_cast<void>(bench.operations());
    bench.write(10, 4096, 8);
    bench.write(10, 0, 8); // over zeros: the rest of the block must be zeros, not what was there
    REQUIRE(bench.read(8, 8) == pattern(zeros_tag, 8, 8));
    REQUIRE(bench.read(4104, 8) == pattern(parent_tag, 4104, 8));
}

TEST_CASE("try_read gives the parent's piece and the overlay's, in order", "[images][disk]") {
    Bench bench;
    bench.write(9, 8, 8);
    Collect sink;
    REQUIRE(bench.disk->try_read(0, 24 * model_sector, true, sink).status == block::TryStatus::done);
    REQUIRE(sink.pieces == std::vector{pattern(parent_tag, 0, 8), pattern(9, 8, 8), pattern(parent_tag, 16, 8)});
}

TEST_CASE("try_write does whole pages in place and leaves the rest to write()", "[images][disk]") {
    Bench bench;
    const auto try_write = [&](std::uint64_t first, std::uint64_t sectors) {
        return bench.disk->try_write(first * model_sector, pattern(10, first, sectors)).status;
    };
    REQUIRE(try_write(0, 8) == block::TryStatus::would_block); // the file has to grow
    bench.write(9, 0, 8);
    REQUIRE(try_write(0, 8) == block::TryStatus::done);
    REQUIRE(try_write(8, 8) == block::TryStatus::done);
    REQUIRE(try_write(1, 8) == block::TryStatus::would_block);
    REQUIRE(try_write(0, 136) == block::TryStatus::would_block);
    REQUIRE(bench.read(0, 16) == pattern(10, 0, 16));
    REQUIRE(bench.disk->try_write(disk_bytes, pattern(10, 0, 8)).error == IoError::out_of_range);
}

TEST_CASE("a full disk fails the write that needs space, and nothing else", "[images][disk]") {
    Bench bench;
    bench.write(9, 0, 8);
    bench.files.fail_when(disk_full);
    REQUIRE(bench.disk->write(4096 * model_sector, pattern(10, 4096, 8), false).error() == IoError::no_space);
    REQUIRE(bench.disk->flush().error() == IoError::no_space); // there is no room for the log
    REQUIRE(bench.read(0, 8) == pattern(9, 0, 8));
    REQUIRE(bench.read(4096, 8) == pattern(parent_tag, 4096, 8));

    SECTION("space comes back: flushes succeed again, and everything acknowledged is durable") {
        bench.files.fail_when({});
        bench.write(11, 8192, 8);
        REQUIRE(bench.disk->flush());
        const auto files = bench.files.after_power_loss({1, 0, 512});
        const auto disk = images::open_persistent_overlay(*files, path, std::make_shared<PatternMaster>(disk_bytes));
        REQUIRE(disk);
        ByteVector bytes(8 * model_sector);
        REQUIRE((*disk)->read(0, bytes));
        REQUIRE(bytes == pattern(9, 0, 8));
        REQUIRE((*disk)->read(8192 * model_sector, bytes));
        REQUIRE(bytes == pattern(11, 8192, 8));
    }
    SECTION("the process dies: what was acknowledged is there") {
        const auto files = bench.files.after_process_death();
        const auto disk = images::open_persistent_overlay(*files, path, std::make_shared<PatternMaster>(disk_bytes));
        REQUIRE(disk);
        ByteVector bytes(8 * model_sector);
        REQUIRE((*disk)->read(0, bytes));
        REQUIRE(bytes == pattern(9, 0, 8));
    }
}

TEST_CASE("a failed write leaves nothing behind for a later block to show", "[images][disk]") {
    Bench bench;
    REQUIRE(bench.disk->discard(0, 2 * mib));
    bench.write(9, 8192, 8);
    bench.files.fail_when(disk_full);
    REQUIRE_FALSE(bench.disk->write(0, pattern(10, 0, 8), false));
    bench.files.fail_when({});
    bench.write(11, 100, 1);
    REQUIRE(bench.read(0, 8) == pattern(zeros_tag, 0, 8));
}

TEST_CASE("after a failed sync no flush claims success", "[images][disk]") {
    Bench bench;
    bench.write(9, 0, 8);
    bench.files.fail_when([](const SimOperation& operation) {
        return operation.action == SimAction::sync ? std::optional(make_error(std::errc::io_error, "sync failed")) : std::nullopt;
    });
    REQUIRE(bench.disk->flush().error() == IoError::medium);
    bench.files.fail_when({});
    REQUIRE(bench.disk->flush().error() == IoError::medium);
    REQUIRE_FALSE(bench.disk->close());
    bench.open(); // as after a crash
    REQUIRE(bench.read(0, 8) == pattern(9, 0, 8));
}

TEST_CASE("a quota stops new sectors, not old ones, reads or discards", "[images][disk]") {
    Bench bench;
    const auto account = std::make_shared<images::SpaceAccount>();
    account->set_limit(16 * model_sector);
    bench.disk->charge_to(account);
    bench.write(9, 0, 16);
    REQUIRE(bench.disk->write(4096 * model_sector, pattern(10, 4096, 1), false).error() == IoError::quota);
    bench.write(10, 0, 16);
    REQUIRE(bench.disk->discard(0, 2 * mib));
    REQUIRE(account->used() == 0);
    bench.write(11, 4096, 8);
    REQUIRE(account->used() == 8 * model_sector);
}

TEST_CASE("many new blocks without a flush are flushed when the live map is full", "[images][disk]") {
    Bench bench;
    // Every second sector: no two of them are one change.
    for (std::uint64_t sector = 0; sector < 2 * 20'000; sector += 2) {
        bench.write(9, sector, 1);
    }
    REQUIRE(count(bench.operations(), SimAction::sync) >= 2);
    const auto files = bench.files.after_process_death();
    const auto disk = images::open_persistent_overlay(*files, path, std::make_shared<PatternMaster>(disk_bytes));
    REQUIRE(disk);
    ByteVector bytes(model_sector);
    for (std::uint64_t sector = 0; sector < 2 * 20'000; ++sector) {
        REQUIRE((*disk)->read(sector * model_sector, bytes));
        REQUIRE(bytes == pattern(sector % 2 == 0 ? 9 : parent_tag, sector, 1));
    }
}

TEST_CASE("a log without space stops new sectors only once the live map is full, and all goes on when there is space", "[images][disk]") {
    constexpr std::uint64_t log_end = 9 * mib;
    Bench bench;
    bench.write(9, 0, 1);
    bench.files.fail_when([](const SimOperation& operation) {
        const bool to_log = operation.action == SimAction::write && operation.offset < log_end;
        return to_log ? std::optional(make_error(std::errc::no_space_on_device, "disk full")) : std::nullopt;
    });
    const auto write = [&](std::uint64_t sector) { return static_cast<bool>(bench.disk->write(sector * model_sector, pattern(9, sector, 1), false)); };
    std::uint64_t sector = 2;
    while (write(sector) || write(sector)) { // the first to find a half full tries to flush, and fails; then there is the other half
        sector += 2;
    }
    REQUIRE(sector > 2 * images::live_half_changes);
    bench.write(10, 0, 1); // in place
    bench.files.fail_when({});
    bench.write(9, sector, 1);
    bench.write(9, sector + 2, 1);
    REQUIRE(bench.disk->flush());
    const auto files = bench.files.after_power_loss({1, 0, 512});
    const auto disk = images::open_persistent_overlay(*files, path, std::make_shared<PatternMaster>(disk_bytes));
    REQUIRE(disk);
    ByteVector bytes(model_sector);
    for (std::uint64_t at = 2; at <= sector + 2; at += 2) {
        REQUIRE((*disk)->read(at * model_sector, bytes));
        REQUIRE(bytes == pattern(9, at, 1));
    }
}

TEST_CASE("a disk is open once", "[images][disk]") {
    Bench bench;
    const auto second = images::open_persistent_overlay(bench.files, path, std::make_shared<PatternMaster>(disk_bytes));
    REQUIRE_FALSE(second);
    REQUIRE_THAT(second.error().what, Catch::Contains("another process"));
}

TEST_CASE("a closed disk answers nothing more", "[images][disk]") {
    Bench bench;
    bench.write(9, 0, 8);
    REQUIRE(bench.disk->close());
    ByteVector bytes(model_sector);
    REQUIRE(bench.disk->read(0, bytes).error() == IoError::gone);
    REQUIRE(bench.disk->write(0, bytes, false).error() == IoError::gone);
    REQUIRE(bench.disk->flush().error() == IoError::gone);
    REQUIRE(bench.disk->close());
}

TEST_CASE("a wrong parent is refused in words", "[images][disk]") {
    Bench bench;
    REQUIRE(bench.disk->close());
    bench.disk.reset();
    REQUIRE(images::create_volume(bench.files, "/data/v.vhdx", disk_bytes));
    const auto other_size = images::open_persistent_overlay(bench.files, path, std::make_shared<PatternMaster>(disk_bytes + mib));
    REQUIRE_FALSE(other_size);
    REQUIRE_THAT(other_size.error().what, Catch::Contains(path) && Catch::Contains("size"));
    REQUIRE_FALSE(images::open_volume(bench.files, path));
    REQUIRE_FALSE(images::open_persistent_overlay(bench.files, "/data/v.vhdx", std::make_shared<PatternMaster>(disk_bytes)));
}
