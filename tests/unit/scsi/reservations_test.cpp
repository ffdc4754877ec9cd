#include "scsi/reservations.hpp"
#include "scsi/transport_id.hpp"

#include "scsi/limits.hpp"
#include "support/catch.hpp"
#include "support/scsi_host.hpp"

#include <map>

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;
using enum ReservationType;

namespace {

const std::array all_types{write_exclusive,
                           exclusive_access,
                           write_exclusive_registrants_only,
                           exclusive_access_registrants_only,
                           write_exclusive_all_registrants,
                           exclusive_access_all_registrants};

struct List {
    std::uint64_t key = 0;
    std::uint64_t service_action_key = 0;
    std::uint8_t flags = 0;
};

test::CommandResult reserve_out(test::ScsiSession& session, ReserveOutAction action, ReservationType type, List list) {
    ByteVector data;
    ByteWriter out(data);
    out.write(be64(list.key));
    out.write(be64(list.service_action_key));
    out.fill(4);
    out.byte(list.flags);
    out.fill(3);
    return session.run(
        CdbBuilder(0x5f).byte(1, static_cast<unsigned>(action)).byte(2, static_cast<unsigned>(type)).u32(5, 24), data);
}
test::CommandResult register_key(test::ScsiSession& session, std::uint64_t key, std::uint64_t old = 0) {
    return reserve_out(session, ReserveOutAction::register_key, none, {old, key, 0});
}
test::CommandResult reserve(test::ScsiSession& session, ReservationType type, std::uint64_t key) {
    return reserve_out(session, ReserveOutAction::reserve, type, {key, 0, 0});
}
ByteVector reserve_in(test::ScsiSession& session, unsigned action) {
    const test::CommandResult result = session.run(CdbBuilder(0x5e).byte(1, action).u16(7, 4096));
    REQUIRE(result.good());
    return result.data_in;
}
std::vector<std::uint64_t> keys(test::ScsiSession& session) {
    const ByteVector data = reserve_in(session, 0);
    std::vector<std::uint64_t> result;
    for (std::size_t at = 8; at < data.size(); at += 8) {
        result.push_back(from_bytes<be64>(Bytes(data).subspan(at)).value());
    }
    return result;
}
std::uint32_t generation(test::ScsiSession& session) { return from_bytes<be32>(reserve_in(session, 0)).value(); }
/// Type of the reservation held, 0 for none.
int held_type(test::ScsiSession& session) {
    const ByteVector data = reserve_in(session, 1);
    return data.size() == 8 ? 0 : data.at(21);
}
std::uint32_t attention(test::ScsiSession& session) { return session.run(CdbBuilder(0x00)).kcq(); }
bool conflicts(test::ScsiSession& session, const ByteVector& cdb, Bytes data = {}) {
    return session.run(cdb, data).status == Status::reservation_conflict;
}

struct Trio {
    std::shared_ptr<LogicalUnit> unit = test::make_test_unit();
    test::ScsiSession a{unit, "iqn.a,i,0x000000000001"};
    test::ScsiSession b{unit, "iqn.b,i,0x000000000001"};
    test::ScsiSession c{unit, "iqn.c,i,0x000000000001"};
};

const ByteVector read_cdb = CdbBuilder(0x28).u16(7, 1);
const ByteVector write_cdb = CdbBuilder(0x2a).u16(7, 1);
const ByteVector one_block(512);

} // namespace

TEST_CASE("reservations: who may read and write under each type", "[scsi][reservations]") {
    struct Row {
        ReservationType type;
        bool registrant_reads, registrant_writes, other_reads, other_writes;
    };
    const Row row = GENERATE(values<Row>({
        {write_exclusive, true, false, true, false},
        {exclusive_access, false, false, false, false},
        {write_exclusive_registrants_only, true, true, true, false},
        {exclusive_access_registrants_only, true, true, false, false},
        {write_exclusive_all_registrants, true, true, true, false},
        {exclusive_access_all_registrants, true, true, false, false},
    }));
    INFO("type " << int(row.type));
    Trio t;
    REQUIRE(register_key(t.a, 0xa).good());
    REQUIRE(register_key(t.b, 0xb).good());
    REQUIRE(reserve(t.a, row.type, 0xa).good());
    REQUIRE_FALSE(conflicts(t.a, read_cdb));
    REQUIRE_FALSE(conflicts(t.a, write_cdb, one_block));
    REQUIRE(conflicts(t.b, read_cdb) == !row.registrant_reads);
    REQUIRE(conflicts(t.b, write_cdb, one_block) == !row.registrant_writes);
    REQUIRE(conflicts(t.c, read_cdb) == !row.other_reads);
    REQUIRE(conflicts(t.c, write_cdb, one_block) == !row.other_writes);
    for (const std::uint8_t always : {std::uint8_t{0x00}, std::uint8_t{0x12}, std::uint8_t{0x25}, std::uint8_t{0xa0}, std::uint8_t{0x03}}) {
        REQUIRE_FALSE(conflicts(t.c, CdbBuilder(always)));
    }
    REQUIRE_FALSE(conflicts(t.c, CdbBuilder(0x1b).byte(4, 1)));                        // START
    REQUIRE(conflicts(t.c, CdbBuilder(0x1b)));                                         // STOP
    REQUIRE(conflicts(t.c, CdbBuilder(0x1e).byte(4, 1)));                              // PREVENT
    REQUIRE_FALSE(conflicts(t.c, CdbBuilder(0x1e)));                                   // ALLOW
    REQUIRE(conflicts(t.c, CdbBuilder(0x15).byte(1, 0x10)));                           // MODE SELECT
    REQUIRE(conflicts(t.c, CdbBuilder(0x1a).byte(2, 0x3f).byte(4, 255)) == !row.other_reads); // MODE SENSE
    REQUIRE(conflicts(t.c, CdbBuilder(0x35)));                                         // SYNCHRONIZE CACHE
}

TEST_CASE("REGISTER: needs the key that is registered; 0 unregisters; each success raises the generation", "[scsi][reservations]") {
    Trio t;
    REQUIRE(register_key(t.a, 1, 5).status == Status::reservation_conflict); // not registered: the key must be 0
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.a, 2).status == Status::reservation_conflict);
    REQUIRE(register_key(t.a, 2, 1).good());
    REQUIRE(register_key(t.b, 7).good());
    REQUIRE(keys(t.c) == std::vector<std::uint64_t>{2, 7});
    REQUIRE(generation(t.c) == 3);
    REQUIRE(register_key(t.a, 0, 2).good());
    REQUIRE(keys(t.c) == std::vector<std::uint64_t>{7});
    REQUIRE(register_key(t.c, 0).good()); // nothing to remove
    REQUIRE(generation(t.c) == 4);
    REQUIRE(reserve_out(t.b, ReserveOutAction::register_and_ignore_existing_key, none, {99, 8, 0}).good());
    REQUIRE(keys(t.c) == std::vector<std::uint64_t>{8});
}

TEST_CASE("RESERVE: only registrants with their key; repeated only by the holder and unchanged", "[scsi][reservations]") {
    Trio t;
    REQUIRE(reserve(t.a, write_exclusive, 0).status == Status::reservation_conflict);
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(reserve(t.a, write_exclusive, 2).status == Status::reservation_conflict);
    REQUIRE(reserve(t.a, write_exclusive, 1).good());
    REQUIRE(reserve(t.a, write_exclusive, 1).good());
    REQUIRE(reserve(t.a, exclusive_access, 1).status == Status::reservation_conflict);
    REQUIRE(reserve(t.b, write_exclusive, 2).status == Status::reservation_conflict);
    REQUIRE(held_type(t.c) == 1);
    for (const unsigned bad : {0x00U, 0x02U, 0x04U, 0x09U, 0x0fU, 0x11U, 0x21U}) { // types, and scopes but the unit
        REQUIRE(reserve_out(t.a, ReserveOutAction::reserve, static_cast<ReservationType>(bad), {1, 0, 0}).kcq() == 0x052400);
    }
}

TEST_CASE("RELEASE: by the holder with the right type; of others it is without effect; registrants are told", "[scsi][reservations]") {
    const ReservationType type = GENERATE(from_range(all_types));
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(reserve(t.a, type, 1).good());
    const bool all_hold = is_all_registrants(type);
    const auto wrong = type == write_exclusive ? exclusive_access : write_exclusive;
    REQUIRE(reserve_out(t.a, ReserveOutAction::release, wrong, {1, 0, 0}).kcq() == 0x052604);
    REQUIRE(reserve_out(t.a, ReserveOutAction::release, type, {9, 0, 0}).status == Status::reservation_conflict);
    if (!all_hold) {
        REQUIRE(reserve_out(t.b, ReserveOutAction::release, type, {2, 0, 0}).good());
        REQUIRE(held_type(t.c) == static_cast<int>(type));
    }
    REQUIRE(reserve_out(t.a, ReserveOutAction::release, type, {1, 0, 0}).good());
    REQUIRE(held_type(t.c) == 0);
    const bool told = type != write_exclusive && type != exclusive_access;
    REQUIRE(attention(t.b) == (told ? 0x062a04U : 0U));
    REQUIRE(attention(t.c) == 0);
    REQUIRE(attention(t.a) == 0);
}

TEST_CASE("unregistering: the reservation ends with its holder, or with the last of all registrants", "[scsi][reservations]") {
    const ReservationType type = GENERATE(from_range(all_types));
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(reserve(t.a, type, 1).good());
    REQUIRE(register_key(t.a, 0, 1).good());
    REQUIRE(held_type(t.c) == (is_all_registrants(type) ? static_cast<int>(type) : 0));
    const bool registrants_only = type == write_exclusive_registrants_only || type == exclusive_access_registrants_only;
    REQUIRE(attention(t.b) == (registrants_only ? 0x062a04U : 0U));
    REQUIRE(register_key(t.b, 0, 2).good());
    REQUIRE(held_type(t.c) == 0);
    REQUIRE_FALSE(conflicts(t.c, write_cdb, one_block));
}

TEST_CASE("CLEAR: removes everything and tells the other registrants", "[scsi][reservations]") {
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(reserve(t.a, exclusive_access, 1).good());
    REQUIRE(reserve_out(t.c, ReserveOutAction::clear, none, {2, 0, 0}).status == Status::reservation_conflict);
    REQUIRE(reserve_out(t.b, ReserveOutAction::clear, none, {2, 0, 0}).good());
    REQUIRE(keys(t.c).empty());
    REQUIRE(held_type(t.c) == 0);
    REQUIRE(attention(t.a) == 0x062a03);
    REQUIRE(attention(t.b) == 0);
    REQUIRE_FALSE(conflicts(t.c, write_cdb, one_block));
}

TEST_CASE("PREEMPT: takes the reservation over from the holder's key; AND ABORT ends its tasks", "[scsi][reservations]") {
    const auto action = GENERATE(ReserveOutAction::preempt, ReserveOutAction::preempt_and_abort);
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(reserve(t.a, exclusive_access, 1).good());
    const std::uint32_t before = t.a.nexus().abort_epoch();
    REQUIRE(reserve_out(t.b, action, write_exclusive, {2, 1, 0}).good());
    REQUIRE(held_type(t.c) == 1);
    REQUIRE(keys(t.c) == std::vector<std::uint64_t>{2});
    REQUIRE(attention(t.a) == 0x062a05);
    REQUIRE(attention(t.b) == 0);
    REQUIRE((t.a.nexus().abort_epoch() != before) == (action == ReserveOutAction::preempt_and_abort));
    REQUIRE(conflicts(t.a, write_cdb, one_block));
    REQUIRE_FALSE(conflicts(t.b, write_cdb, one_block));
}

TEST_CASE("PREEMPT: another key than the holder's only removes registrations; an unknown key conflicts", "[scsi][reservations]") {
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(register_key(t.c, 3).good());
    REQUIRE(reserve(t.a, write_exclusive_registrants_only, 1).good());
    REQUIRE(reserve_out(t.b, ReserveOutAction::preempt, write_exclusive, {2, 3, 0}).good());
    REQUIRE(held_type(t.a) == 5);
    REQUIRE(keys(t.a) == std::vector<std::uint64_t>{1, 2});
    REQUIRE(attention(t.c) == 0x062a05);
    REQUIRE(reserve_out(t.b, ReserveOutAction::preempt, write_exclusive, {2, 3, 0}).status == Status::reservation_conflict);
    REQUIRE(reserve_out(t.b, ReserveOutAction::preempt, write_exclusive, {2, 0, 0}).kcq() == 0x052600);
    REQUIRE(reserve_out(t.b, ReserveOutAction::preempt, write_exclusive, {9, 1, 0}).status == Status::reservation_conflict);
}

TEST_CASE("PREEMPT: key 0 under all registrants removes everybody else and makes a new reservation", "[scsi][reservations]") {
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(register_key(t.c, 3).good());
    REQUIRE(reserve(t.a, write_exclusive_all_registrants, 1).good());
    REQUIRE(reserve_out(t.b, ReserveOutAction::preempt, exclusive_access, {2, 0, 0}).good());
    REQUIRE(keys(t.b) == std::vector<std::uint64_t>{2});
    REQUIRE(held_type(t.b) == 3);
    REQUIRE(attention(t.a) == 0x062a05);
    REQUIRE(attention(t.c) == 0x062a05);
}

TEST_CASE("PREEMPT: the holder may change its own type, and those who stay registered are told", "[scsi][reservations]") {
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(reserve(t.a, write_exclusive, 1).good());
    REQUIRE(reserve_out(t.a, ReserveOutAction::preempt, exclusive_access, {1, 1, 0}).good());
    REQUIRE(attention(t.b) == 0x062a04);
    REQUIRE(held_type(t.b) == 3);
    REQUIRE(keys(t.b) == std::vector<std::uint64_t>{1, 2});
}

namespace {
test::CommandResult move_to(test::ScsiSession& from, std::string_view port, List list, std::uint16_t target_port = 1) {
    const ByteVector transport_id = encode_transport_id(port);
    ByteVector data;
    ByteWriter out(data);
    out.write(be64(list.key));
    out.write(be64(list.service_action_key));
    out.byte(0);
    out.byte(list.flags);
    out.write(be16(target_port));
    out.write(be32(static_cast<std::uint32_t>(transport_id.size())));
    out.append(transport_id);
    return from.run(CdbBuilder(0x5f).byte(1, 7).u32(5, static_cast<std::uint32_t>(data.size())), data);
}
} // namespace

TEST_CASE("REGISTER AND MOVE: the other nexus is registered and holds; UNREG removes the first", "[scsi][reservations]") {
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(move_to(t.a, "iqn.b,i,0x000000000001", {1, 2, 0}).status == Status::reservation_conflict); // holds nothing
    REQUIRE(reserve(t.a, exclusive_access, 1).good());
    REQUIRE(move_to(t.a, "iqn.b,i,0x000000000001", {1, 0, 0}).kcq() == 0x052600);
    REQUIRE(move_to(t.a, "iqn.a,i,0x000000000001", {1, 2, 0}).kcq() == 0x052600);
    REQUIRE(move_to(t.a, "iqn.b,i,0x000000000001", {1, 2, 0}, 9).kcq() == 0x052600); // no such port
    const bool unregister = GENERATE(false, true);
    REQUIRE(move_to(t.a, "iqn.b,i,0x000000000001", {1, 2, static_cast<std::uint8_t>(unregister ? 2 : 0)}).good());
    REQUIRE(keys(t.c) == (unregister ? std::vector<std::uint64_t>{2} : std::vector<std::uint64_t>{1, 2}));
    REQUIRE_FALSE(conflicts(t.b, write_cdb, one_block));
    REQUIRE(conflicts(t.a, read_cdb));
}

TEST_CASE("PERSISTENT RESERVE OUT: bad lists and unsupported options are refused and change nothing", "[scsi][reservations]") {
    Trio t;
    REQUIRE(t.a.run(CdbBuilder(0x5f).u32(5, 23), ByteVector(23)).kcq() == 0x051a00);
    REQUIRE(t.a.run(CdbBuilder(0x5f).u32(5, 28), ByteVector(28)).kcq() == 0x051a00);
    REQUIRE(t.a.run(CdbBuilder(0x5f).byte(1, 7).u32(5, 1 << 20), ByteVector(24)).kcq() == 0x051a00);
    for (const std::uint8_t flags : {std::uint8_t{0x01}, std::uint8_t{0x04}, std::uint8_t{0x08}}) { // APTPL, ALL_TG_PT, SPEC_I_PT
        REQUIRE(reserve_out(t.a, ReserveOutAction::register_key, none, {0, 1, flags}).kcq() == 0x052600);
    }
    REQUIRE(keys(t.a).empty());
}

TEST_CASE("READ FULL STATUS: each registration with its TransportID and whether it holds", "[scsi][reservations]") {
    Trio t;
    REQUIRE(register_key(t.a, 1).good());
    REQUIRE(register_key(t.b, 2).good());
    REQUIRE(reserve(t.b, exclusive_access, 2).good());
    const ByteVector data = reserve_in(t.c, 3);
    ByteReader in(data);
    in.skip(8);
    const auto full_status = [&](std::uint64_t key, bool holder, std::string_view port) {
        REQUIRE(in.read<be64>().value() == key);
        in.skip(4);
        REQUIRE(in.read<std::uint8_t>() == (holder ? 1 : 0));
        REQUIRE(in.read<std::uint8_t>() == (holder ? 3 : 0));
        in.skip(4);
        REQUIRE(in.read<be16>().value() == 1);
        REQUIRE(decode_transport_id(in.take(in.read<be32>().value())) == std::string(port));
    };
    full_status(1, false, "iqn.a,i,0x000000000001");
    full_status(2, true, "iqn.b,i,0x000000000001");
    REQUIRE(in.remaining() == 0);
}

TEST_CASE("RESERVE(6): excludes all others until released, lost or reset; never mixed with registrations", "[scsi][reservations]") {
    Trio t;
    REQUIRE(t.a.run(CdbBuilder(0x16)).good());
    REQUIRE(t.a.run(CdbBuilder(0x16)).good());
    REQUIRE_FALSE(conflicts(t.a, write_cdb, one_block));
    for (const std::uint8_t refused : {std::uint8_t{0x00}, std::uint8_t{0x16}, std::uint8_t{0x25}, std::uint8_t{0x5e}}) {
        REQUIRE(conflicts(t.b, CdbBuilder(refused)));
    }
    for (const std::uint8_t allowed : {std::uint8_t{0x12}, std::uint8_t{0x03}, std::uint8_t{0xa0}, std::uint8_t{0x17}}) {
        REQUIRE_FALSE(conflicts(t.b, CdbBuilder(allowed)));
    }
    REQUIRE(conflicts(t.b, read_cdb)); // the release of another had no effect
    REQUIRE(t.a.run(CdbBuilder(0x17)).good());
    REQUIRE_FALSE(conflicts(t.b, read_cdb));
    {
        test::ScsiSession gone(t.unit, "iqn.d,i,0x000000000001");
        REQUIRE(gone.run(CdbBuilder(0x16)).good());
        REQUIRE(conflicts(t.b, read_cdb));
    }
    REQUIRE_FALSE(conflicts(t.b, read_cdb));
    REQUIRE(t.a.run(CdbBuilder(0x16)).good());
    t.unit->reset();
    REQUIRE_FALSE(conflicts(t.b, read_cdb));
    REQUIRE(register_key(t.b, 1).good());
    REQUIRE(conflicts(t.b, CdbBuilder(0x16)));
    REQUIRE(conflicts(t.b, CdbBuilder(0x17)));
}

TEST_CASE("reservations: registrations outlive the session and belong to the initiator port", "[scsi][reservations]") {
    Trio t;
    {
        test::ScsiSession gone(t.unit, "iqn.d,i,0x000000000001");
        REQUIRE(register_key(gone, 4).good());
        REQUIRE(reserve(gone, exclusive_access, 4).good());
    }
    REQUIRE(conflicts(t.a, read_cdb));
    test::ScsiSession again(t.unit, "iqn.d,i,0x000000000001");
    test::ScsiSession other_isid(t.unit, "iqn.d,i,0x000000000002");
    test::ScsiSession other_port(t.unit, "iqn.d,i,0x000000000001", 2);
    REQUIRE_FALSE(conflicts(again, read_cdb));
    REQUIRE(conflicts(other_isid, read_cdb));
    REQUIRE(conflicts(other_port, read_cdb));
}

TEST_CASE("reservations: their number is bounded", "[scsi][reservations]") {
    Reservations reservations;
    ReserveOut request;
    request.service_action_key = 1;
    for (std::size_t i = 0; i < limits::registrations; ++i) {
        REQUIRE(reservations.perform({"iqn." + std::to_string(i), 1}, request).status == Status::good);
    }
    const ReserveOutcome outcome = reservations.perform({"iqn.one-more", 1}, request);
    REQUIRE(outcome.status == Status::check_condition);
    REQUIRE(outcome.sense->asc == Asc::insufficient_registration_resources);
    REQUIRE(reservations.state().registrations.size() == limits::registrations);
}

namespace {
class MemoryStore final : public ReservationStore {
  public:
    Result<ReservationState> load(std::string_view unit) override { return kept[std::string(unit)]; }
    Result<void> save(std::string_view unit, const ReservationState& state) override {
        kept[std::string(unit)] = state;
        return {};
    }
    std::map<std::string, ReservationState> kept;
};
} // namespace

TEST_CASE("APTPL: reservations come back after a restart when they were asked to, and only then", "[scsi][reservations]") {
    auto store = std::make_shared<MemoryStore>();
    const Identity identity = identity_from_name("volume/shared");
    const auto start = [&] {
        return make_disk_unit(std::make_shared<block::MemoryDevice>(test::test_geometry()), identity, store, *store->load(identity.serial));
    };
    const bool keep = GENERATE(true, false);
    {
        test::ScsiSession session(start(), "iqn.a,i,0x000000000001");
        REQUIRE(reserve_in(session, 2).at(2) == 0x01); // PTPL_C
        REQUIRE(reserve_out(session, ReserveOutAction::register_key, none, {0, 1, static_cast<std::uint8_t>(keep ? 1 : 0)}).good());
        REQUIRE(reserve(session, exclusive_access, 1).good());
    }
    auto unit = start();
    test::ScsiSession holder(unit, "iqn.a,i,0x000000000001");
    test::ScsiSession other(unit, "iqn.b,i,0x000000000001");
    REQUIRE(conflicts(other, read_cdb) == keep);
    REQUIRE_FALSE(conflicts(holder, read_cdb));
    if (keep) {
        REQUIRE(reserve_out(holder, ReserveOutAction::register_key, none, {1, 2, 0}).good()); // APTPL off again
        REQUIRE(store->kept[identity.serial].registrations.empty());
    }
}

TEST_CASE("TransportID: encode and decode agree; malformed ones are nothing", "[scsi][reservations]") {
    for (const std::string& port : {std::string("iqn.a"), std::string("iqn.2010-04.org.ipxe:host,i,0x400001370000"), std::string(223, 'x')}) {
        const ByteVector bytes = encode_transport_id(port);
        REQUIRE(bytes.size() % 4 == 0);
        REQUIRE(bytes.size() >= 24);
        REQUIRE(decode_transport_id(bytes) == port);
        for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
            REQUIRE_FALSE(decode_transport_id(Bytes(bytes).first(cut)));
        }
    }
    ByteVector bytes = encode_transport_id("iqn.a,i,0x000000000001");
    bytes[0] = 0x05; // no ISID promised
    REQUIRE_FALSE(decode_transport_id(bytes));
    bytes[0] = 0x46; // SAS
    REQUIRE_FALSE(decode_transport_id(bytes));
    bytes[0] = 0x85;
    REQUIRE_FALSE(decode_transport_id(bytes));
}
