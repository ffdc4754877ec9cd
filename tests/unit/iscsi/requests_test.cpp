// Full feature phase by RFC 7143, rule by rule: which requests are answered how, numbers, tags, and what a peer may get wrong.
#include "core/crc32c.hpp"
#include "support/catch.hpp"
#include "support/iscsi_host.hpp"
#include "support/stub_device.hpp"

#include <future>

using namespace rootstock;
using namespace rootstock::iscsi;
using test::IscsiHost;
using test::reject_reason;
using test::ping;
using test::SentPdu;
using Phase = Connection::Phase;

namespace {

TextRequestHeader text_request(std::uint32_t transfer_tag = reserved_tag) {
    auto header = make_header<TextRequestHeader>(Opcode::text_request);
    header.opcode_byte |= immediate_bit;
    header.initiator_task_tag = 5;
    header.target_transfer_tag = transfer_tag;
    return header;
}

TaskManagementRequestHeader abort_task(IscsiHost& host, std::uint32_t tag, std::uint32_t ref_cmd_sn) {
    auto header = make_header<TaskManagementRequestHeader>(Opcode::task_management_request);
    header.opcode_byte |= immediate_bit;
    header.flags = 0x81;
    header.initiator_task_tag = host.next_tag++;
    header.referenced_task_tag = tag;
    header.cmd_sn = host.next_cmd_sn;
    header.ref_cmd_sn = ref_cmd_sn;
    return header;
}

int response_of(const std::vector<SentPdu>& pdus) {
    return pdus.size() == 1 && pdus[0].opcode() == Opcode::task_management_response
               ? int{pdus[0].as<TaskManagementResponseHeader>().response}
               : -1;
}

DataOutHeader data_out(std::uint32_t task_tag, std::uint32_t transfer_tag, std::uint32_t data_sn, std::uint32_t offset, bool final) {
    auto header = make_header<DataOutHeader>(Opcode::data_out);
    header.flags = final ? final_bit : std::uint8_t{0};
    header.initiator_task_tag = task_tag;
    header.target_transfer_tag = transfer_tag;
    header.data_sn = data_sn;
    header.buffer_offset = offset;
    return header;
}

std::uint32_t sense_of(const std::vector<SentPdu>& pdus) {
    REQUIRE(pdus.size() == 1);
    REQUIRE(pdus[0].data.size() >= 2 + 14);
    const ByteVector& data = pdus[0].data;
    return (data[4] & 0xfU) << 16U | static_cast<std::uint32_t>(data[14]) << 8U | data[15];
}

} // namespace

TEST_CASE("Opcodes: every one that is none of an initiator's is rejected as not supported", "[iscsi][requests]") {
    for (unsigned opcode = 0; opcode < 0x40; ++opcode) {
        CAPTURE(opcode);
        const bool known = opcode <= 0x06 || opcode == 0x10;
        if (known) {
            continue;
        }
        for (const unsigned immediate : {0U, unsigned{immediate_bit}}) {
            IscsiHost host;
            host.login();
            auto header = make_header<NopOutHeader>(static_cast<Opcode>(opcode | immediate));
            header.initiator_task_tag = 9;
            CHECK(reject_reason(host.exchange(header)) == RejectReason::command_not_supported);
            CHECK(host.connection->phase() == Phase::full_feature);
            const auto told = host.connection->poll_rejected();
            REQUIRE(told);
            CHECK(told->reason == RejectReason::command_not_supported);
        }
    }
}

TEST_CASE("Discovery: SCSI commands and task management are protocol errors, NOP and Logout are served", "[iscsi][requests]") {
    IscsiHost host;
    const std::string names = test::key_text({"InitiatorName=iqn.a:b", "SessionType=Discovery"});
    REQUIRE(host.exchange(test::login_header(Stage::operational, Stage::full_feature), as_bytes(names)).size() == 1);
    CHECK(reject_reason(host.exchange(host.command({0x00}, 0, 0))) == RejectReason::protocol_error);
    CHECK(reject_reason(host.exchange(abort_task(host, 1, 1))) == RejectReason::protocol_error);
    CHECK(host.exchange(ping(3))[0].opcode() == Opcode::nop_in);
    auto logout = make_header<LogoutRequestHeader>(Opcode::logout_request);
    logout.opcode_byte |= immediate_bit;
    CHECK(host.exchange(logout)[0].opcode() == Opcode::logout_response);
    CHECK(host.connection->phase() == Phase::over);
}

TEST_CASE("NOP-Out: tags say whether it is answered (sections 11.18 and 11.19)", "[iscsi][requests]") {
    IscsiHost host;
    host.login();
    auto asked = ping(77);
    asked.lun = {0, 3, 0, 0, 0, 0, 0, 0};
    const auto pdus = host.exchange(asked, ByteVector{1, 2, 3});
    REQUIRE(pdus.size() == 1);
    CHECK(pdus[0].as<NopInHeader>().initiator_task_tag == 77);
    CHECK(pdus[0].as<NopInHeader>().target_transfer_tag == reserved_tag);
    CHECK(pdus[0].as<NopInHeader>().lun == std::array<std::uint8_t, 8>{}); // reserved when the transfer tag is
    CHECK(host.exchange(ping(reserved_tag), ByteVector{1, 2, 3}).empty());
    auto numbered = ping(reserved_tag);
    numbered.opcode_byte = 0;
    numbered.cmd_sn = host.next_cmd_sn++;
    CHECK(host.exchange(numbered).empty()); // but it takes its number
    CHECK(host.connection->session().window.exp_cmd_sn() == host.next_cmd_sn);
}

TEST_CASE("StatSN counts every response, and nothing else (section 4.2.2.2)", "[iscsi][requests]") {
    IscsiHost host;
    host.login({"ImmediateData=No"});
    host.clear_unit_attention();
    std::uint32_t expected = host.connection->session().stat_sn;
    const auto takes_number = [&](const SentPdu& pdu) {
        CAPTURE(static_cast<int>(pdu.opcode()));
        CHECK(pdu.as<NopInHeader>().stat_sn == expected); // the field lies in the same place in all of them
        ++expected;
    };
    takes_number(host.exchange(ping(1))[0]);
    takes_number(host.exchange(host.command({0x00}, 0, 0))[0]);
    takes_number(host.exchange(text_request())[0]);
    takes_number(host.exchange(abort_task(host, 1, 1))[0]);
    takes_number(host.exchange(make_header<NopOutHeader>(static_cast<Opcode>(0x1d | immediate_bit)))[0]);
    takes_number(host.exchange(host.read10(0, 1, 512))[0]); // a Data-In with the status
    const auto r2t = host.exchange(host.write10(0, 1, 512))[0];
    CHECK(r2t.as<ReadyToTransferHeader>().stat_sn == expected); // shown, not taken
    const auto header = r2t.as<ReadyToTransferHeader>();
    takes_number(host.exchange(data_out(header.initiator_task_tag, header.target_transfer_tag, 0, 0, true), ByteVector(512))[0]);
    host.clock.advance(host.limits.idle_before_ping);
    host.connection->handle_timeout(host.clock.now());
    host.settle();
    CHECK(host.take()[0].as<NopInHeader>().stat_sn == expected);
    takes_number(host.exchange(ping(2))[0]);
}

TEST_CASE("Text: transfer tags, the C bit, and values that are refused (section 11.10)", "[iscsi][requests]") {
    IscsiHost host;
    host.login();
    const auto ask = [&](const TextRequestHeader& header, const std::string& text) { return host.exchange(header, as_bytes(text)); };
    CHECK(reject_reason(ask(text_request(4711), "")) == RejectReason::protocol_error);
    auto both = text_request();
    both.flags = final_bit | continue_bit;
    CHECK(reject_reason(ask(both, "")) == RejectReason::protocol_error);
    CHECK(reject_reason(ask(text_request(), "no separator")) == RejectReason::protocol_error);
    CHECK(reject_reason(ask(text_request(), test::key_text({"SendTargets=", "SendTargets="}))) == RejectReason::protocol_error);
    CHECK(reject_reason(ask(text_request(), test::key_text({"TargetAlias=x"}))) == RejectReason::protocol_error);
    CHECK(ask(text_request(), test::key_text({"SendTargets=All"}))[0].text() == test::key_text({"SendTargets=Reject"}));
    CHECK(ask(text_request(), test::key_text({"MaxBurstLength=512", "X-odd=1"}))[0].text() ==
          test::key_text({"MaxBurstLength=Reject", "X-odd=NotUnderstood"}));
    // A key in two parts; the answer comes when it is whole.
    auto part = text_request();
    part.flags = continue_bit;
    const auto first = ask(part, "SendTar");
    REQUIRE(first.size() == 1);
    CHECK(first[0].data.empty());
    CHECK((first[0].header.flags & final_bit) == 0);
    const std::uint32_t tag = first[0].as<TextResponseHeader>().target_transfer_tag;
    REQUIRE(tag != reserved_tag);
    const auto last = ask(text_request(tag), std::string("gets=\0", 6));
    REQUIRE(last.size() == 1);
    CHECK(last[0].text() == test::key_text({"TargetName=" + test::target_name, "TargetAddress=10.0.0.1:3260,1"}));
    CHECK((last[0].header.flags & final_bit) != 0);
    CHECK(reject_reason(ask(text_request(tag), "")) == RejectReason::protocol_error); // that exchange is over
}

TEST_CASE("MaxRecvDataSegmentLength of the initiator bounds every PDU, from the request on that changes it", "[iscsi][requests]") {
    IscsiHost host;
    host.login({"MaxRecvDataSegmentLength=8192"});
    host.clear_unit_attention();
    const std::string smaller = test::key_text({"MaxRecvDataSegmentLength=512"});
    host.exchange(text_request(), as_bytes(smaller));
    for (int i = 0; i < 40; ++i) {
        host.targets.add("iqn.2026-01.test.rootstock:disk" + std::to_string(i), {});
    }
    const std::string discover = test::key_text({"SendTargets="});
    const auto all_pages = [&] { return host.command({0x1a, 0, 0x3f, 0xff, 0xff}, 0xffff, ScsiCommandHeader::read_bit); };
    for (const auto& pdus : {host.exchange(ping(1), ByteVector(4096)), host.exchange(text_request(), as_bytes(discover)),
                             host.exchange(host.read10(0, 64, 32768)), host.exchange(all_pages())}) {
        REQUIRE_FALSE(pdus.empty());
        for (const SentPdu& pdu : pdus) {
            CHECK(pdu.data.size() <= 512);
        }
    }
}

TEST_CASE("ABORT TASK: a command that is still to come counts as received (section 11.6.1)", "[iscsi][requests][tmf]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    const auto lost = host.command({0x00}, 0, 0); // never sent
    const auto early = host.command({0x00}, 0, 0);
    CHECK(host.exchange(early).empty()); // waits for its turn
    SECTION("the one that is missing") {
        const auto pdus = host.exchange(abort_task(host, lost.initiator_task_tag, lost.cmd_sn));
        REQUIRE(pdus.size() == 2);
        CHECK(response_of({pdus[0]}) == 0);
        CHECK(pdus[1].header.initiator_task_tag == early.initiator_task_tag); // whose turn it is now
        CHECK(host.exchange(lost).empty());                                   // too late: outside of the window
    }
    SECTION("the one that waits") {
        CHECK(response_of(host.exchange(abort_task(host, early.initiator_task_tag, early.cmd_sn))) == 0);
        const auto pdus = host.exchange(lost);
        REQUIRE(pdus.size() == 1);
        CHECK(pdus[0].header.initiator_task_tag == lost.initiator_task_tag);
        CHECK(host.connection->session().window.exp_cmd_sn() == host.next_cmd_sn);
    }
    SECTION("one of the past") {
        CHECK(response_of(host.exchange(abort_task(host, 4711, 99))) == 1);
    }
    SECTION("one beyond the request itself, or beyond the window") {
        CHECK(response_of(host.exchange(abort_task(host, 4711, host.next_cmd_sn))) == 1);
        CHECK(response_of(host.exchange(abort_task(host, 4711, 100 + 2 * limits::command_window))) == 1);
    }
}

TEST_CASE("ABORT TASK: the LUN must be the task's", "[iscsi][requests][tmf]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    host.hold_jobs = true;
    const auto command = host.command({0x35}, 0, 0);
    host.exchange(command);
    auto wrong = abort_task(host, command.initiator_task_tag, command.cmd_sn);
    wrong.lun = {0, 1, 0, 0, 0, 0, 0, 0};
    CHECK(response_of(host.exchange(wrong)) == 1);
    host.release_jobs();
    CHECK(host.take()[0].as<ScsiResponseHeader>().status == 0); // it lives
}

TEST_CASE("Resets and CLEAR TASK SET: answered when other sessions' writes have ended", "[iscsi][requests][tmf]") {
    auto disk = std::make_shared<test::StubDevice>(1 << 20);
    std::promise<void> begun;
    std::promise<void> may_end;
    disk->before_write = [&] {
        begun.set_value();
        may_end.get_future().wait();
    };
    IscsiHost host(disk);
    host.login();
    LoginRequest request;
    request.target_name = test::target_name;
    const auto target = host.targets.open(request, {});
    REQUIRE(target);
    const auto unit = target->units.at(0).unit;
    const auto other = unit->attach("iqn.other,i,0x1", 1, {0}, false);
    const scsi::TaskClaim claim(*other);
    auto written = std::async(std::launch::async, [&] { return static_cast<bool>(unit->write(claim, 0, ByteVector(512), false)); });
    begun.get_future().wait();
    auto header = make_header<TaskManagementRequestHeader>(Opcode::task_management_request);
    header.opcode_byte |= immediate_bit;
    header.flags = static_cast<std::uint8_t>(0x80U | static_cast<unsigned>(GENERATE(4, 5, 6)));
    header.initiator_task_tag = host.next_tag++;
    auto answered = std::async(std::launch::async, [&] { return response_of(host.exchange(header)); });
    CHECK(answered.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
    may_end.set_value();
    CHECK(written.get());
    CHECK(answered.get() == 0);
    const auto late = unit->write(claim, 0, ByteVector(512), false);
    REQUIRE_FALSE(late);
    CHECK(late.error() == block::IoError::gone);
}

TEST_CASE("Unsolicited data: out of order, out of place, too much, too late", "[iscsi][requests][data]") {
    struct Case {
        const char* what;
        std::uint32_t data_sn, offset, size;
        std::uint32_t sense;
    };
    const Case cases[] = {
        {"DataSN skipped", 1, 512, 512, 0x0b4b00},
        {"a hole", 0, 1024, 512, 0x0b4b05},
        {"twice the same", 0, 0, 512, 0x0b4b05},
        {"beyond FirstBurstLength", 0, 512, 1024, 0x0b0c0c},
    };
    for (const Case& c : cases) {
        CAPTURE(c.what);
        IscsiHost host;
        host.login({"InitialR2T=No", "ImmediateData=Yes", "FirstBurstLength=1024"});
        host.clear_unit_attention();
        auto command = host.write10(0, 8, 4096);
        command.flags &= 0x7f;
        CHECK(host.exchange(command, ByteVector(512, 1)).empty());
        const auto header = data_out(command.initiator_task_tag, reserved_tag, c.data_sn, c.offset, false);
        CHECK(sense_of(host.exchange(header, ByteVector(c.size, 2))) == c.sense);
        CHECK(host.exchange(header, ByteVector(512, 2)).empty()); // the task has ended: nobody's data
        ByteVector medium(4096);
        REQUIRE(host.device->read(0, medium));
        CHECK(medium == ByteVector(4096));
    }
}

TEST_CASE("Unsolicited data after the last of them end the command", "[iscsi][requests][data]") {
    IscsiHost host;
    host.login({"InitialR2T=No", "ImmediateData=Yes", "FirstBurstLength=1024"});
    host.clear_unit_attention();
    auto command = host.write10(0, 8, 4096);
    command.flags &= 0x7f;
    CHECK(host.exchange(command, ByteVector(512, 1)).empty());
    const auto r2t = host.exchange(data_out(command.initiator_task_tag, reserved_tag, 0, 512, true), ByteVector(512, 2));
    REQUIRE(r2t.size() == 1);
    CHECK(r2t[0].as<ReadyToTransferHeader>().buffer_offset == 1024);
    const auto late = data_out(command.initiator_task_tag, reserved_tag, 1, 1024, true);
    CHECK(sense_of(host.exchange(late, ByteVector(512, 3))) == 0x0b0c0c);
}

TEST_CASE("Data-Out: nobody's data are dropped, another task's tag is rejected", "[iscsi][requests][data]") {
    IscsiHost host;
    host.login({"ImmediateData=No"});
    host.clear_unit_attention();
    CHECK(host.exchange(data_out(4711, reserved_tag, 0, 0, true), ByteVector(512)).empty());
    CHECK(host.exchange(data_out(4711, 0x12345678, 0, 0, true), ByteVector(512)).empty());
    const auto r2t = host.exchange(host.write10(0, 1, 512))[0].as<ReadyToTransferHeader>();
    CHECK(host.exchange(data_out(r2t.initiator_task_tag, r2t.target_transfer_tag ^ 1U, 0, 0, true), ByteVector(512)).empty());
    const auto foreign = data_out(r2t.initiator_task_tag + 1, r2t.target_transfer_tag, 0, 0, true);
    CHECK(reject_reason(host.exchange(foreign, ByteVector(512))) == RejectReason::invalid_pdu_field);
    const auto right = data_out(r2t.initiator_task_tag, r2t.target_transfer_tag, 0, 0, true);
    CHECK(host.exchange(right, ByteVector(512))[0].as<ScsiResponseHeader>().status == 0);
}

TEST_CASE("R2T: none asks for more than MaxBurstLength, and each starts its own DataSN", "[iscsi][requests][data]") {
    IscsiHost host;
    host.login({"ImmediateData=No", "MaxBurstLength=1024"});
    host.clear_unit_attention();
    auto pdus = host.exchange(host.write10(0, 8, 4096));
    std::uint32_t r2t_sn = 0;
    for (std::uint32_t offset = 0; offset < 4096; offset += 1024) {
        REQUIRE(pdus.size() == 1);
        const auto r2t = pdus[0].as<ReadyToTransferHeader>();
        CHECK(r2t.r2t_sn == r2t_sn++);
        CHECK(r2t.buffer_offset == offset);
        CHECK(r2t.desired_data_transfer_length == 1024);
        CHECK(host.exchange(data_out(r2t.initiator_task_tag, r2t.target_transfer_tag, 0, offset, false), ByteVector(512, 1)).empty());
        pdus = host.exchange(data_out(r2t.initiator_task_tag, r2t.target_transfer_tag, 1, offset + 512, true), ByteVector(512, 2));
    }
    CHECK(pdus[0].as<ScsiResponseHeader>().status == 0);
    CHECK(pdus[0].as<ScsiResponseHeader>().exp_data_sn == r2t_sn);
}

TEST_CASE("Commands that would move data both ways are not supported", "[iscsi][requests]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    auto both = host.write10(0, 1, 512);
    both.flags |= ScsiCommandHeader::read_bit;
    CHECK(reject_reason(host.exchange(both, ByteVector(512, 7))) == RejectReason::command_not_supported);
    CHECK(host.exchange(host.command({0x00}, 0, 0))[0].as<ScsiResponseHeader>().status == 0); // its number was taken
}

TEST_CASE("Parameter data: residuals against what the initiator expects (section 11.4.5)", "[iscsi][requests]") {
    struct Case {
        std::uint32_t allocation, expected, sent;
        std::uint8_t bit;
        std::uint32_t count;
    };
    const Case cases[] = {
        {36, 36, 36, 0, 0},
        {36, 100, 36, DataInHeader::underflow_bit, 64},
        {36, 8, 8, DataInHeader::overflow_bit, 28},
        {36, 0, 0, DataInHeader::overflow_bit, 36},
        {0, 36, 0, DataInHeader::underflow_bit, 36},
    };
    for (const Case& c : cases) {
        CAPTURE(c.allocation, c.expected);
        IscsiHost host;
        host.login();
        const auto pdus = host.exchange(host.command({0x12, 0, 0, 0, c.allocation}, c.expected, ScsiCommandHeader::read_bit));
        REQUIRE(pdus.size() == 1);
        CHECK((pdus[0].opcode() == Opcode::data_in) == (c.sent > 0));
        CHECK(pdus[0].data.size() == c.sent);
        CHECK((pdus[0].header.flags & 6) == c.bit);
        CHECK(pdus[0].as<DataInHeader>().residual_count == c.count);
    }
}

TEST_CASE("A command that fails leaves all of its expected data as residual", "[iscsi][requests]") {
    IscsiHost host;
    host.login({"ImmediateData=Yes"});
    host.clear_unit_attention();
    for (const bool write : {false, true}) {
        const auto command = write ? host.write10(0x7fffffff, 1, 512) : host.read10(0x7fffffff, 1, 512);
        const auto pdus = host.exchange(command, ByteVector(write ? 512 : 0));
        REQUIRE(pdus.size() == 1);
        const auto header = pdus[0].as<ScsiResponseHeader>();
        CHECK(header.status == 2);
        CHECK((header.flags & 6) == ScsiResponseHeader::underflow_bit);
        CHECK(header.residual_count == 512);
    }
}

TEST_CASE("Logout: a reason that does not exist is an invalid field", "[iscsi][requests]") {
    IscsiHost host;
    host.login();
    auto header = make_header<LogoutRequestHeader>(Opcode::logout_request);
    header.opcode_byte |= immediate_bit;
    header.flags = 0x83;
    CHECK(reject_reason(host.exchange(header)) == RejectReason::invalid_pdu_field);
    CHECK(host.connection->phase() == Phase::full_feature);
}

TEST_CASE("A task tag of all ones is no tag", "[iscsi][requests]") {
    IscsiHost host;
    host.login();
    auto command = host.command({0x00}, 0, 0);
    command.initiator_task_tag = reserved_tag;
    CHECK(reject_reason(host.exchange(command)) == RejectReason::invalid_pdu_field);
}

TEST_CASE("Digests: a corrupt header ends the connection without a word (section 7.1.5)", "[iscsi][requests][digest]") {
    IscsiHost host;
    host.login({"HeaderDigest=CRC32C"});
    host.header_digest = true;
    CHECK(host.exchange(ping(1)).size() == 1);
    ByteVector bad = test::wire(ping(2), {}, true);
    bad[20] ^= 1;
    host.feed(bad);
    CHECK(host.take().empty());
    CHECK(host.connection->phase() == Phase::over);
    CHECK(host.connection->poll_event()->reason == "header digest error");
}

TEST_CASE("Digests: corrupt Data-Out is rejected, and the session ends", "[iscsi][requests][digest]") {
    IscsiHost host;
    host.login({"DataDigest=CRC32C", "ImmediateData=No"});
    host.data_digest = true;
    host.clear_unit_attention();
    const auto r2t = host.exchange(host.write10(0, 1, 512))[0].as<ReadyToTransferHeader>();
    ByteVector bad =
        test::wire(data_out(r2t.initiator_task_tag, r2t.target_transfer_tag, 0, 0, true), ByteVector(512, 1), false, true);
    bad[bhs_size + 100] ^= 1;
    host.feed(bad, 60);
    CHECK(reject_reason(host.take()) == RejectReason::data_digest_error);
    CHECK(host.connection->phase() == Phase::over);
    ByteVector medium(512);
    REQUIRE(host.device->read(0, medium));
    CHECK(medium == ByteVector(512));
}
