// Random commands, reservations, resets and reconnects from four initiators, step by step against a model that is written from the
// tables of SPC-4 and SBC-3 and shares no code with src/scsi. A failure prints the seed; ROOTSTOCK_SIM_SEED=n replays it.
#include "support/catch.hpp"
#include "support/reservation_model.hpp"
#include "support/scsi_host.hpp"

#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

using namespace rootstock;
using scsi::Status;
using test::CdbBuilder;
using test::ReservationModel;

namespace {

constexpr int initiators = 4;
constexpr unsigned block_count = 64;
constexpr unsigned block_size = 512;

enum class Expected { good, conflict, check };

class Simulation {
  public:
    explicit Simulation(std::uint64_t seed) : random_(seed), content_(block_count * block_size) {
        for (int i = 0; i < initiators; ++i) {
            connect(i);
        }
    }

    void step() {
        const int who = pick(initiators);
        switch (pick(17)) {
        case 0: reconnect(who); break;
        case 1: reset(); break;
        case 2:
        case 3: register_key(who); break;
        case 4: reserve(who); break;
        case 5: release(who); break;
        case 6: preempt(who); break;
        case 7: pick(4) == 0 ? clear(who) : read_keys(who); break;
        case 8:
        case 9: read(who); break;
        case 10:
        case 11: write(who); break;
        case 12: write_same(who); break;
        case 13: unmap(who); break;
        case 14: compare_and_write(who); break;
        case 15: extended_copy(who); break;
        default: or_write(who); break;
        }
    }

  private:
    int pick(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
    unsigned pick_lba(unsigned count) { return static_cast<unsigned>(random_() % (block_count - count + 1)); }
    unsigned pick_count() { return 1 + static_cast<unsigned>(random_() % 8); }
    std::uint8_t pick_byte() { return static_cast<std::uint8_t>(random_() % 4 == 0 ? 0 : random_()); }
    int pick_type() {
        static constexpr std::array types{1, 3, 5, 6, 7, 8};
        return types[static_cast<std::size_t>(pick(types.size()))];
    }

    void connect(int who) {
        sessions_[who] = std::make_unique<test::ScsiSession>(unit_, "iqn." + std::to_string(who) + ",i,0x000000000001", std::uint16_t{1}, true);
        attention_.insert(who);
    }
    void reconnect(int who) {
        sessions_.erase(who);
        connect(who);
    }
    void reset() {
        unit_->reset();
        for (int i = 0; i < initiators; ++i) {
            attention_.insert(i);
        }
    }

    /// Tells the pending news first, then runs the command. Whoever expects news gets some, and nobody else does.
    test::CommandResult run(int who, const ByteVector& cdb, Bytes data = {}) {
        test::ScsiSession& session = *sessions_.at(who);
        bool told = false;
        while (session.run(CdbBuilder(0x00)).kcq() >> 16U == 0x06) {
            told = true;
        }
        REQUIRE(told == attention_.contains(who));
        attention_.erase(who);
        return session.run(cdb, data);
    }
    void expect(const test::CommandResult& result, Expected expected) {
        const Expected was = result.good()                                  ? Expected::good
                             : result.status == Status::reservation_conflict ? Expected::conflict
                                                                             : Expected::check;
        REQUIRE(was == expected);
    }
    bool medium(int who, bool write, const test::CommandResult& result) {
        const bool allowed = model_.may(who, write);
        expect(result, allowed ? Expected::good : Expected::conflict);
        return allowed;
    }
    std::span<std::uint8_t> at(unsigned lba, unsigned count) {
        return std::span(content_).subspan(std::size_t{lba} * block_size, std::size_t{count} * block_size);
    }
    ByteVector random_blocks(unsigned count) {
        ByteVector data(std::size_t{count} * block_size);
        std::generate(data.begin(), data.end(), [&] { return pick_byte(); });
        return data;
    }

    // --- the medium
    void read(int who) {
        const unsigned count = pick_count();
        const unsigned lba = pick_lba(count);
        const test::CommandResult result = run(who, CdbBuilder(0x28).u32(2, lba).u16(7, count));
        if (medium(who, false, result)) {
            const auto expected = at(lba, count);
            REQUIRE(std::equal(result.data_in.begin(), result.data_in.end(), expected.begin(), expected.end()));
        }
    }
    void write(int who) {
        const unsigned count = pick_count();
        const unsigned lba = pick_lba(count);
        const ByteVector data = random_blocks(count);
        if (medium(who, true, run(who, CdbBuilder(0x8a).u64(2, lba).u32(10, count), data))) {
            std::copy(data.begin(), data.end(), at(lba, count).begin());
        }
    }
    void write_same(int who) {
        const unsigned count = pick_count();
        const unsigned lba = pick_lba(count);
        const bool unmap = pick(2) == 0;
        const ByteVector data = pick(2) == 0 ? ByteVector(block_size) : random_blocks(1);
        if (medium(who, true, run(who, CdbBuilder(0x93).byte(1, unmap ? 8 : 0).u64(2, lba).u32(10, count), data))) {
            for (unsigned i = 0; i < count; ++i) {
                std::copy(data.begin(), data.end(), at(lba + i, 1).begin());
            }
        }
    }
    void unmap(int who) {
        const unsigned count = pick_count();
        const unsigned lba = pick_lba(count);
        ByteVector list(24);
        list[3] = 16;
        list[15] = static_cast<std::uint8_t>(lba);
        list[19] = static_cast<std::uint8_t>(count);
        if (medium(who, true, run(who, CdbBuilder(0x42).u16(7, 24), list))) {
            std::ranges::fill(at(lba, count), std::uint8_t{0});
        }
    }
    void compare_and_write(int who) {
        const unsigned count = pick_count();
        const unsigned lba = pick_lba(count);
        const auto now = at(lba, count);
        ByteVector data(now.begin(), now.end());
        const bool same = pick(2) == 0;
        if (!same) {
            data[random_() % data.size()] ^= 1U;
        }
        const ByteVector next = random_blocks(count);
        data.insert(data.end(), next.begin(), next.end());
        const test::CommandResult result = run(who, CdbBuilder(0x89).u64(2, lba).byte(13, count), data);
        if (!model_.may(who, true)) {
            expect(result, Expected::conflict);
        } else if (same) {
            expect(result, Expected::good);
            std::copy(next.begin(), next.end(), now.begin());
        } else {
            REQUIRE(result.kcq() == 0x0e1d00);
        }
    }
    void or_write(int who) {
        const unsigned count = pick_count();
        const unsigned lba = pick_lba(count);
        const ByteVector data = random_blocks(count);
        if (medium(who, true, run(who, CdbBuilder(0x8b).u64(2, lba).u32(10, count), data))) {
            const auto now = at(lba, count);
            std::transform(now.begin(), now.end(), data.begin(), now.begin(), std::bit_or<>());
        }
    }
    /// One segment, by the CSCD ID of the unit itself; onto itself in part more often than not, for the medium is small.
    void extended_copy(int who) {
        const unsigned count = pick_count();
        const unsigned source = pick_lba(count);
        const unsigned destination = pick_lba(count);
        ByteVector list;
        ByteWriter out(list);
        out.byte(static_cast<std::uint8_t>(who));
        out.fill(10);
        out.byte(28); // SEGMENT DESCRIPTOR LIST LENGTH
        out.fill(4);
        out.write(be32(0x02000018));
        out.write(be32(0xffffffff));
        out.write(be32(count));
        out.write(be64(source));
        out.write(be64(destination));
        if (medium(who, true, run(who, CdbBuilder(0x83).u32(10, static_cast<std::uint32_t>(list.size())), list))) {
            const auto from = at(source, count);
            const ByteVector copied(from.begin(), from.end());
            std::copy(copied.begin(), copied.end(), at(destination, count).begin());
        }
    }

    // --- reservations
    test::CommandResult reserve_out(int who, unsigned action, int type, std::uint64_t key, std::uint64_t service_action_key) {
        ByteVector list(24);
        list[7] = static_cast<std::uint8_t>(key);
        list[15] = static_cast<std::uint8_t>(service_action_key);
        return run(who, CdbBuilder(0x5f).byte(1, action).byte(2, static_cast<unsigned>(type)).u32(5, 24), list);
    }
    std::uint64_t own_key(int who) { return model_.keys.contains(who) ? model_.keys[who] : 0; }
    /// Mostly the right key.
    std::uint64_t claimed_key(int who) { return pick(8) == 0 ? static_cast<std::uint64_t>(pick(4)) : own_key(who); }
    bool registered_with(int who, std::uint64_t key) { return model_.keys.contains(who) && model_.keys[who] == key; }
    void tell(const std::set<int>& whom, int but) {
        for (const int each : whom) {
            if (each != but) {
                attention_.insert(each);
            }
        }
    }
    std::set<int> registrants() {
        std::set<int> result;
        for (const auto& [who, key] : model_.keys) {
            result.insert(who);
        }
        return result;
    }

    void register_key(int who) {
        const bool ignore = pick(3) == 0;
        const std::uint64_t key = claimed_key(who);
        const auto next = static_cast<std::uint64_t>(pick(4)); // few keys, so that they collide
        const test::CommandResult result = reserve_out(who, ignore ? 6 : 0, 0, key, next);
        if (!ignore && key != own_key(who)) {
            expect(result, Expected::conflict);
            return;
        }
        expect(result, Expected::good);
        if (next != 0) {
            model_.keys[who] = next;
        } else if (model_.keys.contains(who)) {
            const bool tells = (model_.type == 5 || model_.type == 6) && model_.holder == who;
            model_.drop(who);
            if (tells) {
                tell(registrants(), who);
            }
        }
    }
    void reserve(int who) {
        const std::uint64_t key = claimed_key(who);
        const int type = pick_type();
        const test::CommandResult result = reserve_out(who, 1, type, key, 0);
        const bool free = model_.type == 0;
        const bool repeated = model_.holds(who) && model_.type == type;
        const bool allowed = registered_with(who, key) && (free || repeated);
        expect(result, allowed ? Expected::good : Expected::conflict);
        if (allowed && free) {
            model_.hold(who, type);
        }
    }
    void release(int who) {
        const std::uint64_t key = claimed_key(who);
        const int type = pick(2) == 0 && model_.type != 0 ? model_.type : pick_type();
        const test::CommandResult result = reserve_out(who, 2, type, key, 0);
        if (!registered_with(who, key)) {
            expect(result, Expected::conflict);
        } else if (!model_.holds(who)) {
            expect(result, Expected::good);
        } else if (type != model_.type) {
            REQUIRE(result.kcq() == 0x052604);
        } else {
            expect(result, Expected::good);
            if (model_.type >= 5) {
                tell(registrants(), who);
            }
            model_.type = 0;
            model_.holder = -1;
        }
    }
    void preempt(int who) {
        const std::uint64_t key = claimed_key(who);
        const auto victim = static_cast<std::uint64_t>(pick(4));
        const int type = pick_type();
        const test::CommandResult result = reserve_out(who, pick(2) == 0 ? 4 : 5, type, key, victim);
        if (!registered_with(who, key)) {
            expect(result, Expected::conflict);
            return;
        }
        if (victim == 0 && !model_.all_hold()) {
            REQUIRE(result.kcq() == 0x052600);
            return;
        }
        std::set<int> removed;
        for (const auto& [each, each_key] : model_.keys) {
            if (victim == 0 || each_key == victim) {
                removed.insert(each);
            }
        }
        if (removed.empty()) {
            expect(result, Expected::conflict);
            return;
        }
        expect(result, Expected::good);
        const bool takes_over = model_.all_hold() ? victim == 0 : removed.contains(model_.holder);
        tell(removed, who);
        for (const int each : removed) {
            if (each != who) {
                model_.keys.erase(each);
            }
        }
        if (takes_over) {
            if (model_.type != type) {
                tell(registrants(), who);
            }
            model_.hold(who, type);
        }
    }
    void clear(int who) {
        const std::uint64_t key = claimed_key(who);
        const test::CommandResult result = reserve_out(who, 3, 0, key, 0);
        expect(result, registered_with(who, key) ? Expected::good : Expected::conflict);
        if (registered_with(who, key)) {
            tell(registrants(), who);
            model_ = {};
        }
    }
    void read_keys(int who) {
        const test::CommandResult keys = run(who, CdbBuilder(0x5e).u16(7, 512));
        std::multiset<std::uint64_t> told;
        for (std::size_t at = 8; at < keys.data_in.size(); at += 8) {
            told.insert(keys.data_in[at + 7]);
        }
        std::multiset<std::uint64_t> expected;
        for (const auto& [each, key] : model_.keys) {
            expected.insert(key);
        }
        REQUIRE(told == expected);
        const test::CommandResult held = run(who, CdbBuilder(0x5e).byte(1, 1).u16(7, 512));
        REQUIRE((held.data_in.size() == 8 ? 0 : held.data_in.at(21)) == model_.type);
        const std::uint64_t holder_key = model_.type == 0 || model_.all_hold() ? 0 : model_.keys.at(model_.holder);
        REQUIRE((held.data_in.size() == 8 ? 0 : held.data_in.at(15)) == holder_key);
    }

    std::mt19937_64 random_;
    std::shared_ptr<scsi::LogicalUnit> unit_ = test::make_test_unit(test::test_geometry(block_count * block_size));
    std::map<int, std::unique_ptr<test::ScsiSession>> sessions_;
    std::set<int> attention_; // who has news to hear
    ReservationModel model_;
    ByteVector content_;
};

} // namespace

TEST_CASE("model: commands, reservations, resets and reconnects of four initiators", "[scsi][sim]") {
    const char* const only = std::getenv("ROOTSTOCK_SIM_SEED");
    const std::uint64_t first = only == nullptr ? 1 : std::strtoull(only, nullptr, 10);
    const std::uint64_t last = only == nullptr ? 60 : first;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        INFO("ROOTSTOCK_SIM_SEED=" << seed);
        Simulation simulation(seed);
        for (int i = 0; i < 1500; ++i) {
            INFO("step " << i);
            simulation.step();
        }
    }
}
