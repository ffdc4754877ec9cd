#include "support/catch.hpp"
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using test::IscsiHost;
using test::SentPdu;

namespace {

ByteVector pattern(std::size_t size, unsigned seed = 1) {
    ByteVector bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 13 + i / 511 + seed);
    }
    return bytes;
}

ByteVector medium(IscsiHost& host, std::uint64_t offset, std::size_t size) {
    ByteVector bytes(size);
    REQUIRE(host.device->read(offset, bytes));
    return bytes;
}

/// The Data-In of one command put together; checks DataSN, offsets, sizes and where F and S stand.
ByteVector collect_data_in(const std::vector<SentPdu>& pdus, std::uint32_t mrdsl, std::uint32_t max_burst) {
    ByteVector data;
    std::uint32_t data_sn = 0;
    for (const SentPdu& pdu : pdus) {
        if (pdu.opcode() != Opcode::data_in) {
            continue;
        }
        const auto header = pdu.as<DataInHeader>();
        CHECK(header.data_sn == data_sn++);
        CHECK(header.buffer_offset == data.size());
        CHECK(pdu.data.size() <= mrdsl);
        data.insert(data.end(), pdu.data.begin(), pdu.data.end());
        const bool status = (header.flags & DataInHeader::status_bit) != 0;
        CHECK((header.flags & final_bit) == (status || data.size() % max_burst == 0 ? final_bit : 0));
    }
    return data;
}

iscsi::DataOutHeader data_out_for(const ReadyToTransferHeader& r2t, std::uint32_t sent, std::uint32_t data_sn, bool last) {
    auto header = make_header<DataOutHeader>(Opcode::data_out);
    header.flags = last ? final_bit : std::uint8_t{0};
    header.initiator_task_tag = r2t.initiator_task_tag;
    header.target_transfer_tag = r2t.target_transfer_tag;
    header.data_sn = data_sn;
    header.buffer_offset = r2t.buffer_offset + sent;
    return header;
}

/// Answers every R2T until the status comes; returns the status PDU.
SentPdu send_solicited(IscsiHost& host, std::vector<SentPdu> pdus, const ByteVector& data, std::uint32_t step, std::uint32_t* r2ts = nullptr) {
    std::vector<SentPdu> queue = std::move(pdus);
    for (std::size_t i = 0; i < queue.size(); ++i) {
        if (queue[i].opcode() == Opcode::scsi_response) {
            return queue[i];
        }
        REQUIRE(queue[i].opcode() == Opcode::ready_to_transfer);
        const auto r2t = queue[i].as<ReadyToTransferHeader>();
        if (r2ts != nullptr) {
            CHECK(r2t.r2t_sn == (*r2ts)++);
        }
        const std::uint32_t length = r2t.desired_data_transfer_length;
        for (std::uint32_t sent = 0, sn = 0; sent < length; sent += step, ++sn) {
            const std::uint32_t size = std::min(step, length - sent);
            const auto answers = host.exchange(data_out_for(r2t, sent, sn, sent + size == length),
                                               Bytes(data).subspan(r2t.buffer_offset + sent, size));
            queue.insert(queue.end(), answers.begin(), answers.end());
        }
    }
    FAIL("no status");
    return {};
}

std::uint32_t sense_of(const SentPdu& pdu) {
    REQUIRE(pdu.data.size() >= 2 + 14);
    return (pdu.data[4] & 0xfU) << 16U | static_cast<std::uint32_t>(pdu.data[14]) << 8U | pdu.data[15];
}

} // namespace

TEST_CASE("Read: data come in segments and bursts as agreed, the status with the last", "[iscsi][data]") {
    for (const bool digests : {false, true}) {
        IscsiHost host;
        const ByteVector data = pattern(1 << 20);
        REQUIRE(host.device->write(0, data, false));
        host.login({"MaxRecvDataSegmentLength=8192", "MaxBurstLength=20480", digests ? "DataDigest=CRC32C" : "DataDigest=None",
                    digests ? "HeaderDigest=CRC32C" : "HeaderDigest=None"});
        host.header_digest = host.data_digest = digests;
        host.clear_unit_attention();
        for (const unsigned blocks : {1U, 8U, 16U, 17U, 200U, 2048U}) {
            CAPTURE(digests, blocks);
            const auto pdus = host.exchange(host.read10(0, blocks, blocks * 512));
            CHECK(collect_data_in(pdus, 8192, 20480) == ByteVector(data.begin(), data.begin() + blocks * 512));
            const auto last = pdus.back().as<DataInHeader>();
            CHECK((last.flags & DataInHeader::status_bit) != 0);
            CHECK(last.residual_count == 0);
        }
    }
}

TEST_CASE("Read: residuals", "[iscsi][data]") {
    struct Case {
        unsigned blocks;
        std::uint32_t expected;
        std::size_t sent;
        std::uint8_t bit;
        std::uint32_t count;
    };
    const Case cases[] = {
        {2, 1024, 1024, 0, 0},
        {2, 2000, 1024, DataInHeader::underflow_bit, 976},
        {2, 700, 700, DataInHeader::overflow_bit, 324},
        {2, 0, 0, DataInHeader::overflow_bit, 1024},
        {0, 512, 0, DataInHeader::underflow_bit, 512},
    };
    for (const Case& c : cases) {
        CAPTURE(c.blocks, c.expected);
        IscsiHost host;
        host.login();
        host.clear_unit_attention();
        const auto pdus = host.exchange(host.read10(0, c.blocks, c.expected));
        REQUIRE(pdus.size() == 1);
        CHECK(collect_data_in(pdus, 8192, 1 << 20).size() == c.sent);
        CHECK((pdus[0].opcode() == Opcode::data_in) == (c.sent > 0)); // the residual fields lie in the same place
        const auto header = pdus[0].as<DataInHeader>();
        CHECK((header.flags & 6) == c.bit);
        CHECK(header.residual_count == c.count);
    }
}

TEST_CASE("Write: every way that data may come ends up on the medium", "[iscsi][data]") {
    for (const std::string immediate : {"ImmediateData=Yes", "ImmediateData=No"}) {
        for (const std::string initial : {"InitialR2T=Yes", "InitialR2T=No"}) {
            for (const std::string outstanding : {"MaxOutstandingR2T=1", "MaxOutstandingR2T=4"}) {
                for (const std::string burst : {"MaxBurstLength=1000", "MaxBurstLength=16776192"}) {
                    for (const unsigned blocks : {1U, 8U, 300U, 1500U}) {
                        CAPTURE(immediate, initial, outstanding, burst, blocks);
                        IscsiHost host;
                        host.login({immediate, initial, outstanding, burst, "FirstBurstLength=6000"});
                        host.clear_unit_attention();
                        const ByteVector data = pattern(blocks * 512, blocks);
                        const auto size = static_cast<std::uint32_t>(data.size());
                        const std::uint32_t first = std::min(host.connection->session().parameters.first_burst_length, size);
                        const std::uint32_t now = immediate == "ImmediateData=Yes" ? std::min(first, 700U) : 0;
                        auto command = host.write10(8, blocks, size);
                        const bool more = initial == "InitialR2T=No" && now < first;
                        command.flags = static_cast<std::uint8_t>(more ? command.flags & 0x7f : command.flags);
                        auto pdus = host.exchange(command, Bytes(data).first(now));
                        for (std::uint32_t sent = now, sn = 0; more && sent < first; sent += 900, ++sn) {
                            auto header = make_header<DataOutHeader>(Opcode::data_out);
                            const std::uint32_t part = std::min(900U, first - sent);
                            header.flags = sent + part == first ? final_bit : std::uint8_t{0};
                            header.initiator_task_tag = command.initiator_task_tag;
                            header.target_transfer_tag = reserved_tag;
                            header.data_sn = sn;
                            header.buffer_offset = sent;
                            pdus = host.exchange(header, Bytes(data).subspan(sent, part));
                        }
                        std::uint32_t r2ts = 0;
                        const SentPdu status = send_solicited(host, pdus, data, 8192, &r2ts);
                        CHECK(status.as<ScsiResponseHeader>().status == 0);
                        CHECK(status.as<ScsiResponseHeader>().residual_count == 0);
                        CHECK(medium(host, 8 * 512, data.size()) == data);
                        CHECK_FALSE(host.connection->jobs_out());
                    }
                }
            }
        }
    }
}

TEST_CASE("Write: data that arrive in any pieces end up on the medium", "[iscsi][data]") {
    for (const std::size_t piece : {1UL, 31UL, 1000UL, 9000UL, 70'000UL}) {
        IscsiHost host;
        host.login({"ImmediateData=Yes", "InitialR2T=Yes", "MaxBurstLength=262144", "FirstBurstLength=65536"});
        host.clear_unit_attention();
        const ByteVector data = pattern(200 * 512);
        host.feed(test::wire(host.write10(0, 200, 200 * 512), Bytes(data).first(65536)), piece);
        const auto pdus = host.take();
        REQUIRE(pdus.size() == 1);
        const auto r2t = pdus[0].as<ReadyToTransferHeader>();
        CHECK(r2t.buffer_offset == 65536);
        CHECK(r2t.desired_data_transfer_length == data.size() - 65536);
        host.feed(test::wire(data_out_for(r2t, 0, 0, true), Bytes(data).subspan(65536)), piece);
        REQUIRE(host.take().size() == 1);
        CHECK(medium(host, 0, data.size()) == data);
    }
}

TEST_CASE("Write: several R2T are outstanding when agreed, in order of their offsets", "[iscsi][data]") {
    IscsiHost host;
    host.login({"MaxOutstandingR2T=3", "ImmediateData=No", "MaxBurstLength=1048576"});
    host.clear_unit_attention();
    const ByteVector data = pattern(1 << 20);
    const auto pdus = host.exchange(host.write10(0, 2048, 1 << 20));
    REQUIRE(pdus.size() == 3);
    for (std::uint32_t i = 0; i < 3; ++i) {
        const auto r2t = pdus[i].as<ReadyToTransferHeader>();
        CHECK(r2t.r2t_sn == i);
        CHECK(r2t.buffer_offset == i * limits::write_burst);
        CHECK(r2t.desired_data_transfer_length == limits::write_burst);
    }
    send_solicited(host, pdus, data, 65536);
    CHECK(medium(host, 0, data.size()) == data);
}

TEST_CASE("Write: the solicited memory of a session is bounded, and every write has its turn", "[iscsi][data]") {
    IscsiHost host({1 << 26});
    host.login({"ImmediateData=No"});
    host.clear_unit_attention();
    std::vector<SentPdu> r2ts;
    for (unsigned i = 0; i < 40; ++i) {
        for (SentPdu& pdu : host.exchange(host.write10(i * 512, 512, 512 * 512))) {
            r2ts.push_back(std::move(pdu));
        }
    }
    CHECK(r2ts.size() == limits::solicited_bytes / limits::write_burst);
    const ByteVector data = pattern(512 * 512);
    std::size_t finished = 0;
    for (std::size_t i = 0; i < r2ts.size(); ++i) {
        const auto r2t = r2ts[i].as<ReadyToTransferHeader>();
        for (SentPdu& pdu : host.exchange(data_out_for(r2t, 0, 0, true), data)) {
            if (pdu.opcode() == Opcode::ready_to_transfer) {
                r2ts.push_back(std::move(pdu));
            } else {
                ++finished;
            }
        }
    }
    CHECK(finished == 40);
}

TEST_CASE("Write: what aborted writes held of the budget goes to those that wait", "[iscsi][data]") {
    IscsiHost host({1 << 26});
    host.login({"ImmediateData=No"});
    host.clear_unit_attention();
    const std::size_t fit = limits::solicited_bytes / limits::write_burst;
    std::vector<SentPdu> asked;
    for (std::size_t i = 0; i < fit + 1; ++i) {
        asked = host.exchange(host.write10(static_cast<unsigned>(i) * 512, 512, 512 * 512));
    }
    CHECK(asked.empty()); // the last one waits
    auto abort = make_header<TaskManagementRequestHeader>(Opcode::task_management_request);
    abort.opcode_byte |= immediate_bit;
    abort.flags = 0x81;
    abort.initiator_task_tag = 5000;
    abort.referenced_task_tag = host.next_tag - 2;
    abort.cmd_sn = host.next_cmd_sn;
    const auto pdus = host.exchange(abort);
    REQUIRE(pdus.size() == 2);
    const bool r2t_first = pdus[0].opcode() == Opcode::ready_to_transfer;
    CHECK(pdus[r2t_first ? 0 : 1].as<ReadyToTransferHeader>().initiator_task_tag == host.next_tag - 1);
}

TEST_CASE("Write: residuals", "[iscsi][data]") {
    struct Case {
        unsigned blocks;
        std::uint32_t expected;
        std::size_t written;
        std::uint8_t bit;
        std::uint32_t count;
    };
    const Case cases[] = {
        {2, 1024, 1024, 0, 0},
        {1, 1024, 512, ScsiResponseHeader::underflow_bit, 512},
        {2, 512, 512, ScsiResponseHeader::overflow_bit, 512},
        {1, 200, 0, ScsiResponseHeader::overflow_bit, 312},
        {1, 0, 0, ScsiResponseHeader::overflow_bit, 512},
    };
    for (const Case& c : cases) {
        CAPTURE(c.blocks, c.expected);
        IscsiHost host;
        host.login({"ImmediateData=Yes"});
        host.clear_unit_attention();
        const ByteVector data = pattern(c.expected);
        const auto pdus = host.exchange(host.write10(0, c.blocks, c.expected), data);
        REQUIRE(pdus.size() == 1);
        const auto header = pdus[0].as<ScsiResponseHeader>();
        CHECK(header.status == 0);
        CHECK((header.flags & 6) == c.bit);
        CHECK(header.residual_count == c.count);
        ByteVector expected = data;
        expected.resize(c.written);
        expected.resize(1024);
        CHECK(medium(host, 0, 1024) == expected);
    }
}

TEST_CASE("Write: data out of order or out of place end the command with ABORTED COMMAND", "[iscsi][data]") {
    struct Case {
        std::uint32_t data_sn, offset, size;
        bool final;
        std::uint32_t sense;
    };
    const Case cases[] = {
        {1, 0, 512, false, 0x0b4b00},   // DataSN skipped
        {0, 512, 512, false, 0x0b4b05}, // a hole
        {0, 0, 2048, true, 0x0b4b05},   // more than was asked for
        {0, 0, 512, true, 0x0b0c0d},    // less
    };
    for (const Case& c : cases) {
        CAPTURE(c.data_sn, c.offset, c.size);
        IscsiHost host;
        host.login({"ImmediateData=No"});
        host.clear_unit_attention();
        const auto r2t = host.exchange(host.write10(0, 2, 1024))[0].as<ReadyToTransferHeader>();
        auto header = data_out_for(r2t, c.offset, c.data_sn, c.final);
        const auto pdus = host.exchange(header, pattern(c.size));
        REQUIRE(pdus.size() == 1);
        CHECK(sense_of(pdus[0]) == c.sense);
        CHECK(medium(host, 0, 1024) == ByteVector(1024));
        CHECK(host.exchange(header, pattern(512)).empty()); // data of a task that has ended
        CHECK(host.exchange(host.command({0x00}, 0, 0)).size() == 1);
    }
}

TEST_CASE("Write: immediate or unsolicited data that were not agreed are rejected", "[iscsi][data]") {
    const auto reason = [](std::initializer_list<std::string> keys, bool final, std::size_t immediate) {
        IscsiHost host;
        host.login(keys);
        host.clear_unit_attention();
        auto command = host.write10(0, 2, 1024);
        command.flags = static_cast<std::uint8_t>(final ? command.flags : command.flags & 0x7f);
        return test::reject_reason(host.exchange(command, pattern(immediate)));
    };
    const auto protocol_error = RejectReason::protocol_error;
    CHECK(reason({"ImmediateData=No"}, true, 512) == protocol_error);
    CHECK(reason({"InitialR2T=Yes"}, false, 0) == protocol_error);
    CHECK(reason({"FirstBurstLength=512"}, true, 1024) == protocol_error);
    CHECK(reason({}, true, 1028) == protocol_error); // more than the command is for
}

TEST_CASE("Parameter data are solicited and handed over in one piece", "[iscsi][data]") {
    IscsiHost host;
    host.login({"ImmediateData=No"});
    host.clear_unit_attention();
    REQUIRE(host.device->write(0, pattern(8192), false));
    ByteVector list(24); // UNMAP of 16 blocks from 0
    list[1] = 22;
    list[3] = 16;
    list[8 + 11] = 16;
    const auto pdus = host.exchange(host.command({0x42, 0, 0, 0, 0, 0, 0, 0, 24}, 24, ScsiCommandHeader::write_bit));
    const SentPdu status = send_solicited(host, pdus, list, 10);
    CHECK(status.as<ScsiResponseHeader>().status == 0);
    CHECK(medium(host, 0, 8192) == ByteVector(8192));
}

TEST_CASE("A client that reads nothing costs bounded memory; when it reads, everything comes", "[iscsi][data]") {
    IscsiHost host({1 << 26});
    const ByteVector data = pattern(8 << 20);
    REQUIRE(host.device->write(0, data, false));
    host.login({"MaxRecvDataSegmentLength=262144"});
    host.clear_unit_attention();
    host.send_output = false;
    for (unsigned i = 0; i < 20; ++i) {
        host.feed(test::wire(host.read10(0, 16384, 8 << 20)));
    }
    CHECK(host.connection->output().queued_bytes() <= limits::output_bytes + limits::read_burst + 4096);
    CHECK_FALSE(host.connection->wants_input());
    host.send_output = true;
    host.settle();
    std::map<std::uint32_t, ByteVector> streams;
    for (const SentPdu& pdu : host.take()) {
        ByteVector& stream = streams[pdu.header.initiator_task_tag];
        stream.insert(stream.end(), pdu.data.begin(), pdu.data.end());
    }
    REQUIRE(streams.size() >= 1);
    for (const auto& [tag, stream] : streams) {
        CHECK(stream == data);
    }
}

TEST_CASE("Commands to a LUN that is not there", "[iscsi][data]") {
    IscsiHost host;
    host.login();
    auto ready = host.command({0x00}, 0, 0);
    ready.lun = {0, 5, 0, 0, 0, 0, 0, 0};
    CHECK(sense_of(host.exchange(ready)[0]) == 0x052500);
    auto report = host.command({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 256, ScsiCommandHeader::read_bit);
    report.lun = {0, 5, 0, 0, 0, 0, 0, 0};
    const auto pdus = host.exchange(report);
    CHECK(pdus[0].opcode() == Opcode::data_in);
    CHECK(pdus[0].data.size() == 16);
}

TEST_CASE("ORDERED: waits for what came before and holds back what comes after", "[iscsi][data]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    host.hold_jobs = true;
    host.exchange(host.command({0x35}, 0, 0)); // SYNCHRONIZE CACHE goes off the shard
    auto ordered = host.write10(0, 1, 512);
    ordered.flags = static_cast<std::uint8_t>((ordered.flags & ~7U) | 2U);
    CHECK(host.exchange(ordered, pattern(512)).empty());
    CHECK(host.exchange(host.read10(0, 1, 512)).empty());
    auto head = host.read10(8, 1, 512);
    head.flags = static_cast<std::uint8_t>((head.flags & ~7U) | 3U);
    CHECK(host.exchange(head).size() == 1); // HEAD OF QUEUE passes
    host.release_jobs();
    const auto pdus = host.take();
    REQUIRE(pdus.size() == 3);
    CHECK(pdus[1].header.initiator_task_tag == ordered.initiator_task_tag);
    CHECK(pdus[2].data == pattern(512));
}
