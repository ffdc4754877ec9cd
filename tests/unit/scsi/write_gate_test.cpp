#include "scsi/write_gate.hpp"

#include "support/catch.hpp"
#include "support/scsi_host.hpp"

#include <future>
#include <mutex>
#include <random>
#include <thread>

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;

namespace {

constexpr std::size_t block_size = 512;

/// What a block of the race says: who wrote it, and what it must have replaced when that was a COMPARE AND WRITE.
struct Tag {
    std::uint64_t own = 0;
    std::uint64_t expected = 0; // 0: a plain write, which replaces anything
    bool operator==(const Tag&) const = default;
};
ByteVector block_of(const Tag& tag) {
    ByteVector block(block_size);
    std::memcpy(block.data(), &tag, sizeof tag);
    return block;
}

/// One block that keeps account of all that was written to it, and lets a test look in between a read and a write.
class LoggingDevice final : public block::BlockDevice {
  public:
    [[nodiscard]] block::Geometry geometry() const override { return test::test_geometry(1 << 20); }
    block::TryRead try_read(std::uint64_t, std::size_t length, bool, block::ReadSink& sink) override {
        (void)read(0, sink.buffer(length));
        return {};
    }
    Result<void, block::IoError> read(std::uint64_t, MutableBytes out) override {
        {
            const std::lock_guard lock(mutex_);
            const ByteVector block = block_of(log.back());
            std::copy_n(block.begin(), std::min(out.size(), block.size()), out.begin());
        }
        if (after_read) {
            after_read();
        }
        return {};
    }
    block::TryWrite try_write(std::uint64_t, Bytes data) override {
        const std::lock_guard lock(mutex_);
        log.push_back(from_bytes<Tag>(data));
        return {};
    }
    Result<void, block::IoError> write(std::uint64_t offset, Bytes data, bool) override {
        try_write(offset, data);
        return {};
    }
    Result<void, block::IoError> flush() override { return {}; }
    Result<void, block::IoError> discard(std::uint64_t, std::uint64_t) override {
        const std::lock_guard lock(mutex_);
        log.push_back({});
        return {};
    }

    std::vector<Tag> log{Tag{}};
    std::function<void()> after_read;

  private:
    std::mutex mutex_;
};

ByteVector compare_and_write(const Tag& expected, const Tag& replacement) {
    ByteVector data = block_of(expected);
    const ByteVector behind = block_of(replacement);
    data.insert(data.end(), behind.begin(), behind.end());
    return data;
}
BlockIo changing_io(BlockIo::Op op) {
    BlockIo io;
    io.op = op;
    io.length = block_size;
    io.data = op == BlockIo::Op::compare_and_write ? compare_and_write({}, {1, 0}) : block_of({1, 0});
    io.ranges = {{0, block_size}};
    return io;
}
const ByteVector compare_and_write_cdb = CdbBuilder(0x89).byte(13, 1);

} // namespace

TEST_CASE("COMPARE AND WRITE: between its read and its write nobody writes, by any command", "[scsi][gate]") {
    auto device = std::make_shared<LoggingDevice>();
    auto unit = make_disk_unit(device, identity_from_name("test"));
    test::ScsiSession session(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    std::vector<std::thread> writers;
    std::atomic<int> written{0};
    device->after_read = [&] {
        if (!writers.empty()) {
            return;
        }
        const ByteVector plain = block_of({7, 0});
        REQUIRE(unit->device().try_write(0, plain).status == block::TryStatus::would_block);
        writers.emplace_back([&] { written += unit->device().write(0, block_of({8, 0}), false) ? 1 : 0; });
        writers.emplace_back([&] { written += unit->device().discard(0, block_size) ? 1 : 0; });
        writers.emplace_back([&] { written += other.run(CdbBuilder(0x93).u32(10, 1), block_of({9, 0})).good() ? 1 : 0; });
    };
    REQUIRE(session.run(compare_and_write_cdb, compare_and_write({}, {1, 0})).good());
    for (std::thread& writer : writers) {
        writer.join();
    }
    REQUIRE(written == 3);
    REQUIRE(device->log.size() == 5);
    REQUIRE(device->log.at(1) == Tag{1, 0});
    REQUIRE(unit->device().try_write(0, block_of({7, 0})).status == block::TryStatus::done);
}

TEST_CASE("COMPARE AND WRITE: in a race with plain writes each replaces exactly what it compared", "[scsi][gate]") {
    auto device = std::make_shared<LoggingDevice>();
    auto unit = make_disk_unit(device, identity_from_name("test"));
    std::atomic<std::uint64_t> next{1};
    std::atomic<int> comparing{2};
    std::atomic<int> replaced{0};
    const auto compare = [&](int who) {
        test::ScsiSession session(unit, "iqn." + std::to_string(who) + ",i,0x1");
        for (int round = 0; round < 2000; ++round) {
            const auto seen = from_bytes<Tag>(session.run(CdbBuilder(0x28).u16(7, 1)).data_in);
            const Tag mine{next.fetch_add(1), seen.own + 1}; // + 1: never 0
            replaced += session.run(compare_and_write_cdb, compare_and_write(seen, mine)).good() ? 1 : 0;
        }
        --comparing;
    };
    const auto write = [&] {
        while (comparing > 0) {
            const ByteVector block = block_of({next.fetch_add(1), 0});
            if (unit->device().try_write(0, block).status == block::TryStatus::would_block) {
                (void)unit->device().write(0, block, false); // of this device it always succeeds
            }
            std::this_thread::yield();
        }
    };
    std::vector<std::thread> threads;
    threads.emplace_back(compare, 1);
    threads.emplace_back(compare, 2);
    threads.emplace_back(write);
    for (std::thread& thread : threads) {
        thread.join();
    }
    REQUIRE(replaced > 0);
    int checked = 0;
    for (std::size_t i = 1; i < device->log.size(); ++i) {
        if (device->log[i].expected != 0) {
            REQUIRE(device->log[i].expected == device->log[i - 1].own + 1);
            ++checked;
        }
    }
    REQUIRE(checked == replaced);
}

TEST_CASE("write gate: closed it lets nobody in, and closes only when all are out", "[scsi][gate]") {
    WriteGate gate;
    REQUIRE(gate.try_enter());
    std::atomic<bool> alone{false};
    std::thread closer([&] {
        gate.lock();
        alone = true;
        gate.unlock();
    });
    while (gate.try_enter()) { // until the other has begun to close
        gate.leave();
        std::this_thread::yield();
    }
    REQUIRE_FALSE(alone);
    gate.leave();
    closer.join();
    REQUIRE(alone);
    gate.enter();
    gate.leave();
}

TEST_CASE("an aborted task writes nothing any more, in whatever way", "[scsi][gate][abort]") {
    auto device = std::make_shared<LoggingDevice>();
    auto unit = make_disk_unit(device, identity_from_name("test"));
    const auto victim = unit->attach("iqn.a,i,0x1", 1, {0}, false);
    const TaskClaim old(*victim);
    if (GENERATE(true, false)) {
        unit->reset();
    } else {
        unit->clear_task_set(*unit->attach("iqn.b,i,0x1", 1, {0}, false));
    }
    const block::TryWrite tried = unit->try_write(old, 0, block_of({1, 0}));
    CHECK(tried.status == block::TryStatus::failed);
    CHECK(tried.error == block::IoError::gone);
    for (const bool fua : {false, true}) {
        const auto written = unit->write(old, 0, block_of({1, 0}), fua);
        REQUIRE_FALSE(written);
        CHECK(written.error() == block::IoError::gone);
    }
    using Op = BlockIo::Op;
    for (const Op op : {Op::write_and_verify, Op::compare_and_write, Op::or_write, Op::write_same, Op::discard, Op::write_zeros}) {
        CAPTURE(static_cast<int>(op));
        CHECK(unit->perform(changing_io(op), old).error == block::IoError::gone);
    }
    CHECK(device->log.size() == 1);
    CHECK(unit->try_write(TaskClaim(*victim), 0, block_of({1, 0})).status == block::TryStatus::done);
    CHECK(device->log.size() == 2);
}

TEST_CASE("PREEMPT AND ABORT is answered when what the preempted one was writing has been written", "[scsi][gate][abort]") {
    auto device = std::make_shared<LoggingDevice>();
    auto unit = make_disk_unit(device, identity_from_name("test"));
    test::ScsiSession victim(unit, "iqn.a,i,0x1");
    test::ScsiSession fencer(unit, "iqn.b,i,0x1");
    const auto reserve_out = [](test::ScsiSession& session, unsigned action, std::uint64_t key, std::uint64_t service_key) {
        ByteVector list;
        ByteWriter writer(list);
        writer.write(be64(key));
        writer.write(be64(service_key));
        writer.fill(8);
        return session.run(CdbBuilder(0x5f).byte(1, action).byte(2, action == 0 ? 0 : 5).u32(5, 24), list).good();
    };
    REQUIRE(reserve_out(victim, 0, 0, 0xa));
    REQUIRE(reserve_out(fencer, 0, 0, 0xb));
    REQUIRE(reserve_out(victim, 1, 0xa, 0));
    std::future<bool> fencing;
    bool early = false;
    device->after_read = [&] { // within the victim's COMPARE AND WRITE
        if (!fencing.valid()) {
            fencing = std::async(std::launch::async, [&] { return reserve_out(fencer, 5, 0xb, 0xa); });
            early = fencing.wait_for(std::chrono::milliseconds(50)) != std::future_status::timeout;
        }
    };
    REQUIRE(victim.run(compare_and_write_cdb, compare_and_write({}, {1, 0})).good());
    CHECK(device->log.size() == 2);
    CHECK_FALSE(early);
    CHECK(fencing.get());
}
