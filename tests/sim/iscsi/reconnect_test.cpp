// An initiator that loses its connection again and again while it writes: whatever was acknowledged is on the medium, and every session
// ends. Bytes arrive in random pieces, jobs end late, resets come at any point. The seed is printed on failure.
#include "support/catch.hpp"
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using test::IscsiHost;
using test::SentPdu;

namespace {

constexpr unsigned block_count = 256;

/// What each block must hold: the last acknowledged value, or any that was written since.
struct Model {
    std::array<std::vector<std::uint8_t>, block_count> allowed;
    Model() {
        for (auto& values : allowed) {
            values = {0};
        }
    }
};

class Initiator {
  public:
    Initiator(std::uint64_t seed, IscsiHost& host) : host_(host), random_(seed) {}

    void run(int steps) {
        log_in();
        for (int step = 0; step < steps; ++step) {
            const std::uint32_t dice = random_.u32() % 100;
            if (dice < 45) {
                write();
            } else if (dice < 80) {
                read();
            } else if (dice < 88) {
                host_.hold_jobs = !host_.hold_jobs;
                host_.settle();
                handle(host_.take());
            } else if (dice < 94) {
                reset_unit();
            } else {
                reconnect();
            }
            CHECK(host_.connection->output().queued_bytes() <= limits::output_bytes + limits::answered_bytes);
        }
        host_.release_jobs();
        handle(host_.take());
        check_medium();
    }

  private:
    void log_in() {
        const char* immediate = random_.u32() % 2 == 0 ? "ImmediateData=Yes" : "ImmediateData=No";
        host_.next_cmd_sn = 100;
        REQUIRE(host_.login({immediate, "MaxBurstLength=1024", "FirstBurstLength=512"}).size() == 1);
        immediate_ = immediate[14] == 'Y';
        host_.clear_unit_attention();
        host_.clear_unit_attention();
    }

    void send(const ByteVector& bytes) {
        Bytes rest = bytes;
        while (!rest.empty() && host_.connection->phase() == Connection::Phase::full_feature) {
            const std::size_t piece = std::min<std::size_t>(rest.size(), 1 + random_.u32() % 700);
            host_.feed(rest.first(piece));
            rest = rest.subspan(piece);
        }
        handle(host_.take());
    }

    void write() {
        const unsigned count = 1 + random_.u32() % 8;
        const unsigned lba = random_.u32() % (block_count - count);
        const auto value = static_cast<std::uint8_t>(++last_value_);
        for (unsigned i = lba; i < lba + count; ++i) {
            model_.allowed[i].push_back(value);
        }
        auto command = host_.write10(lba, count, count * 512);
        writes_[command.initiator_task_tag] = {lba, count, value};
        const ByteVector data(count * 512, value);
        send(test::wire(command, Bytes(data).first(immediate_ ? 512 : 0)));
    }

    void read() {
        const unsigned lba = random_.u32() % (block_count - 8);
        auto command = host_.read10(lba, 8, 4096);
        reads_[command.initiator_task_tag] = lba;
        send(test::wire(command));
    }

    void reset_unit() {
        auto header = make_header<TaskManagementRequestHeader>(Opcode::task_management_request);
        header.opcode_byte |= immediate_bit;
        header.flags = 0x85;
        header.initiator_task_tag = host_.next_tag++;
        header.cmd_sn = host_.next_cmd_sn;
        send(test::wire(header));
        writes_.clear(); // their blocks may hold old or new
        reads_.clear();
    }

    void reconnect() {
        host_.hold_jobs = false; // the old session ends first: its I/O comes to an end
        host_.disconnect();
        CHECK(host_.registry.size() == 0);
        CHECK(host_.targets.leases() == 0);
        writes_.clear();
        reads_.clear();
        host_.connect();
        log_in();
    }

    void handle(const std::vector<SentPdu>& pdus) {
        for (const SentPdu& pdu : pdus) {
            const std::uint32_t tag = pdu.header.initiator_task_tag;
            if (pdu.opcode() == Opcode::ready_to_transfer && writes_.contains(tag)) {
                const auto r2t = pdu.as<ReadyToTransferHeader>();
                auto header = make_header<DataOutHeader>(Opcode::data_out);
                header.initiator_task_tag = tag;
                header.target_transfer_tag = r2t.target_transfer_tag;
                header.buffer_offset = r2t.buffer_offset;
                send(test::wire(header, ByteVector(r2t.desired_data_transfer_length, writes_[tag].value)));
            } else if (pdu.opcode() == Opcode::scsi_response && writes_.contains(tag) && pdu.as<ScsiResponseHeader>().status == 0) {
                acknowledged(writes_[tag]);
                writes_.erase(tag);
            } else if (pdu.opcode() == Opcode::data_in && reads_.contains(tag)) {
                check(reads_[tag] + pdu.as<DataInHeader>().buffer_offset / 512, pdu.data);
            }
        }
    }

    struct Write {
        unsigned lba = 0, count = 0;
        std::uint8_t value = 0;
    };

    /// From now on only this value, or one of a write that is still under way.
    void acknowledged(const Write& write) {
        for (unsigned i = write.lba; i < write.lba + write.count; ++i) {
            std::vector<std::uint8_t> still{write.value};
            for (const auto& [tag, other] : writes_) {
                if (i >= other.lba && i < other.lba + other.count) {
                    still.push_back(other.value);
                }
            }
            model_.allowed[i] = still;
        }
    }

    void check(unsigned lba, const ByteVector& data) {
        for (std::size_t i = 0; i < data.size() / 512; ++i) {
            const auto& allowed = model_.allowed[lba + i];
            CAPTURE(lba + i, int{data[i * 512]});
            REQUIRE(std::find(allowed.begin(), allowed.end(), data[i * 512]) != allowed.end());
            REQUIRE(std::all_of(data.begin() + static_cast<std::ptrdiff_t>(i * 512), data.begin() + static_cast<std::ptrdiff_t>(i * 512 + 512),
                                [&](std::uint8_t byte) { return byte == data[i * 512]; }));
        }
    }

    void check_medium() {
        ByteVector medium(block_count * 512);
        REQUIRE(host_.device->read(0, medium));
        check(0, medium);
    }

    IscsiHost& host_;
    SeededRandom random_;
    Model model_;
    bool immediate_ = false;
    std::uint32_t last_value_ = 0;
    std::map<std::uint32_t, Write> writes_;
    std::map<std::uint32_t, unsigned> reads_;
};

} // namespace

TEST_CASE("sim: writes, resets and lost connections", "[sim][iscsi]") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        IscsiHost host;
        Initiator(seed, host).run(300);
    }
}
