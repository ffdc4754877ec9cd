#include "scsi/cdb.hpp"
#include "scsi/limits.hpp"

#include "support/catch.hpp"
#include "support/scsi_host.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;

namespace {

constexpr std::uint64_t unit_size = 16 << 20;
constexpr std::uint32_t lba_out_of_range = 0x052100;
constexpr std::uint32_t invalid_field = 0x052400;

ByteVector blocks(std::size_t count, std::uint8_t value, std::uint32_t block_size = 512) { return ByteVector(count * block_size, value); }

/// READ, WRITE, ... of one CDB length: operation code and where LBA and count are.
CdbBuilder medium(std::uint8_t opcode, std::uint64_t lba, std::uint32_t count) {
    CdbBuilder cdb(opcode);
    switch (cdb_length_of(opcode)) {
    case 6: return cdb.u16(2, static_cast<unsigned>(lba)).byte(4, count);
    case 10: return cdb.u32(2, static_cast<std::uint32_t>(lba)).u16(7, count);
    case 12: return cdb.u32(2, static_cast<std::uint32_t>(lba)).u32(6, count);
    default: return cdb.u64(2, lba).u32(10, count);
    }
}

struct Fixture {
    std::uint32_t block_size;
    test::ScsiSession session;
    explicit Fixture(std::uint32_t size = 512)
        : block_size(size), session(test::make_test_unit(test::test_geometry(unit_size, size)), "iqn.a,i,0x1") {}
    [[nodiscard]] std::uint64_t block_count() const { return unit_size / block_size; }
    test::CommandResult run(const ByteVector& cdb, Bytes data = {}) { return session.run(cdb, data); }
    ByteVector read(std::uint64_t lba, std::uint32_t count) {
        const test::CommandResult result = run(medium(0x88, lba, count));
        REQUIRE(result.good());
        return result.data_in;
    }
    void write(std::uint64_t lba, const ByteVector& data) {
        REQUIRE(run(medium(0x8a, lba, static_cast<std::uint32_t>(data.size() / block_size)), data).good());
    }
};

} // namespace

TEST_CASE("READ and WRITE: every length of CDB reads what every other wrote, on 512 and 4096", "[scsi][block]") {
    Fixture f(GENERATE(512U, 4096U));
    const std::uint8_t write = GENERATE(std::uint8_t{0x0a}, std::uint8_t{0x2a}, std::uint8_t{0xaa}, std::uint8_t{0x8a});
    const ByteVector data = blocks(3, write, f.block_size);
    REQUIRE(f.run(medium(write, 100, 3), data).good());
    for (const std::uint8_t read : {std::uint8_t{0x08}, std::uint8_t{0x28}, std::uint8_t{0xa8}, std::uint8_t{0x88}}) {
        const test::CommandResult result = f.run(medium(read, 100, 3));
        REQUIRE(result.good());
        REQUIRE(result.data_in == data);
    }
}

TEST_CASE("READ(6): count 0 means 256 blocks; in the others it means none", "[scsi][block]") {
    Fixture f;
    REQUIRE(f.run(medium(0x08, 0, 0)).data_in.size() == 256 * 512);
    for (const std::uint8_t opcode : {std::uint8_t{0x28}, std::uint8_t{0xa8}, std::uint8_t{0x88}, std::uint8_t{0x2a}, std::uint8_t{0x2f}}) {
        const test::CommandResult result = f.run(medium(opcode, 0, 0));
        REQUIRE(result.good());
        REQUIRE(result.data_in.empty());
    }
}

TEST_CASE("medium commands: a range beyond the end is LBA OUT OF RANGE, also with count 0 and at overflow", "[scsi][block]") {
    Fixture f;
    const std::uint8_t opcode = GENERATE(as<std::uint8_t>{}, 0x28, 0x2a, 0x2e, 0x2f, 0x34, 0x35, 0x41, 0xa8, 0xaa, 0xae, 0xaf, 0x88, 0x8a,
                                         0x8b, 0x8e, 0x8f, 0x90, 0x91, 0x93);
    INFO("opcode " << int(opcode));
    const std::uint64_t end = f.block_count();
    const ByteVector data = blocks(1, 0);
    REQUIRE(f.run(medium(opcode, end - 1, 1), data).good());
    REQUIRE(f.run(medium(opcode, end - 1, 2), data).kcq() == lba_out_of_range);
    REQUIRE(f.run(medium(opcode, end + 1, 0), data).kcq() == lba_out_of_range);
    REQUIRE(f.run(medium(opcode, 0xffffffff, 1), data).kcq() == lba_out_of_range);
    if (cdb_length_of(opcode) == 16) {
        REQUIRE(f.run(medium(opcode, ~std::uint64_t{0}, 2), data).kcq() == lba_out_of_range);
    }
}

TEST_CASE("medium commands: protection fields that are not zero are INVALID FIELD IN CDB", "[scsi][block]") {
    Fixture f;
    const std::uint8_t opcode =
        GENERATE(as<std::uint8_t>{}, 0x28, 0x2a, 0x2e, 0x2f, 0x41, 0xa8, 0xaa, 0xae, 0xaf, 0x88, 0x89, 0x8a, 0x8b, 0x8e, 0x8f, 0x93);
    for (unsigned protect = 1; protect < 8; ++protect) {
        REQUIRE(f.run(medium(opcode, 0, 1).byte(1, protect << 5U), blocks(2, 0)).kcq() == invalid_field);
    }
}

TEST_CASE("medium commands: a transfer longer than VPD B0 says is refused, one as long is not", "[scsi][block]") {
    Fixture f;
    struct Row {
        std::uint8_t opcode;
        std::uint64_t limit;
    };
    const Row row = GENERATE(values<Row>({{0x88, limits::transfer_bytes}, {0xa8, limits::transfer_bytes}, {0x8f, limits::transfer_bytes}}));
    const auto most = static_cast<std::uint32_t>(row.limit / 512);
    REQUIRE(f.run(medium(row.opcode, 0, most)).good());
    REQUIRE(f.run(medium(row.opcode, 0, most + 1)).kcq() == invalid_field);
}

TEST_CASE("WRITE with FUA reaches the device as such; FUA_NV too, for there is no other cache", "[scsi][block]") {
    auto unit = test::make_test_unit(test::test_geometry(1ULL << 30U));
    const auto nexus = unit->attach("iqn.a,i,0x1", 1, {0}, false);
    const auto fua_of = [&](const ByteVector& cdb) {
        const Step step = unit->execute(*nexus, {cdb, 0, 512});
        return std::get<BlockIo>(step).fua;
    };
    REQUIRE_FALSE(fua_of(medium(0x2a, 0, 1)));
    REQUIRE(fua_of(medium(0x2a, 0, 1).byte(1, 0x08)));
    REQUIRE(fua_of(medium(0x8a, 0, 1).byte(1, 0x02)));
    REQUIRE_FALSE(fua_of(medium(0x0a, 0, 1).byte(1, 0x08))); // part of the LBA there
}

TEST_CASE("VERIFY: without data the medium, with data a comparison; a difference is MISCOMPARE at its block", "[scsi][block]") {
    Fixture f;
    const std::uint8_t opcode = GENERATE(std::uint8_t{0x2f}, std::uint8_t{0xaf}, std::uint8_t{0x8f});
    ByteVector data = blocks(4, 0x5a);
    f.write(8, data);
    REQUIRE(f.run(medium(opcode, 8, 4)).good());
    REQUIRE(f.run(medium(opcode, 8, 4).byte(1, 0x02), data).good());
    data[2 * 512 + 7] = 0;
    const test::CommandResult wrong = f.run(medium(opcode, 8, 4).byte(1, 0x02), data);
    REQUIRE(wrong.kcq() == 0x0e1d00);
    REQUIRE(ByteVector(wrong.sense.begin() + 3, wrong.sense.begin() + 7) == ByteVector{0, 0, 0, 10});
    REQUIRE(f.run(medium(opcode, 8, 4).byte(1, 0x06), blocks(1, 0x5a)).good()); // one block for all
    REQUIRE(f.run(medium(opcode, 8, 4).byte(1, 0x06), blocks(1, 0x5b)).kcq() == 0x0e1d00);
    REQUIRE(f.run(medium(opcode, 8, 4).byte(1, 0x04), data).kcq() == invalid_field);
}

TEST_CASE("WRITE AND VERIFY writes; BYTCHK 10b and 11b are reserved", "[scsi][block]") {
    Fixture f;
    const std::uint8_t opcode = GENERATE(std::uint8_t{0x2e}, std::uint8_t{0xae}, std::uint8_t{0x8e});
    REQUIRE(f.run(medium(opcode, 20, 2).byte(1, 0x02), blocks(2, opcode)).good());
    REQUIRE(f.read(20, 2) == blocks(2, opcode));
    REQUIRE(f.run(medium(opcode, 20, 2).byte(1, 0x04), blocks(2, 1)).kcq() == invalid_field);
    REQUIRE(f.run(medium(opcode, 20, 2).byte(1, 0x06), blocks(2, 1)).kcq() == invalid_field);
    REQUIRE(f.read(20, 2) == blocks(2, opcode));
}

TEST_CASE("WRITE AND VERIFY: of a transfer announced too short the whole blocks are written", "[scsi][block]") {
    Fixture f;
    f.write(0, blocks(2, 'a'));
    REQUIRE(f.run(medium(0x2e, 0, 2), blocks(1, 'b')).good());
    REQUIRE(f.read(0, 1) == blocks(1, 'b'));
    REQUIRE(f.read(1, 1) == blocks(1, 'a'));
    REQUIRE(f.run(medium(0x2e, 0, 1)).good());
    REQUIRE(f.run(medium(0x2e, 0, 1), ByteVector(200, 'c')).kcq() == 0x050e03);
    REQUIRE(f.run(medium(0x2e, 0, 1), blocks(2, 'd')).good());
    REQUIRE(f.read(1, 1) == blocks(1, 'a'));
}

TEST_CASE("COMPARE AND WRITE: writes only where the medium is as expected, and tells the first difference", "[scsi][block]") {
    Fixture f;
    f.write(4, blocks(2, 1));
    const auto cas = [&](const ByteVector& compare, const ByteVector& write) {
        ByteVector data = compare;
        data.insert(data.end(), write.begin(), write.end());
        return f.run(CdbBuilder(0x89).u64(2, 4).byte(13, static_cast<unsigned>(compare.size() / 512)), data);
    };
    REQUIRE(cas(blocks(2, 1), blocks(2, 9)).good());
    REQUIRE(f.read(4, 2) == blocks(2, 9));
    ByteVector expected = blocks(2, 9);
    expected[600] = 0;
    const test::CommandResult miscompare = cas(expected, blocks(2, 3));
    REQUIRE(miscompare.kcq() == 0x0e1d00);
    REQUIRE(miscompare.sense[0] == 0xf0);
    REQUIRE(from_bytes<be32>(Bytes(miscompare.sense).subspan(3)).value() == 600);
    REQUIRE(f.read(4, 2) == blocks(2, 9));
    REQUIRE(f.run(CdbBuilder(0x89).u64(2, 4).byte(13, 0)).good());
    REQUIRE(f.run(CdbBuilder(0x89).u64(2, f.block_count() - 1).byte(13, 2), blocks(4, 0)).kcq() == lba_out_of_range);
    for (const unsigned announced : {0U, 3U, 5U}) { // other than the CDB needs
        REQUIRE(f.run(CdbBuilder(0x89).u64(2, 4).byte(13, 2), blocks(announced, 9)).kcq() == 0x050e03);
    }
}

TEST_CASE("COMPARE AND WRITE: of many that race for one block, each value has one winner", "[scsi][block][threads]") {
    auto unit = test::make_test_unit();
    std::atomic<int> wins{0};
    const auto race = [&](std::string_view name) {
        test::ScsiSession session(unit, name);
        for (std::uint8_t value = 0; value < 100; ++value) {
            ByteVector data = blocks(1, value);
            const ByteVector next = blocks(1, static_cast<std::uint8_t>(value + 1));
            data.insert(data.end(), next.begin(), next.end());
            wins += session.run(CdbBuilder(0x89).byte(13, 1), data).good() ? 1 : 0;
        }
    };
    std::thread other([&] { race("iqn.b,i,0x1"); });
    race("iqn.a,i,0x1");
    other.join();
    test::ScsiSession session(unit, "iqn.c,i,0x1");
    REQUIRE(session.run(medium(0x88, 0, 1)).data_in == blocks(1, static_cast<std::uint8_t>(wins.load())));
}

TEST_CASE("ORWRITE sets bits and clears none", "[scsi][block]") {
    Fixture f;
    f.write(0, blocks(2, 0x0f));
    REQUIRE(f.run(medium(0x8b, 0, 2), blocks(2, 0x31)).good());
    REQUIRE(f.read(0, 2) == blocks(2, 0x3f));
}

TEST_CASE("WRITE SAME repeats one block; NDOB and zeros with UNMAP give space back; zero blocks are refused", "[scsi][block]") {
    Fixture f;
    const std::uint8_t opcode = GENERATE(std::uint8_t{0x41}, std::uint8_t{0x93});
    REQUIRE(f.run(medium(opcode, 128, 1000), blocks(1, 0x77)).good());
    REQUIRE(f.read(128, 1000) == blocks(1000, 0x77));
    REQUIRE(f.run(medium(opcode, 200, 100).byte(1, 0x08), blocks(1, 0x33)).good()); // UNMAP, but not zeros
    REQUIRE(f.read(200, 100) == blocks(100, 0x33));
    REQUIRE(f.run(medium(opcode, 128, 128).byte(1, 0x08), blocks(1, 0)).good());
    REQUIRE(f.read(128, 128) == blocks(128, 0));
    REQUIRE(f.session.unit().device().extent(128 * 512, 512).mapped == false);
    REQUIRE(f.run(medium(opcode, 0, 0), blocks(1, 0)).kcq() == invalid_field);
    f.write(128, blocks(1, 1));
    const test::CommandResult no_data = f.run(medium(opcode, 128, 128).byte(1, 0x09));
    if (opcode == 0x93) {
        REQUIRE(no_data.good());
        REQUIRE(f.read(128, 128) == blocks(128, 0));
    } else {
        REQUIRE(no_data.kcq() == invalid_field);
    }
}

TEST_CASE("UNMAP: each descriptor's range reads as zeros", "[scsi][block]") {
    Fixture f;
    f.write(0, blocks(1024, 0xff));
    ByteVector list(8 + 2 * 16);
    list[3] = 32;
    list[15] = 10; // LBA 10, 5 blocks
    list[19] = 5;
    list[30] = 1; // LBA 256, 128 blocks: a whole chunk of the device
    list[35] = 128;
    REQUIRE(f.run(CdbBuilder(0x42).u16(7, 40), list).good());
    ByteVector expected = blocks(1024, 0xff);
    std::fill(expected.begin() + 10 * 512, expected.begin() + 15 * 512, std::uint8_t{0});
    std::fill(expected.begin() + 256 * 512, expected.begin() + 384 * 512, std::uint8_t{0});
    REQUIRE(f.read(0, 1024) == expected);
}

TEST_CASE("UNMAP: bad lists change nothing", "[scsi][block]") {
    Fixture f;
    f.write(0, blocks(16, 0xff));
    const auto unmap = [&](const ByteVector& list) { return f.run(CdbBuilder(0x42).u16(7, static_cast<unsigned>(list.size())), list).kcq(); };
    const auto descriptors = [](std::size_t count, std::uint32_t block_count) {
        ByteVector list(8);
        list[2] = static_cast<std::uint8_t>(count * 16 >> 8U);
        list[3] = static_cast<std::uint8_t>(count * 16);
        for (std::size_t i = 0; i < count; ++i) {
            ByteVector descriptor(16);
            const be32 value(block_count);
            std::memcpy(descriptor.data() + 8, &value, 4);
            list.insert(list.end(), descriptor.begin(), descriptor.end());
        }
        return list;
    };
    REQUIRE(unmap(ByteVector(7)) == 0x051a00);
    REQUIRE(unmap(descriptors(1, static_cast<std::uint32_t>(f.block_count() + 1))) == lba_out_of_range);
    REQUIRE(unmap(descriptors(257, 0)) == 0x052600);
    REQUIRE(unmap({}) == 0);
    REQUIRE(unmap(ByteVector(8)) == 0);
    REQUIRE(f.read(0, 16) == blocks(16, 0xff));
    ByteVector cut = descriptors(2, 1); // the list ends in the middle of the second: it does not count (SBC-3 5.33.2)
    cut.resize(8 + 16 + 8);
    REQUIRE(unmap(cut) == 0);
}

TEST_CASE("GET LBA STATUS: extents from the address on, cut to the allocation length", "[scsi][block]") {
    Fixture f;
    f.write(128, blocks(128, 1));
    const test::CommandResult result = f.run(CdbBuilder(0x9e).byte(1, 0x12).u64(2, 100).u32(10, 4096));
    REQUIRE(result.good());
    ByteReader in(result.data_in);
    REQUIRE(in.read<be32>().value() == result.data_in.size() - 4);
    in.skip(4);
    const auto descriptor = [&] {
        const std::uint64_t lba = in.read<be64>().value();
        const std::uint32_t count = in.read<be32>().value();
        const std::uint32_t state = in.read<be32>().value() >> 24U;
        return std::tuple(lba, count, state);
    };
    REQUIRE(descriptor() == std::tuple(100U, 28U, 1U));
    REQUIRE(descriptor() == std::tuple(128U, 128U, 0U));
    REQUIRE(descriptor() == std::tuple(256U, static_cast<std::uint32_t>(f.block_count() - 256), 1U));
    REQUIRE(in.remaining() == 0);
    REQUIRE(f.run(CdbBuilder(0x9e).byte(1, 0x12).u64(2, 100).u32(10, 24)).data_in.size() == 24);
    REQUIRE(f.run(CdbBuilder(0x9e).byte(1, 0x12).u64(2, f.block_count()).u32(10, 24)).kcq() == lba_out_of_range);
}

TEST_CASE("READ CAPACITY: last address and block size; alignment, thin and LBPRZ in the long form", "[scsi][block]") {
    Fixture f(GENERATE(512U, 4096U));
    const ByteVector ten = f.run(CdbBuilder(0x25)).data_in;
    REQUIRE(from_bytes<be32>(ten).value() == f.block_count() - 1);
    REQUIRE(from_bytes<be32>(Bytes(ten).subspan(4)).value() == f.block_size);
    const ByteVector sixteen = f.run(CdbBuilder(0x9e).byte(1, 0x10).u32(10, 32)).data_in;
    REQUIRE(sixteen.size() == 32);
    REQUIRE(from_bytes<be64>(sixteen).value() == f.block_count() - 1);
    REQUIRE(sixteen[13] == (f.block_size == 512 ? 3 : 0));
    REQUIRE(sixteen[14] == 0xc0);
}

TEST_CASE("READ CAPACITY(10): more than 2^32 blocks are told as FFFFFFFF", "[scsi][block]") {
    test::ScsiSession session(test::make_test_unit(test::test_geometry(3ULL << 40U)), "iqn.a,i,0x1");
    REQUIRE(from_bytes<be32>(session.run(CdbBuilder(0x25)).data_in).value() == 0xffffffff);
    REQUIRE(session.run(medium(0x88, 0x17fffffff, 1)).good());
}

TEST_CASE("SYNCHRONIZE CACHE and STOP flush; PRE-FETCH, START and PREVENT are good", "[scsi][block]") {
    auto unit = test::make_test_unit();
    const auto nexus = unit->attach("iqn.a,i,0x1", 1, {0}, false);
    const auto op_of = [&](const ByteVector& cdb) -> int {
        const Step step = unit->execute(*nexus, {cdb, 0, 0});
        const auto* const io = std::get_if<BlockIo>(&step);
        return io == nullptr ? -1 : static_cast<int>(io->op);
    };
    const int flush = static_cast<int>(BlockIo::Op::flush);
    REQUIRE(op_of(medium(0x35, 0, 0)) == flush);
    REQUIRE(op_of(medium(0x91, 5, 5).byte(1, 0x02)) == flush);
    REQUIRE(op_of(CdbBuilder(0x1b)) == flush);
    REQUIRE(op_of(CdbBuilder(0x1b).byte(4, 0x04)) == -1); // NO_FLUSH
    REQUIRE(op_of(CdbBuilder(0x1b).byte(4, 0x01)) == -1);
    Fixture f;
    for (const std::uint8_t prefetch : {std::uint8_t{0x34}, std::uint8_t{0x90}}) {
        REQUIRE(f.run(medium(prefetch, 0, 100)).good());
        REQUIRE(f.run(medium(prefetch, 8, 0)).good());
    }
    REQUIRE(f.run(CdbBuilder(0x1e).byte(4, 1)).good());
    REQUIRE(f.run(CdbBuilder(0x1b).byte(4, 0x10)).kcq() == invalid_field);
}

TEST_CASE("READ DEFECT DATA: an empty list in the format that was asked for", "[scsi][block]") {
    Fixture f;
    REQUIRE(f.run(CdbBuilder(0x37).byte(2, 0x1d).u16(7, 255)).data_in == ByteVector{0, 0x1d, 0, 0});
    REQUIRE(f.run(CdbBuilder(0xb7).byte(1, 0x15).u32(6, 255)).data_in == ByteVector{0, 0x15, 0, 0, 0, 0, 0, 0});
}
