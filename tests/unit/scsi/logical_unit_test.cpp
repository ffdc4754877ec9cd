#include "scsi/logical_unit.hpp"
#include "scsi/unit_attention.hpp"

#include "support/catch.hpp"
#include "support/count_allocations.hpp"
#include "support/scsi_host.hpp"

#include <thread>

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;

namespace {
constexpr std::uint32_t power_on = 0x062900;
const ByteVector test_unit_ready = CdbBuilder(0x00);
} // namespace

TEST_CASE("unit attention: POWER ON is told once, to all but INQUIRY, REPORT LUNS and REQUEST SENSE", "[scsi][attention]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1", 1, true);
    REQUIRE(session.run(CdbBuilder(0x12).u16(3, 36)).good());
    REQUIRE(session.run(CdbBuilder(0xa0).u32(6, 64)).good());
    REQUIRE(session.run(CdbBuilder(0xff)).kcq() == power_on); // before the command is looked at
    REQUIRE(session.run(test_unit_ready).good());
}

TEST_CASE("unit attention: REQUEST SENSE takes it as data, in the format asked for", "[scsi][attention]") {
    const bool descriptor = GENERATE(false, true);
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1", 1, true);
    const ByteVector data = session.run(CdbBuilder(0x03).byte(1, descriptor ? 1 : 0).byte(4, 255)).data_in;
    REQUIRE(data.at(0) == (descriptor ? 0x72 : 0x70));
    REQUIRE(data.at(descriptor ? 1 : 2) == 0x06);
    REQUIRE(data.at(descriptor ? 2 : 12) == 0x29);
    REQUIRE(session.run(test_unit_ready).good());
    REQUIRE(session.run(CdbBuilder(0x03).byte(4, 255)).data_in.at(2) == 0x00);
}

TEST_CASE("unit attention: resets come first and take the place of older news; each is told once", "[scsi][attention]") {
    UnitAttentions attentions;
    attentions.establish(Attention::mode_parameters_changed);
    attentions.establish(Attention::bus_device_reset);
    attentions.establish(Attention::capacity_changed);
    attentions.establish(Attention::reservations_released);
    attentions.establish(Attention::capacity_changed);
    REQUIRE(attentions.take() == Attention::bus_device_reset);
    REQUIRE(attentions.take() == Attention::reservations_released);
    REQUIRE(attentions.take() == Attention::capacity_changed);
    REQUIRE_FALSE(attentions.take());
    REQUIRE_FALSE(attentions.pending());
}

TEST_CASE("reset: everybody is told, who asked for it too, and everybody's tasks are aborted", "[scsi][attention]") {
    auto unit = test::make_test_unit();
    test::ScsiSession by(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    const std::uint32_t epoch = other.nexus().abort_epoch();
    unit->reset();
    REQUIRE(by.run(test_unit_ready).kcq() == 0x062903);
    REQUIRE(other.run(test_unit_ready).kcq() == 0x062903);
    REQUIRE(other.run(test_unit_ready).good());
    REQUIRE(other.nexus().abort_epoch() != epoch);
}

TEST_CASE("clear task set: everybody's tasks end, and the others are told", "[scsi][attention]") {
    auto unit = test::make_test_unit();
    test::ScsiSession by(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    const std::uint32_t epoch = other.nexus().abort_epoch();
    unit->clear_task_set(by.nexus());
    REQUIRE(by.run(test_unit_ready).good());
    REQUIRE(other.run(test_unit_ready).kcq() == 0x062f00);
    REQUIRE(other.nexus().abort_epoch() != epoch);
}

namespace {
/// A disk that grows.
class GrowingDevice final : public block::BlockDevice {
  public:
    std::uint64_t size = 1 << 20;
    [[nodiscard]] block::Geometry geometry() const override { return test::test_geometry(size); }
    block::TryRead try_read(std::uint64_t, std::size_t length, bool, block::ReadSink& sink) override {
        sink.zeros(length);
        return {};
    }
    Result<void, block::IoError> read(std::uint64_t, MutableBytes) override { return {}; }
    block::TryWrite try_write(std::uint64_t, Bytes) override { return {}; }
    Result<void, block::IoError> write(std::uint64_t, Bytes, bool) override { return {}; }
    Result<void, block::IoError> flush() override { return error; }
    Result<void, block::IoError> discard(std::uint64_t, std::uint64_t) override { return {}; }
    Result<void, block::IoError> error{};
};
} // namespace

TEST_CASE("capacity: a grown device is told to everybody, and its new blocks can be read", "[scsi][capacity]") {
    auto device = std::make_shared<GrowingDevice>();
    auto unit = make_disk_unit(device, identity_from_name("grows"));
    test::ScsiSession session(unit, "iqn.a,i,0x1");
    const ByteVector read_new = CdbBuilder(0x28).u32(2, 2048).u16(7, 1);
    REQUIRE(session.run(read_new).kcq() == 0x052100);
    device->size = 2 << 20;
    unit->capacity_changed();
    REQUIRE(session.run(test_unit_ready).kcq() == 0x062a09);
    REQUIRE(session.run(read_new).good());
    REQUIRE(from_bytes<be32>(session.run(CdbBuilder(0x25)).data_in).value() == 4095);
}

TEST_CASE("errors: a failed flush is a write error, a device that was taken away is not ready", "[scsi][errors]") {
    auto device = std::make_shared<GrowingDevice>();
    test::ScsiSession session(make_disk_unit(device, identity_from_name("fails")), "iqn.a,i,0x1");
    device->error = block::IoError::medium;
    REQUIRE(session.run(CdbBuilder(0x35)).kcq() == 0x030c00);
    device->error = block::IoError::no_space;
    REQUIRE(session.run(CdbBuilder(0x35)).kcq() == 0x072707);
    device->error = block::IoError::gone;
    REQUIRE(session.run(CdbBuilder(0x35)).kcq() == 0x020400);
}

TEST_CASE("REPORT LUNS, target port groups and task management functions", "[scsi][primary]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1", 3);
    REQUIRE(session.run(CdbBuilder(0xa0).u32(6, 64)).data_in == ByteVector{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    REQUIRE(session.run(CdbBuilder(0xa0).byte(2, 1).u32(6, 64)).data_in == ByteVector(8));
    REQUIRE(session.run(CdbBuilder(0xa0).byte(2, 0x10).u32(6, 64)).kcq() == 0x052400);
    REQUIRE(session.run(CdbBuilder(0xa3).byte(1, 0x0a).u32(6, 64)).data_in ==
            ByteVector{0, 0, 0, 12, 0x00, 0x01, 0, 3, 0, 0, 0, 1, 0, 0, 0, 3});
    REQUIRE(session.run(CdbBuilder(0xa3).byte(1, 0x2a).u32(6, 64)).data_in.at(4) == 0x10);
    REQUIRE(session.run(CdbBuilder(0xa3).byte(1, 0x0d).u32(6, 64)).data_in == ByteVector{0xda, 0, 0, 0});
    REQUIRE(session.run(CdbBuilder(0xa3).byte(1, 0x0d).byte(2, 0x80).u32(6, 64)).data_in.size() == 16);
}

TEST_CASE("fast path: READ and WRITE allocate nothing", "[scsi][fast]") {
    auto unit = test::make_test_unit();
    const auto nexus = unit->attach("iqn.a,i,0x1", 1, {0}, false);
    const ByteVector read = CdbBuilder(0x28).u32(2, 8).u16(7, 8);
    const ByteVector write = CdbBuilder(0x8a).u64(2, 8).u32(10, 8);
    constexpr int rounds = 100'000;
    const std::uint64_t before = test::allocations.load();
    std::uint64_t bytes = 0;
    for (int i = 0; i < rounds; ++i) {
        const Command command{(i & 1) == 0 ? read : write, 4096, 0};
        const Step step = unit->execute(*nexus, command);
        const auto& io = std::get<BlockIo>(step);
        bytes += io.length;
        bytes += static_cast<std::uint64_t>(unit->complete(*nexus, command, io, {}).status);
    }
    REQUIRE(test::allocations.load() == before);
    REQUIRE(bytes == std::uint64_t{rounds} * 4096);
}

TEST_CASE("threads: sessions come, work, reserve, reset and go at once", "[scsi][threads]") {
    auto unit = test::make_test_unit();
    const auto work = [&](int which) {
        for (int round = 0; round < 200; ++round) {
            test::ScsiSession session(unit, "iqn." + std::to_string(which) + ",i,0x1", 1, true);
            session.run(test_unit_ready);
            session.run(CdbBuilder(0x16));
            session.run(CdbBuilder(0x2a).u16(7, 1), ByteVector(512));
            session.run(CdbBuilder(0x28).u16(7, 1));
            if (round % 16 == 0) {
                unit->reset();
                unit->capacity_changed();
            }
            session.run(CdbBuilder(0x17));
        }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back(work, i);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    test::ScsiSession last(unit, "iqn.last,i,0x1");
    REQUIRE(last.run(test_unit_ready).good()); // no reservation is left behind
}
