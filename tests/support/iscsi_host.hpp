// Both sides of an iSCSI connection in one process, without sockets: drives a Connection as the service does (jobs and opening at once, in
// virtual time) and lets a test play the initiator, PDU by PDU.
#pragma once

#include "block/memory_device.hpp"
#include "iscsi/connection.hpp"
#include "support/fixed_targets.hpp"
#include "support/iscsi_pdus.hpp"

#include <deque>

namespace rootstock::test {

class IscsiHost {
  public:
    explicit IscsiHost(block::Geometry geometry = {1 << 24}) : IscsiHost(std::make_shared<block::MemoryDevice>(geometry)) {}
    explicit IscsiHost(std::shared_ptr<block::BlockDevice> disk) : device(std::move(disk)) {
        FixedTargets::Target target;
        target.units.push_back({0, scsi::make_disk_unit(device, scsi::identity_from_name("test"))});
        targets.add(target_name, std::move(target));
        connect();
    }
    ~IscsiHost() { disconnect(); }

    /// A new TCP connection.
    void connect() {
        connection = std::make_unique<iscsi::Connection>(
            iscsi::Connection::Environment{targets, registry, pool, random, limits, portals}, portal, clock.now());
        received_.clear();
    }
    void disconnect() {
        if (connection) {
            connection->input_ended("test over");
            run_jobs();
            connection->release_session();
            registry.remove(admission.id);
            connection.reset();
        }
    }

    /// Feeds `bytes` in pieces of at most `piece` bytes and collects what comes back.
    void feed(Bytes bytes, std::size_t piece = ~std::size_t{0}) {
        while (!bytes.empty() && connection->wants_input()) {
            std::size_t taken = 0;
            const std::size_t limit = std::min(piece, bytes.size());
            for (const MutableBytes window : connection->rx_windows()) {
                const std::size_t size = std::min(window.size(), limit - taken);
                std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(taken), size, window.begin());
                taken += size;
            }
            connection->rx_commit(clock.now(), taken);
            bytes = bytes.subspan(taken);
            settle();
        }
    }

    /// What the service does after every event.
    void settle() {
        for (bool busy = true; busy;) {
            busy = run_jobs();
            if (auto request = connection->poll_open()) {
                open(*request);
                busy = true;
            }
            busy |= drain();
        }
    }

    /// Sends one PDU and returns what came back.
    template <class Header> std::vector<SentPdu> exchange(const Header& header, Bytes data = {}) {
        feed(wire(header, data, header_digest, data_digest));
        return take();
    }

    /// Everything that was sent and not yet taken, as PDUs.
    std::vector<SentPdu> take() {
        std::vector<SentPdu> pdus;
        ByteReader reader(received_);
        while (reader.remaining() >= iscsi::bhs_size) {
            SentPdu pdu;
            pdu.header = reader.read<iscsi::BasicHeader>();
            const std::size_t length = pdu.header.data_segment_length;
            reader.skip(header_digest ? 4 : 0);
            const Bytes data = reader.take(length);
            pdu.data.assign(data.begin(), data.end());
            reader.skip(length == 0 ? 0 : (4 - length % 4) % 4 + (data_digest ? 4 : 0));
            RS_ASSERT(reader.ok());
            pdus.push_back(std::move(pdu));
        }
        received_ = ByteVector(); // holds no memory that a test could take for the connection's
        return pdus;
    }

    /// Straight to full feature phase with one Login Request.
    std::vector<SentPdu> login(std::initializer_list<std::string> keys = {}) {
        const std::string text = named_text(keys);
        return exchange(login_header(iscsi::Stage::operational, iscsi::Stage::full_feature), as_bytes(text));
    }

    /// A SCSI Command with the next CmdSN.
    iscsi::ScsiCommandHeader command(std::initializer_list<unsigned> cdb, std::uint32_t expected, std::uint8_t flags) {
        auto header = iscsi::make_header<iscsi::ScsiCommandHeader>(iscsi::Opcode::scsi_command);
        header.flags = static_cast<std::uint8_t>(0x80U | flags | 1U);
        header.initiator_task_tag = next_tag++;
        header.expected_data_transfer_length = expected;
        header.cmd_sn = next_cmd_sn++;
        std::transform(cdb.begin(), cdb.end(), header.cdb.begin(), [](unsigned byte) { return static_cast<std::uint8_t>(byte); });
        return header;
    }
    /// READ(10) or WRITE(10) of `blocks` from `lba`.
    iscsi::ScsiCommandHeader read10(unsigned lba, unsigned blocks, std::uint32_t expected) {
        return command({0x28, 0, lba >> 24U, lba >> 16U & 255U, lba >> 8U & 255U, lba & 255U, 0, blocks >> 8U, blocks & 255U}, expected,
                       iscsi::ScsiCommandHeader::read_bit);
    }
    iscsi::ScsiCommandHeader write10(unsigned lba, unsigned blocks, std::uint32_t expected) {
        return command({0x2a, 0, lba >> 24U, lba >> 16U & 255U, lba >> 8U & 255U, lba & 255U, 0, blocks >> 8U, blocks & 255U}, expected,
                       iscsi::ScsiCommandHeader::write_bit);
    }
    /// Takes the unit attention that a new nexus has.
    void clear_unit_attention() { exchange(command({0x00}, 0, 0)); }

    bool send_output = true;  // false: the initiator reads nothing
    bool hold_jobs = false;   // jobs stay out until release_jobs()
    void release_jobs() {
        hold_jobs = false;
        settle();
    }
    std::size_t jobs_held() const { return held_jobs_.size(); }

    ManualClock clock;
    BufferPool pool;
    SeededRandom random{1};
    iscsi::Limits limits;
    iscsi::SessionRegistry registry;
    std::vector<std::string> portals{"10.0.0.1:3260"};
    iscsi::Login::Portal portal{"10.0.0.9", "10.0.0.1:3260", 1};
    FixedTargets targets;
    std::shared_ptr<block::BlockDevice> device;
    std::unique_ptr<iscsi::Connection> connection;
    iscsi::SessionRegistry::Admission admission;
    bool header_digest = false; // how take() reads and exchange() writes
    bool data_digest = false;
    std::uint32_t next_cmd_sn = 100;
    std::uint32_t next_tag = 10;

  private:
    bool run_jobs() {
        bool any = false;
        while (iscsi::IoJob* job = connection->poll_job()) {
            held_jobs_.push_back(job);
        }
        while (!hold_jobs && !held_jobs_.empty()) {
            iscsi::IoJob* job = held_jobs_.front();
            held_jobs_.pop_front();
            job->run();
            connection->job_finished(*job);
            any = true;
        }
        return any;
    }

    void open(const iscsi::OpenRequest& request) {
        auto counters = std::make_shared<iscsi::SessionCounters>();
        bool ready = false;
        admission = registry.admit(request.request, counters, clock.wall(),
                                   [this](iscsi::EndReason reason) { connection->end(clock.now(), reason); }, [&] { ready = true; });
        if (admission.id == 0) {
            return connection->opened(clock.now(), iscsi::LoginStatus::out_of_resources, admission, counters);
        }
        RS_ASSERT(ready);
        auto target = request.type == iscsi::SessionType::normal ? targets.open(request.request, request.chap_user)
                                                                 : Result<iscsi::Target, iscsi::LoginStatus>(iscsi::Target{});
        connection->opened(clock.now(), std::move(target), admission, counters);
    }

    bool drain() {
        bool any = false;
        while (send_output && !connection->output().empty() && connection->phase() != iscsi::Connection::Phase::over) {
            std::array<iovec, 64> pieces{};
            const std::size_t count = connection->output().gather(pieces, iscsi::limits::gather_bytes);
            std::size_t size = 0;
            for (std::size_t i = 0; i < count; ++i) {
                const auto* start = static_cast<const std::uint8_t*>(pieces[i].iov_base);
                received_.insert(received_.end(), start, start + pieces[i].iov_len);
                size += pieces[i].iov_len;
            }
            connection->sent(clock.now(), size);
            any = true;
        }
        return any;
    }

    ByteVector received_;
    std::deque<iscsi::IoJob*> held_jobs_;
};

} // namespace rootstock::test
