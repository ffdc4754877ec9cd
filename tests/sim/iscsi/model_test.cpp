// Two to four initiators on one LUN, each over a connection of its own with one registry behind all: random I/O, reservations, aborts, resets,
// logouts, connections that break and logins that replace a session which still lives. Bytes arrive in random pieces, with and without
// digests; what blocks ends late and in any order. Everything is compared with a model of contents and reservations that shares no code with
// the target. A failure prints the seed; ROOTSTOCK_SIM_SEED=n replays it, ROOTSTOCK_SIM_COUNT=n runs more of them.
// Long because the model is one: what may be answered depends on everything that was sent before.
#include "sim/iscsi/content_model.hpp"
#include "sim/iscsi/simulated_edge.hpp"
#include "support/catch.hpp"
#include "support/reservation_model.hpp"

#include <cstdlib>

using namespace rootstock;
using namespace rootstock::iscsi;
using test::block_count;
using test::block_size;
using test::blocks_of;
using test::ContentModel;
using test::Link;
using test::SentPdu;
using test::value_of;

namespace {

/// What one initiator waits for.
struct Outstanding {
    enum class Kind : std::uint8_t { read, change, compare, flush, reserve };
    Kind kind = Kind::flush;
    unsigned lba = 0, count = 0;
    ContentModel::Id id = 0;
    std::uint32_t compared = 0;
    ByteVector data_out;
    ByteVector data_in;
    std::function<void(scsi::Status)> answered = {}; // reserve
    bool conflicts = false; // by the model, when it was sent
    bool collects = false;  // parameter data: looked at when they are complete
    bool dead = false;      // aborted by another initiator: no status may come
};

struct Initiator {
    int number = 0;
    Link* link = nullptr;
    bool header_digest = false, data_digest = false, immediate_data = false;
    std::uint32_t next_cmd_sn = 1;
    std::uint32_t next_tag = 1;
    std::map<std::uint32_t, Outstanding> tasks;
    std::vector<ReadyToTransferHeader> asked; // R2Ts that are not answered yet
    std::optional<SentPdu> management;        // the answer to a task management function
    bool logged_out = false;
};

class Simulation {
  public:
    explicit Simulation(std::uint64_t seed) : random_(seed), initiators_(2 + seed % 3) {
        test::FixedTargets::Target target;
        target.units.push_back({0, unit_});
        edge_.targets.add(test::target_name, std::move(target));
        for (std::size_t i = 0; i < initiators_.size(); ++i) {
            initiators_[i].number = static_cast<int>(i);
            log_in(initiators_[i]);
        }
    }
    ~Simulation() { // also when a step has failed
        for (Initiator& who : initiators_) {
            if (Link* link = std::exchange(who.link, nullptr)) {
                link->in_use = false;
                link->connection->input_ended("over");
            }
        }
        while (edge_.run_some_job()) {
        }
        edge_.pump();
    }

    void step() {
        Initiator& who = initiators_[pick(static_cast<unsigned>(initiators_.size()))];
        switch (pick(32)) {
        case 0: reset(who); break;
        case 1: abort_one(who); break;
        case 2: log_out(who); break;
        case 3: break_off(who); break;
        case 4: log_in(who); break; // while the older session still lives
        case 5:
        case 6: register_key(who); break;
        case 7: reserve(who); break;
        case 8: release(who); break;
        case 9: preempt(who); break;
        case 10: flush(who); break;
        case 11:
        case 12: write_same(who); break;
        case 13: unmap(who); break;
        case 14:
        case 15: compare_and_write(who); break;
        case 16:
        case 17:
        case 18:
        case 19: read(who); break;
        case 20:
        case 21:
        case 22:
        case 23: write(who); break;
        case 24:
        case 25:
        case 26: answer_r2t(who); break;
        default: run_some_job(); break;
        }
    }

    /// Everything comes to its end, and then the medium holds what the model says, exactly where nothing was cut off.
    void finish() {
        for (Initiator& who : initiators_) {
            while (!who.asked.empty()) {
                answer_r2t(who);
            }
        }
        run_all_jobs();
        for (Initiator& who : initiators_) {
            while (!who.asked.empty()) {
                answer_r2t(who);
                run_all_jobs();
            }
            for (const auto& [tag, task] : who.tasks) {
                CAPTURE(who.number, tag);
                REQUIRE(task.dead); // nobody else waits for an answer
            }
        }
        ByteVector medium(block_count * block_size);
        REQUIRE(unit_->device().read(0, medium));
        for (unsigned b = 0; b < block_count; ++b) {
            CAPTURE(b);
            const auto value = value_of(Bytes(medium).subspan(b * block_size, block_size));
            REQUIRE(value);
            REQUIRE(content_.values(b).contains(*value));
        }
        for (Initiator& who : initiators_) {
            who.link->connection->input_ended("over");
            give_up(who);
        }
        run_all_jobs();
        REQUIRE(edge_.empty());
        REQUIRE(edge_.registry.size() == 0);
        REQUIRE(edge_.targets.leases() == 0);
    }

  private:
    unsigned pick(unsigned count) { return random_.u32() % count; }
    unsigned pick_count() { return 1 + pick(8); }
    unsigned pick_lba(unsigned count) { return pick(block_count - count + 1); }
    std::uint32_t new_value() { return ++last_value_; }

    // --- an initiator's side of the wire
    template <class Header> void send(Initiator& who, const Header& header, Bytes data = {}) {
        edge_.send(*who.link, test::wire(header, data, who.header_digest, who.data_digest));
        hear_all();
    }
    bool run_some_job() {
        const bool any = edge_.run_some_job();
        hear_all();
        return any;
    }
    void run_all_jobs() {
        while (run_some_job()) {
        }
    }
    void hear_all() {
        for (Initiator& who : initiators_) {
            if (who.link != nullptr) {
                for (const SentPdu& pdu : test::SimulatedEdge::take(*who.link, who.header_digest, who.data_digest)) {
                    handle(who, pdu);
                }
            }
        }
    }

    void handle(Initiator& who, const SentPdu& pdu) {
        switch (pdu.opcode()) {
        case Opcode::login_response:
            REQUIRE(test::login_status({pdu}) == LoginStatus::success);
            return;
        case Opcode::ready_to_transfer:
            who.asked.push_back(pdu.as<ReadyToTransferHeader>());
            return;
        case Opcode::task_management_response:
            who.management = pdu;
            return;
        case Opcode::logout_response:
            who.logged_out = true;
            return;
        case Opcode::data_in:
            return take_data(who, pdu);
        case Opcode::scsi_response:
            return take_status(who, pdu.header.initiator_task_tag, static_cast<scsi::Status>(pdu.as<ScsiResponseHeader>().status), sense_of(pdu));
        default:
            FAIL("opcode " << static_cast<int>(pdu.opcode()));
        }
    }
    static std::uint32_t sense_of(const SentPdu& pdu) {
        if (pdu.data.size() < 16) {
            return 0;
        }
        return (pdu.data[4] & 0xfU) << 16U | std::uint32_t{pdu.data[14]} << 8U | pdu.data[15];
    }
    void take_data(Initiator& who, const SentPdu& pdu) {
        const auto header = pdu.as<DataInHeader>();
        const auto found = who.tasks.find(header.initiator_task_tag);
        REQUIRE(found != who.tasks.end());
        Outstanding& task = found->second;
        REQUIRE(header.buffer_offset == task.data_in.size());
        task.data_in.insert(task.data_in.end(), pdu.data.begin(), pdu.data.end());
        if ((header.flags & DataInHeader::status_bit) != 0) {
            take_status(who, header.initiator_task_tag, static_cast<scsi::Status>(header.status), 0);
        }
    }

    /// The end of a command, against the model.
    void take_status(Initiator& who, std::uint32_t tag, scsi::Status status, std::uint32_t sense) {
        CAPTURE(who.number, tag, static_cast<int>(status), sense);
        const auto found = who.tasks.find(tag);
        REQUIRE(found != who.tasks.end()); // an aborted one says nothing
        const Outstanding task = std::move(found->second);
        who.tasks.erase(found);
        REQUIRE_FALSE(task.dead);
        std::erase_if(who.asked, [&](const ReadyToTransferHeader& r2t) { return r2t.initiator_task_tag == tag; });
        const bool attention = status == scsi::Status::check_condition && sense >> 16U == 0x06;
        if (!attention && task.kind != Outstanding::Kind::reserve) {
            const bool later = task.collects && conflicts(who, true); // asked again when the data have come
            REQUIRE((status == scsi::Status::reservation_conflict ? task.conflicts || later : !task.conflicts));
        }
        const bool began = !attention && status != scsi::Status::reservation_conflict;
        switch (task.kind) {
        case Outstanding::Kind::read:
            if (began) {
                REQUIRE(status == scsi::Status::good);
                check_read(who, tag, task);
            }
            break;
        case Outstanding::Kind::change:
            REQUIRE((!began || status == scsi::Status::good));
            if (began) {
                content_.acknowledged(task.id);
            } else {
                content_.refused(task.id);
            }
            break;
        case Outstanding::Kind::compare:
            if (began) {
                check_compare(who, tag, task, status, sense);
            } else {
                content_.refused(task.id);
            }
            break;
        case Outstanding::Kind::flush:
            REQUIRE((!began || status == scsi::Status::good));
            break;
        case Outstanding::Kind::reserve:
            if (!attention) {
                task.answered(status);
            }
            break;
        }
        content_.forget(reader(who, tag));
    }
    void check_read(const Initiator& who, std::uint32_t tag, const Outstanding& task) {
        REQUIRE(task.data_in.size() == std::size_t{task.count} * block_size);
        for (unsigned i = 0; i < task.count; ++i) {
            const auto value = value_of(Bytes(task.data_in).subspan(i * block_size, block_size));
            CAPTURE(task.lba + i);
            REQUIRE(value);
            REQUIRE(content_.seen(reader(who, tag), i).contains(*value));
        }
    }
    /// One block: the new value, or MISCOMPARE because it held another one.
    void check_compare(const Initiator& who, std::uint32_t tag, const Outstanding& task, scsi::Status status, std::uint32_t sense) {
        std::set<std::uint32_t> seen = content_.seen(reader(who, tag), 0);
        seen.erase(content_.value(task.id)); // what it was about to write
        if (status == scsi::Status::good) {
            REQUIRE(seen.contains(task.compared));
            return content_.acknowledged(task.id);
        }
        REQUIRE(sense == 0x0e1d00);
        REQUIRE((seen.size() > 1 || !seen.contains(task.compared)));
        content_.refused(task.id);
    }
    static std::uint64_t reader(const Initiator& who, std::uint32_t tag) {
        return static_cast<std::uint64_t>(who.number) << 32U | tag;
    }

    // --- sessions
    void log_in(Initiator& who) {
        give_up(who);
        Link& link = edge_.connect();
        who.link = &link;
        who.header_digest = who.data_digest = false;
        auto header = test::login_header(Stage::operational, Stage::full_feature);
        header.isid[5] = static_cast<std::uint8_t>(who.number);
        header.cmd_sn = who.next_cmd_sn = random_.u32();
        const bool header_digest = pick(2) == 0, data_digest = pick(2) == 0;
        who.immediate_data = pick(3) != 0;
        const std::string text = test::named_text(
            {header_digest ? "HeaderDigest=CRC32C" : "HeaderDigest=None", data_digest ? "DataDigest=CRC32C" : "DataDigest=None",
             who.immediate_data ? "ImmediateData=Yes" : "ImmediateData=No", pick(2) == 0 ? "MaxBurstLength=1024" : "MaxBurstLength=8192",
             "FirstBurstLength=1024", pick(2) == 0 ? "MaxRecvDataSegmentLength=512" : "MaxRecvDataSegmentLength=8192", "MaxOutstandingR2T=2"});
        send(who, header, as_bytes(text));
        who.header_digest = header_digest;
        who.data_digest = data_digest;
        while (link.connection->phase() == Connection::Phase::opening) { // the older session ends first
            REQUIRE(run_some_job());
        }
        REQUIRE(link.connection->phase() == Connection::Phase::full_feature);
    }
    /// The initiator forgets its connection; the target does not know of it yet.
    void give_up(Initiator& who) {
        if (who.link == nullptr) {
            return;
        }
        std::vector<ContentModel::Id> unfinished; // they end with the session
        for (const auto& [tag, task] : who.tasks) {
            if (task.id != 0) {
                unfinished.push_back(task.id);
            }
            content_.forget(reader(who, tag));
        }
        who.tasks.clear();
        who.asked.clear();
        who.link->when_gone = [this, unfinished = std::move(unfinished)] {
            for (const auto id : unfinished) {
                content_.stopped(id);
            }
        };
        who.link->in_use = false;
        who.link = nullptr;
        edge_.pump();
    }
    void break_off(Initiator& who) {
        who.link->connection->input_ended("broken");
        log_in(who);
    }
    void log_out(Initiator& who) {
        auto header = make_header<LogoutRequestHeader>(Opcode::logout_request);
        header.opcode_byte |= immediate_bit;
        header.cmd_sn = who.next_cmd_sn;
        who.logged_out = false;
        send(who, header);
        REQUIRE(who.logged_out);
        log_in(who);
    }

    // --- task management
    std::uint8_t manage(Initiator& who, unsigned function, std::uint32_t referenced) {
        auto header = make_header<TaskManagementRequestHeader>(Opcode::task_management_request);
        header.opcode_byte |= immediate_bit;
        header.flags = static_cast<std::uint8_t>(0x80U | function);
        header.initiator_task_tag = who.next_tag++;
        header.referenced_task_tag = referenced;
        header.cmd_sn = who.next_cmd_sn;
        header.ref_cmd_sn = who.next_cmd_sn - 1;
        who.management.reset();
        send(who, header);
        while (!who.management) {
            REQUIRE(run_some_job());
        }
        return who.management->as<TaskManagementResponseHeader>().response;
    }
    void abort_one(Initiator& who) {
        if (who.tasks.empty()) {
            return;
        }
        auto chosen = std::next(who.tasks.begin(), pick(static_cast<unsigned>(who.tasks.size())));
        const std::uint32_t tag = chosen->first;
        const Outstanding task = std::move(chosen->second);
        who.tasks.erase(chosen); // from here on it may say nothing
        std::erase_if(who.asked, [&](const ReadyToTransferHeader& r2t) { return r2t.initiator_task_tag == tag; });
        const std::uint8_t answer = manage(who, 1, tag);
        REQUIRE((answer == 0 || (task.dead && answer == 1)));
        if (task.id != 0) {
            content_.stopped(task.id);
        }
        content_.forget(reader(who, tag));
    }
    /// All commands of the others end, unknown to them; those of `who` when the function is answered.
    void reset(Initiator& who) {
        for (Initiator& other : initiators_) {
            if (&other != &who) {
                kill_tasks(other);
            }
        }
        std::map<std::uint32_t, Outstanding> own;
        own.swap(who.tasks);
        who.asked.clear();
        REQUIRE(manage(who, 5, reserved_tag) == 0);
        for (const auto& [tag, task] : own) {
            if (task.id != 0) {
                content_.stopped(task.id);
            }
            content_.forget(reader(who, tag));
        }
    }
    void kill_tasks(Initiator& who) {
        for (auto& [tag, task] : who.tasks) {
            task.dead = true;
            if (task.id != 0) {
                content_.stopped(task.id);
            }
        }
    }

    // --- commands
    void issue(Initiator& who, Outstanding task, std::initializer_list<unsigned> cdb, std::uint8_t flags, std::uint32_t expected) {
        const std::uint32_t tag = who.next_tag++;
        auto header = make_header<ScsiCommandHeader>(Opcode::scsi_command);
        header.flags = static_cast<std::uint8_t>(0x80U | flags | 1U);
        header.initiator_task_tag = tag;
        header.expected_data_transfer_length = expected;
        header.cmd_sn = who.next_cmd_sn++;
        std::transform(cdb.begin(), cdb.end(), header.cdb.begin(), [](unsigned byte) { return static_cast<std::uint8_t>(byte); });
        const std::size_t now = who.immediate_data ? std::min<std::size_t>(task.data_out.size(), 1024) : 0;
        const ByteVector data(task.data_out.begin(), task.data_out.begin() + static_cast<std::ptrdiff_t>(now));
        last_tag_ = tag;
        if (task.kind == Outstanding::Kind::read || task.kind == Outstanding::Kind::compare) {
            content_.watch(reader(who, tag), task.lba, task.count);
        }
        who.tasks[tag] = std::move(task);
        send(who, header, data);
    }
    [[nodiscard]] bool full(const Initiator& who) const { return who.tasks.size() >= 24; }
    [[nodiscard]] bool conflicts(const Initiator& who, bool write) const { return !reservations_.may(who.number, write); }

    void read(Initiator& who) {
        if (full(who)) {
            return;
        }
        Outstanding task;
        task.kind = Outstanding::Kind::read;
        task.count = pick_count();
        task.lba = pick_lba(task.count);
        task.conflicts = conflicts(who, false);
        const unsigned lba = task.lba, count = task.count;
        issue(who, std::move(task), {0x28, 0, 0, 0, 0, lba, 0, 0, count}, ScsiCommandHeader::read_bit, count * block_size);
    }
    void write(Initiator& who) {
        if (full(who)) {
            return;
        }
        Outstanding task = change(who, pick_count(), new_value());
        task.data_out = blocks_of(last_value_, task.count);
        const unsigned lba = task.lba, count = task.count, fua = pick(4) == 0 ? 8 : 0;
        issue(who, std::move(task), {0x2a, fua, 0, 0, 0, lba, 0, 0, count}, ScsiCommandHeader::write_bit, count * block_size);
    }
    void write_same(Initiator& who) {
        if (full(who)) {
            return;
        }
        const std::uint32_t value = pick(3) == 0 ? 0 : new_value();
        Outstanding task = change(who, pick_count(), value);
        task.collects = true;
        task.data_out = blocks_of(value, 1);
        const unsigned lba = task.lba, count = task.count;
        issue(who, std::move(task), {0x41, 0, 0, 0, 0, lba, 0, 0, count}, ScsiCommandHeader::write_bit, block_size);
    }
    void unmap(Initiator& who) {
        if (full(who)) {
            return;
        }
        Outstanding task = change(who, pick_count(), 0);
        task.collects = true;
        task.data_out = ByteVector(24);
        task.data_out[1] = 22;
        task.data_out[3] = 16;
        task.data_out[15] = static_cast<std::uint8_t>(task.lba);
        task.data_out[19] = static_cast<std::uint8_t>(task.count);
        issue(who, std::move(task), {0x42, 0, 0, 0, 0, 0, 0, 0, 24}, ScsiCommandHeader::write_bit, 24);
    }
    void compare_and_write(Initiator& who) {
        if (full(who)) {
            return;
        }
        const unsigned lba = pick_lba(1);
        const auto values = content_.values(lba);
        Outstanding task;
        task.kind = Outstanding::Kind::compare;
        task.lba = lba;
        task.count = 1;
        task.collects = true;
        task.compared = pick(4) == 0 ? new_value() : *values.begin();
        task.conflicts = conflicts(who, true);
        task.data_out = blocks_of(task.compared, 1);
        const ByteVector next = blocks_of(new_value(), 1);
        task.data_out.insert(task.data_out.end(), next.begin(), next.end());
        task.id = content_.begin(lba, 1, last_value_);
        issue(who, std::move(task), {0x89, 0, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, 1}, ScsiCommandHeader::write_bit, 2 * block_size);
    }
    void flush(Initiator& who) {
        if (full(who)) {
            return;
        }
        Outstanding task;
        task.conflicts = conflicts(who, true); // SBC-3 table 13: SYNCHRONIZE CACHE counts as a write
        issue(who, std::move(task), {0x35}, 0, 0);
    }
    Outstanding change(const Initiator& who, unsigned count, std::uint32_t value) {
        Outstanding task;
        task.kind = Outstanding::Kind::change;
        task.count = count;
        task.lba = pick_lba(count);
        task.conflicts = conflicts(who, true);
        task.id = content_.begin(task.lba, count, value);
        return task;
    }
    void answer_r2t(Initiator& who) {
        if (who.asked.empty()) {
            return;
        }
        const ReadyToTransferHeader r2t = who.asked.front();
        who.asked.erase(who.asked.begin());
        const ByteVector data = who.tasks.at(r2t.initiator_task_tag).data_out;
        const std::uint32_t length = r2t.desired_data_transfer_length;
        const std::uint32_t step = 4 * (1 + pick(512));
        for (std::uint32_t sent = 0, data_sn = 0; sent < length; sent += step, ++data_sn) {
            auto header = make_header<DataOutHeader>(Opcode::data_out);
            const std::uint32_t size = std::min(step, length - sent);
            header.flags = sent + size == length ? final_bit : std::uint8_t{0};
            header.initiator_task_tag = r2t.initiator_task_tag;
            header.target_transfer_tag = r2t.target_transfer_tag;
            header.data_sn = data_sn;
            header.buffer_offset = r2t.buffer_offset + sent;
            send(who, header, Bytes(data).subspan(r2t.buffer_offset + sent, size));
        }
    }

    // --- reservations: answered in the same step
    void reserve_out(Initiator& who, unsigned action, int type, std::uint64_t key, std::uint64_t other, std::function<void(scsi::Status)> answered) {
        if (full(who)) {
            return;
        }
        Outstanding task;
        task.kind = Outstanding::Kind::reserve;
        task.data_out = ByteVector(24);
        task.data_out[7] = static_cast<std::uint8_t>(key);
        task.data_out[15] = static_cast<std::uint8_t>(other);
        task.answered = std::move(answered);
        issue(who, std::move(task), {0x5f, action, static_cast<unsigned>(type), 0, 0, 0, 0, 0, 24}, ScsiCommandHeader::write_bit, 24);
        const std::uint32_t tag = last_tag_;
        for (std::size_t i = 0; i < who.asked.size(); ++i) {
            if (who.asked[i].initiator_task_tag == tag) {
                std::swap(who.asked[i], who.asked.front());
                answer_r2t(who);
            }
        }
        while (who.tasks.contains(tag)) {
            REQUIRE(run_some_job());
        }
    }
    static void expect(scsi::Status was, bool allowed) {
        REQUIRE(was == (allowed ? scsi::Status::good : scsi::Status::reservation_conflict));
    }
    int pick_type() {
        static constexpr std::array types{1, 3, 5, 6, 7, 8};
        return types[pick(types.size())];
    }
    std::uint64_t own_key(const Initiator& who) { return reservations_.keys.contains(who.number) ? reservations_.keys[who.number] : 0; }

    void register_key(Initiator& who) {
        const std::uint64_t next = pick(4); // 0: gives up the registration
        reserve_out(who, 6, 0, 0, next, [&](scsi::Status status) {
            expect(status, true);
            if (next != 0) {
                reservations_.keys[who.number] = next;
            } else if (reservations_.keys.contains(who.number)) {
                reservations_.drop(who.number);
            }
        });
    }
    void reserve(Initiator& who) {
        const int type = pick_type();
        reserve_out(who, 1, type, own_key(who), 0, [&](scsi::Status status) {
            const bool free = reservations_.type == 0;
            const bool repeated = reservations_.holds(who.number) && reservations_.type == type;
            const bool allowed = reservations_.keys.contains(who.number) && (free || repeated);
            expect(status, allowed);
            if (allowed && free) {
                reservations_.hold(who.number, type);
            }
        });
    }
    void release(Initiator& who) {
        const int type = reservations_.type == 0 ? 1 : reservations_.type;
        reserve_out(who, 2, type, own_key(who), 0, [&](scsi::Status status) {
            expect(status, reservations_.keys.contains(who.number));
            if (reservations_.holds(who.number)) {
                reservations_.type = 0;
                reservations_.holder = -1;
            }
        });
    }
    void preempt(Initiator& who) {
        const std::uint64_t victim = 1 + pick(3);
        const int type = pick_type();
        const bool aborts = pick(2) == 0;
        reserve_out(who, aborts ? 5 : 4, type, own_key(who), victim, [&, victim, type, aborts](scsi::Status status) {
            std::set<int> removed;
            for (const auto& [each, key] : reservations_.keys) {
                if (key == victim) {
                    removed.insert(each);
                }
            }
            const bool allowed = reservations_.keys.contains(who.number) && !removed.empty();
            expect(status, allowed);
            if (!allowed) {
                return;
            }
            const bool takes_over = !reservations_.all_hold() && removed.contains(reservations_.holder);
            for (const int each : removed) {
                if (each != who.number) {
                    reservations_.keys.erase(each);
                    if (aborts) {
                        kill_tasks(initiators_[static_cast<std::size_t>(each)]);
                    }
                }
            }
            if (takes_over) {
                reservations_.hold(who.number, type);
            }
        });
    }

    SeededRandom random_;
    std::shared_ptr<scsi::LogicalUnit> unit_ =
        scsi::make_disk_unit(std::make_shared<test::MoodyDevice>(random_), scsi::identity_from_name("model"));
    test::SimulatedEdge edge_{random_};
    std::vector<Initiator> initiators_;
    ContentModel content_;
    test::ReservationModel reservations_;
    std::uint32_t last_value_ = 0;
    std::uint32_t last_tag_ = 0;
};

std::uint64_t environment_number(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

} // namespace

TEST_CASE("model: several initiators, one LUN, everything at once", "[sim][iscsi]") {
    const std::uint64_t only = environment_number("ROOTSTOCK_SIM_SEED", 0);
    const std::uint64_t first = only == 0 ? 1 : only;
    const std::uint64_t last = only == 0 ? environment_number("ROOTSTOCK_SIM_COUNT", 400) : only;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        INFO("ROOTSTOCK_SIM_SEED=" << seed);
        Simulation simulation(seed);
        for (int i = 0; i < 600; ++i) {
            INFO("step " << i);
            simulation.step();
        }
        simulation.finish();
    }
}
