#include "support/catch.hpp"
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using test::IscsiHost;
using test::reject_reason;
using test::SentPdu;
using Phase = Connection::Phase;

namespace {

NopOutHeader nop(IscsiHost& host, bool immediate) {
    auto header = make_header<NopOutHeader>(Opcode::nop_out);
    header.opcode_byte |= immediate ? immediate_bit : 0;
    header.initiator_task_tag = host.next_tag++;
    header.target_transfer_tag = reserved_tag;
    header.cmd_sn = immediate ? host.next_cmd_sn : host.next_cmd_sn++;
    return header;
}

TaskManagementRequestHeader function(IscsiHost& host, unsigned code, std::uint32_t referenced = reserved_tag) {
    auto header = make_header<TaskManagementRequestHeader>(Opcode::task_management_request);
    header.opcode_byte |= immediate_bit;
    header.flags = static_cast<std::uint8_t>(0x80U | code);
    header.initiator_task_tag = host.next_tag++;
    header.referenced_task_tag = referenced;
    header.cmd_sn = host.next_cmd_sn;
    return header;
}

} // namespace

TEST_CASE("NOP-Out: ping data come back, with the next StatSN", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    const ByteVector data{1, 2, 3, 4, 5};
    const auto first = host.exchange(nop(host, false), data);
    REQUIRE(first.size() == 1);
    CHECK(first[0].opcode() == Opcode::nop_in);
    CHECK(first[0].data == data);
    const auto second = host.exchange(nop(host, true));
    CHECK(second[0].as<NopInHeader>().stat_sn == first[0].as<NopInHeader>().stat_sn + 1);
    CHECK(second[0].as<NopInHeader>().exp_cmd_sn == 101); // immediate ones take no number
}

TEST_CASE("NOP-In: an idle initiator is asked, one that does not answer is dropped", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    host.clock.advance(host.limits.idle_before_ping);
    host.connection->handle_timeout(host.clock.now());
    host.settle();
    const auto ping = host.take();
    REQUIRE(ping.size() == 1);
    CHECK(ping[0].opcode() == Opcode::nop_in);
    CHECK(ping[0].as<NopInHeader>().initiator_task_tag == reserved_tag);
    CHECK(ping[0].as<NopInHeader>().target_transfer_tag != reserved_tag);
    SECTION("answered") {
        auto answer = make_header<NopOutHeader>(Opcode::nop_out);
        answer.opcode_byte |= immediate_bit;
        answer.initiator_task_tag = reserved_tag;
        answer.target_transfer_tag = ping[0].as<NopInHeader>().target_transfer_tag;
        CHECK(host.exchange(answer).empty());
        host.clock.advance(host.limits.ping_answer_time - std::chrono::seconds(16));
        host.connection->handle_timeout(host.clock.now());
        CHECK(host.connection->phase() == Phase::full_feature);
    }
    SECTION("silent") {
        host.clock.advance(host.limits.ping_answer_time);
        host.connection->handle_timeout(host.clock.now());
        CHECK(host.connection->phase() == Phase::over);
    }
}

TEST_CASE("NOP-In: iPXE, which never answers, is given more time", "[iscsi][connection]") {
    IscsiHost host;
    auto header = test::login_header(Stage::operational, Stage::full_feature);
    header.isid = {0x40, 0x00, 0x27, 0x23, 1, 2};
    const std::string names = test::named_text();
    host.exchange(header, as_bytes(names));
    host.clock.advance(host.limits.idle_before_ping);
    host.connection->handle_timeout(host.clock.now());
    host.settle();
    CHECK(host.take().size() == 1);
    host.clock.advance(host.limits.ping_answer_time * 3);
    host.connection->handle_timeout(host.clock.now());
    CHECK(host.connection->phase() == Phase::full_feature);
}

TEST_CASE("CmdSN: outside of the window is ignored, early is kept until its turn", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    const auto with_number = [&](std::uint32_t cmd_sn) {
        auto header = nop(host, true);
        header.opcode_byte = 0;
        header.cmd_sn = cmd_sn;
        return header;
    };
    CHECK(host.exchange(with_number(99)).empty());
    CHECK(host.exchange(with_number(100 + limits::command_window)).empty());
    const auto third = with_number(102);
    const auto second = with_number(101);
    const auto first = with_number(100);
    CHECK(host.exchange(third).empty());
    CHECK(host.exchange(second).empty());
    CHECK(host.exchange(second).empty()); // twice is once
    const auto pdus = host.exchange(first);
    REQUIRE(pdus.size() == 3);
    CHECK(pdus[0].header.initiator_task_tag == first.initiator_task_tag);
    CHECK(pdus[1].header.initiator_task_tag == second.initiator_task_tag);
    CHECK(pdus[2].header.initiator_task_tag == third.initiator_task_tag);
    CHECK(pdus[2].as<NopInHeader>().exp_cmd_sn == 103);
}

TEST_CASE("CmdSN: the window closes as commands wait and opens as they end", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    host.hold_jobs = true;
    for (unsigned i = 0; i < limits::command_window; ++i) {
        CHECK(host.exchange(host.command({0x35}, 0, 0)).empty());
    }
    const auto probe = host.exchange(nop(host, true));
    CHECK(probe[0].as<NopInHeader>().max_cmd_sn == probe[0].as<NopInHeader>().exp_cmd_sn - 1);
    CHECK(host.exchange(nop(host, false)).empty()); // beyond the window
    --host.next_cmd_sn;
    host.release_jobs();
    const auto pdus = host.take();
    REQUIRE(pdus.size() == limits::command_window);
    const auto last = pdus.back().as<ScsiResponseHeader>();
    CHECK(last.max_cmd_sn == last.exp_cmd_sn + limits::command_window - 1);
}

TEST_CASE("Immediate commands beyond their bound are rejected", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    host.hold_jobs = true;
    for (unsigned i = 0; i <= limits::immediate_tasks; ++i) {
        auto command = host.command({0x35}, 0, 0);
        --host.next_cmd_sn;
        command.opcode_byte |= immediate_bit;
        const auto expected = i < limits::immediate_tasks ? std::nullopt : std::optional(RejectReason::immediate_command_reject);
        CHECK(reject_reason(host.exchange(command)) == expected);
    }
}

TEST_CASE("Reject: what the target does not do, with the header sent back", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    auto snack = make_header<NopOutHeader>(Opcode::snack_request);
    const auto pdus = host.exchange(snack);
    CHECK(reject_reason(pdus) == RejectReason::snack_reject);
    CHECK(pdus[0].data == ByteVector(object_bytes(snack).begin(), object_bytes(snack).end()));
    const auto unknown = make_header<NopOutHeader>(static_cast<Opcode>(0x1e));
    CHECK(reject_reason(host.exchange(unknown)) == RejectReason::command_not_supported);
    const auto targets_own = make_header<NopOutHeader>(Opcode::scsi_response);
    CHECK(reject_reason(host.exchange(targets_own)) == RejectReason::command_not_supported);
    CHECK(host.connection->phase() == Phase::full_feature);
}

TEST_CASE("A task tag that is in use is rejected", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    host.hold_jobs = true;
    host.exchange(host.command({0x35}, 0, 0));
    --host.next_tag;
    CHECK(reject_reason(host.exchange(host.command({0x35}, 0, 0))) == RejectReason::task_in_progress);
}

TEST_CASE("Login Request in full feature phase: rejected, and the end", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    CHECK(reject_reason(host.login()) == RejectReason::protocol_error);
    CHECK(host.connection->phase() == Phase::over);
}

TEST_CASE("Logout: closes after its answer; recovery and other connections are refused", "[iscsi][connection]") {
    struct Case {
        unsigned reason, cid, response;
        bool over;
    };
    for (const Case& c : {Case{0, 0, 0, true}, Case{1, 0, 0, true}, Case{1, 7, 1, false}, Case{2, 0, 2, false}}) {
        IscsiHost host;
        host.login();
        auto header = make_header<LogoutRequestHeader>(Opcode::logout_request);
        header.opcode_byte |= immediate_bit;
        header.flags = static_cast<std::uint8_t>(0x80U | c.reason);
        header.connection_id = static_cast<std::uint16_t>(c.cid);
        const auto pdus = host.exchange(header);
        REQUIRE(pdus.size() == 1);
        CHECK(pdus[0].as<LogoutResponseHeader>().response == c.response);
        CHECK((host.connection->phase() == Phase::over) == c.over);
    }
}

TEST_CASE("Ended from outside: silence, a message, or the request to log out", "[iscsi][connection]") {
    IscsiHost host;
    host.login();
    SECTION("replaced by a newer session") {
        host.connection->end(host.clock.now(), EndReason::replaced_by_newer);
        host.settle();
        CHECK(host.take().empty());
        CHECK(host.connection->phase() == Phase::over);
    }
    SECTION("fenced") {
        host.connection->end(host.clock.now(), EndReason::fenced);
        host.settle();
        const auto pdus = host.take();
        REQUIRE(pdus.size() == 1);
        CHECK(pdus[0].as<AsyncMessageHeader>().async_event == 3);
        CHECK(host.connection->phase() == Phase::over);
    }
    SECTION("planned stop") {
        host.connection->end(host.clock.now(), EndReason::shutdown);
        host.settle();
        const auto pdus = host.take();
        REQUIRE(pdus.size() == 1);
        CHECK(pdus[0].as<AsyncMessageHeader>().async_event == 1);
        CHECK(host.connection->phase() == Phase::full_feature);
        host.clock.advance(host.limits.logout_time);
        host.connection->handle_timeout(host.clock.now());
        CHECK(host.connection->phase() == Phase::over);
    }
}

TEST_CASE("ABORT TASK: no status, and the answer only when the I/O has ended", "[iscsi][tmf]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    host.hold_jobs = true;
    const auto command = host.command({0x35}, 0, 0);
    host.exchange(command);
    const auto abort = function(host, 1, command.initiator_task_tag);
    CHECK(host.exchange(abort).empty()); // the flush is still under way
    host.release_jobs();
    const auto pdus = host.take();
    REQUIRE(pdus.size() == 1);
    CHECK(pdus[0].opcode() == Opcode::task_management_response);
    CHECK(pdus[0].as<TaskManagementResponseHeader>().initiator_task_tag == abort.initiator_task_tag);
    CHECK(pdus[0].as<TaskManagementResponseHeader>().response == 0);
}

TEST_CASE("Task management: every function has its answer", "[iscsi][tmf]") {
    struct Case {
        unsigned code;
        std::uint8_t lun;
        unsigned response;
    };
    for (const Case& c : {Case{1, 0, 1}, Case{2, 0, 0}, Case{2, 9, 2}, Case{3, 0, 5}, Case{4, 0, 0}, Case{5, 0, 0}, Case{5, 9, 2},
                          Case{6, 0, 0}, Case{7, 0, 0}, Case{8, 0, 4}, Case{50, 0, 5}}) {
        CAPTURE(c.code, int{c.lun});
        IscsiHost host;
        host.login();
        auto header = function(host, c.code, 4711);
        header.lun = {0, c.lun, 0, 0, 0, 0, 0, 0};
        const auto pdus = host.exchange(header);
        REQUIRE(pdus.size() == 1);
        CHECK(pdus[0].opcode() == Opcode::task_management_response);
        CHECK(pdus[0].as<TaskManagementResponseHeader>().response == c.response);
        CHECK(host.connection->take_cold_reset() == (c.code == 7));
    }
}

TEST_CASE("Reset during a write: data on their way are swallowed, the session goes on", "[iscsi][tmf]") {
    IscsiHost host;
    host.login({"ImmediateData=No"});
    host.clear_unit_attention();
    const auto r2t = host.exchange(host.write10(0, 8, 4096))[0].as<ReadyToTransferHeader>();
    REQUIRE(host.exchange(function(host, 5)).size() == 1);
    auto late = make_header<DataOutHeader>(Opcode::data_out);
    late.initiator_task_tag = r2t.initiator_task_tag;
    late.target_transfer_tag = r2t.target_transfer_tag;
    CHECK(host.exchange(late, ByteVector(4096, 0x77)).empty());
    ByteVector bytes(4096);
    REQUIRE(host.device->read(0, bytes));
    CHECK(bytes == ByteVector(4096));
}

TEST_CASE("Discovery: SendTargets lists what there is, and nothing but text is served", "[iscsi][discovery]") {
    IscsiHost host;
    for (int i = 1; i < 400; ++i) {
        host.targets.add("iqn.2026-01.test.rootstock:disk" + std::to_string(i), {});
    }
    const std::string names = test::key_text({"InitiatorName=iqn.a:b", "SessionType=Discovery"});
    REQUIRE(host.exchange(test::login_header(Stage::operational, Stage::full_feature), as_bytes(names)).size() == 1);
    const auto request = [&](std::uint32_t transfer_tag) {
        auto header = make_header<TextRequestHeader>(Opcode::text_request);
        header.opcode_byte |= immediate_bit;
        header.initiator_task_tag = 5;
        header.target_transfer_tag = transfer_tag;
        return header;
    };
    const std::string ask = test::key_text({"SendTargets=All"});
    std::string text;
    auto pdus = host.exchange(request(reserved_tag), as_bytes(ask));
    for (int parts = 0; parts < 20; ++parts) {
        REQUIRE(pdus.size() == 1);
        const auto header = pdus[0].as<TextResponseHeader>();
        CHECK(pdus[0].data.size() <= 8192);
        text += pdus[0].text();
        if ((header.flags & final_bit) != 0) {
            CHECK(header.target_transfer_tag == reserved_tag);
            break;
        }
        CHECK((header.flags & continue_bit) != 0);
        pdus = host.exchange(request(header.target_transfer_tag));
    }
    std::size_t targets = 0;
    for (std::size_t at = text.find("TargetName="); at != std::string::npos; at = text.find("TargetName=", at + 1)) {
        ++targets;
    }
    CHECK(targets == 400);
    CHECK(text.find("TargetAddress=10.0.0.1:3260,1") != std::string::npos);
    CHECK(reject_reason(host.exchange(host.command({0x00}, 0, 0))) == RejectReason::protocol_error);
    CHECK(reject_reason(host.exchange(request(77))) == RejectReason::protocol_error);
}

TEST_CASE("SendTargets in a normal session names its own target only", "[iscsi][discovery]") {
    IscsiHost host;
    host.targets.add("iqn.2026-01.test.rootstock:other", {});
    LoginRequest request;
    request.target_name = test::target_name;
    const auto ask = [&](std::string_view value) {
        return send_targets(value, SessionType::normal, request, host.targets, host.portals, 1);
    };
    CHECK_FALSE(ask("All"));
    CHECK(ask("") == test::key_text({"TargetName=" + test::target_name, "TargetAddress=10.0.0.1:3260,1"}));
    CHECK(ask("iqn.nobody")->empty());
}

TEST_CASE("Digests: a session with both works, a corrupt data segment is rejected and ends it", "[iscsi][digest]") {
    IscsiHost host;
    host.login({"HeaderDigest=CRC32C", "DataDigest=CRC32C"});
    host.header_digest = host.data_digest = true;
    host.clear_unit_attention();
    const ByteVector data(512, 0x5a);
    CHECK(host.exchange(host.write10(3, 1, 512), data)[0].as<ScsiResponseHeader>().status == 0);
    CHECK(host.exchange(host.read10(3, 1, 512))[0].data == data);
    ByteVector bad = test::wire(host.write10(4, 1, 512), data, true, true);
    bad[100] ^= 1;
    host.feed(bad);
    CHECK(reject_reason(host.take()) == RejectReason::data_digest_error);
    CHECK(host.connection->phase() == Phase::over);
    ByteVector medium(512);
    REQUIRE(host.device->read(4 * 512, medium));
    CHECK(medium == ByteVector(512));
}
