#include "support/catch.hpp"

#include <algorithm>
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using test::IscsiHost;
using test::login_header;
using test::login_status;
using test::named_text;
using test::SentPdu;

namespace {

std::string value_of(const SentPdu& pdu, std::string_view key) {
    const std::string text = pdu.text();
    for (const KeyValue& pair : *parse_text(text)) {
        if (pair.key == key) {
            return std::string(pair.value);
        }
    }
    return "(none)";
}

void require_chap(IscsiHost& host) {
    test::FixedTargets::Target target;
    target.units.push_back({0, scsi::make_disk_unit(host.device, scsi::identity_from_name("test"))});
    target.authentication.chap_required = true;
    target.secrets["pc01"] = "secret12secret34";
    host.targets.add(test::target_name, std::move(target));
}

} // namespace

TEST_CASE("Login: straight to the operational stage", "[iscsi][login]") {
    IscsiHost host;
    const auto answer = host.login({"MaxRecvDataSegmentLength=8192", "InitialR2T=No", "X-odd=1"});
    REQUIRE(login_status(answer) == LoginStatus::success);
    const auto header = answer[0].as<LoginResponseHeader>();
    CHECK(header.flags == 0x87);
    CHECK(header.tsih != 0);
    CHECK(header.exp_cmd_sn == 100);
    CHECK(header.max_cmd_sn == 100 + limits::command_window - 1);
    CHECK(header.isid == login_header(Stage::operational, Stage::full_feature).isid);
    CHECK(value_of(answer[0], "TargetPortalGroupTag") == "1");
    CHECK(value_of(answer[0], "InitialR2T") == "No");
    CHECK(value_of(answer[0], "X-odd") == "NotUnderstood");
    CHECK(value_of(answer[0], "MaxRecvDataSegmentLength") == "262144");
    CHECK(host.connection->phase() == Connection::Phase::full_feature);
}

TEST_CASE("Login: security stage with AuthMethod=None, then operational", "[iscsi][login]") {
    IscsiHost host;
    const std::string names = named_text({"AuthMethod=CHAP,None"});
    const auto first = host.exchange(login_header(Stage::security, Stage::operational), as_bytes(names));
    REQUIRE(login_status(first) == LoginStatus::success);
    CHECK(first[0].as<LoginResponseHeader>().flags == 0x81);
    CHECK(first[0].as<LoginResponseHeader>().tsih == 0);
    CHECK(value_of(first[0], "AuthMethod") == "None");
    const std::string keys = test::key_text({"MaxBurstLength=512"});
    const auto second = host.exchange(login_header(Stage::operational, Stage::full_feature), as_bytes(keys));
    REQUIRE(login_status(second) == LoginStatus::success);
    CHECK(second[0].as<LoginResponseHeader>().tsih != 0);
    CHECK(host.connection->session().parameters.max_burst_length == 512);
}

TEST_CASE("Login: text may continue over several requests (C bit)", "[iscsi][login]") {
    IscsiHost host;
    const std::string text = named_text({"InitialR2T=No"});
    auto part = login_header(Stage::operational, Stage::security, false);
    part.flags = static_cast<std::uint8_t>(part.flags | continue_bit);
    const auto first = host.exchange(part, as_bytes(text).first(40));
    REQUIRE(login_status(first) == LoginStatus::success);
    CHECK(first[0].data.empty());
    CHECK((first[0].header.flags & final_bit) == 0);
    const auto last = host.exchange(login_header(Stage::operational, Stage::full_feature), as_bytes(text).subspan(40));
    REQUIRE(login_status(last) == LoginStatus::success);
    CHECK_FALSE(host.connection->session().parameters.initial_r2t);
}

TEST_CASE("Login: every refusal has its status, and ends the connection", "[iscsi][login]") {
    const auto refusal = [](auto change, const std::string& text) {
        IscsiHost host;
        auto header = login_header(Stage::operational, Stage::full_feature);
        change(header);
        const LoginStatus status = login_status(host.exchange(header, as_bytes(text)));
        CHECK(host.connection->phase() == Connection::Phase::over);
        return status;
    };
    const auto same = [](LoginRequestHeader&) {};
    using test::key_text;
    CHECK(refusal([](auto& h) { h.version_min = 1; }, named_text()) == LoginStatus::unsupported_version);
    CHECK(refusal([](auto& h) { h.flags = 0x8b; }, named_text()) == LoginStatus::initiator_error);  // CSG 2
    CHECK(refusal([](auto& h) { h.flags = 0x85; }, named_text()) == LoginStatus::initiator_error);  // NSG = CSG
    CHECK(refusal([](auto& h) { h.flags = 0x84; }, named_text()) == LoginStatus::initiator_error);  // backwards
    CHECK(refusal([](auto& h) { h.flags = 0xc7; }, named_text()) == LoginStatus::initiator_error);  // T and C
    CHECK(refusal([](auto& h) { h.tsih = 77; }, named_text()) == LoginStatus::session_does_not_exist);
    CHECK(refusal(same, key_text({"TargetName=" + test::target_name})) == LoginStatus::missing_parameter);
    CHECK(refusal(same, key_text({"InitiatorName=" + test::initiator_name})) == LoginStatus::missing_parameter);
    CHECK(refusal(same, key_text({"InitiatorName=bad name", "TargetName=" + test::target_name})) == LoginStatus::initiator_error);
    CHECK(refusal(same, key_text({"InitiatorName=iqn.a:b", "TargetName=iqn.a:none"})) == LoginStatus::not_found);
    CHECK(refusal(same, key_text({"InitiatorName=iqn.a:b", "SessionType=Odd"})) == LoginStatus::session_type_not_supported);
    CHECK(refusal(same, named_text({"MaxBurstLength=512", "MaxBurstLength=512"})) == LoginStatus::initiator_error);
    CHECK(refusal(same, named_text({"AuthMethod=None"})) == LoginStatus::initiator_error); // not at the operational stage
    CHECK(refusal(same, named_text({"TargetAlias=x"})) == LoginStatus::initiator_error);
    CHECK(refusal(same, "no separator" + named_text()) == LoginStatus::initiator_error);
    CHECK(refusal([](auto& h) { h.flags = 0x81; }, named_text({"AuthMethod=KRB5"})) == LoginStatus::authentication_failure);
}

TEST_CASE("Login: CHAP is asked for, and cannot be passed by", "[iscsi][login][chap]") {
    IscsiHost host;
    require_chap(host);
    SECTION("straight to the operational stage") {
        CHECK(login_status(host.login()) == LoginStatus::authentication_failure);
    }
    SECTION("without AuthMethod") {
        const std::string names = named_text();
        CHECK(login_status(host.exchange(login_header(Stage::security, Stage::operational), as_bytes(names))) ==
              LoginStatus::authentication_failure);
    }
    SECTION("None only") {
        const std::string names = named_text({"AuthMethod=None"});
        CHECK(login_status(host.exchange(login_header(Stage::security, Stage::operational), as_bytes(names))) ==
              LoginStatus::authentication_failure);
    }
    SECTION("the transit bit set too early is not followed") {
        const std::string names = named_text({"AuthMethod=CHAP,None"});
        const auto answer = host.exchange(login_header(Stage::security, Stage::full_feature), as_bytes(names));
        REQUIRE(login_status(answer) == LoginStatus::success);
        CHECK((answer[0].header.flags & final_bit) == 0);
        CHECK(host.connection->phase() == Connection::Phase::login);
    }
}

TEST_CASE("Login: CHAP with the right secret goes through, with a wrong one it does not", "[iscsi][login][chap]") {
    for (const std::string secret : {"secret12secret34", "wrong"}) {
        IscsiHost host;
        require_chap(host);
        const std::string names = named_text({"AuthMethod=CHAP"});
        REQUIRE(login_status(host.exchange(login_header(Stage::security, Stage::operational, false), as_bytes(names))) == LoginStatus::success);
        const std::string algorithm = test::key_text({"CHAP_A=7,5"});
        const auto challenge = host.exchange(login_header(Stage::security, Stage::operational, false), as_bytes(algorithm));
        REQUIRE(login_status(challenge) == LoginStatus::success);
        CHECK(value_of(challenge[0], "CHAP_A") == "7");
        const auto identifier = static_cast<std::uint8_t>(*parse_numeric(value_of(challenge[0], "CHAP_I")));
        const ByteVector bytes = *parse_binary(value_of(challenge[0], "CHAP_C"), 64);
        const std::string response =
            format_binary(hash(HashAlgorithm::sha256, {Bytes(&identifier, 1), as_bytes(secret), bytes}));
        const std::string proof = test::key_text({"CHAP_N=pc01", "CHAP_R=" + response});
        const auto answer = host.exchange(login_header(Stage::security, Stage::operational), as_bytes(proof));
        CHECK(login_status(answer) == (secret == "wrong" ? LoginStatus::authentication_failure : LoginStatus::success));
    }
}

TEST_CASE("Login: names, tags and ISID stay the same through a login", "[iscsi][login]") {
    for (int change = 0; change < 4; ++change) {
        IscsiHost host;
        const std::string names = named_text();
        REQUIRE(login_status(host.exchange(login_header(Stage::security, Stage::operational), as_bytes(names))) == LoginStatus::success);
        auto second = login_header(Stage::operational, Stage::full_feature);
        switch (change) {
        case 0: second.isid[5] ^= 1; break;
        case 1: second.initiator_task_tag = 2; break;
        case 2: second.connection_id = 9; break;
        default: second.flags = 0x81; break; // the stage that was left
        }
        CHECK(login_status(host.exchange(second)) == LoginStatus::initiator_error);
    }
}

TEST_CASE("Login: bounds on text, on requests and on time", "[iscsi][login]") {
    IscsiHost host;
    SECTION("text over continuations") {
        auto part = login_header(Stage::operational, Stage::security, false);
        part.flags = static_cast<std::uint8_t>(part.flags | continue_bit);
        const std::string piece(limits::login_data_segment, 'x');
        std::vector<SentPdu> answer;
        for (std::size_t sent = 0; sent <= limits::login_text; sent += piece.size()) {
            answer = host.exchange(part, as_bytes(piece));
        }
        CHECK(login_status(answer) == LoginStatus::initiator_error);
    }
    SECTION("a data segment beyond the default") {
        const std::string large(limits::login_data_segment + 1, 'x');
        CHECK(host.exchange(login_header(Stage::operational, Stage::full_feature), as_bytes(large)).empty());
        CHECK(host.connection->phase() == Connection::Phase::over);
    }
    SECTION("requests without end") {
        const std::string names = named_text();
        std::vector<SentPdu> answer = host.exchange(login_header(Stage::operational, Stage::security, false), as_bytes(names));
        for (unsigned i = 0; i < limits::login_requests; ++i) {
            answer = host.exchange(login_header(Stage::operational, Stage::security, false));
        }
        CHECK(login_status(answer) == LoginStatus::initiator_error);
    }
    SECTION("time") {
        host.clock.advance(host.limits.login_time);
        host.connection->handle_timeout(host.clock.now());
        CHECK(host.connection->phase() == Connection::Phase::over);
    }
}

TEST_CASE("Login: another PDU than a Login Request", "[iscsi][login]") {
    IscsiHost host;
    SECTION("first: silence") {
        CHECK(host.exchange(make_header<NopOutHeader>(Opcode::nop_out)).empty());
    }
    SECTION("later: status 0x020b") {
        const std::string names = named_text();
        REQUIRE(login_status(host.exchange(login_header(Stage::security, Stage::operational), as_bytes(names))) == LoginStatus::success);
        CHECK(login_status(host.exchange(make_header<NopOutHeader>(Opcode::nop_out))) == LoginStatus::invalid_during_login);
    }
    CHECK(host.connection->phase() == Connection::Phase::over);
}

TEST_CASE("Login: a second connection for a session is refused: MaxConnections is 1", "[iscsi][login]") {
    IscsiHost host;
    const auto first = host.login();
    auto second = login_header(Stage::operational, Stage::full_feature);
    second.tsih = first[0].as<LoginResponseHeader>().tsih;
    Connection other({host.targets, host.registry, host.pool, host.random, host.limits, host.portals}, host.portal, host.clock.now());
    const std::string names = named_text();
    const ByteVector bytes = test::wire(second, as_bytes(names));
    const auto window = other.rx_windows()[0];
    std::copy(bytes.begin(), bytes.end(), window.begin());
    other.rx_commit(host.clock.now(), bytes.size());
    const auto event = other.poll_event();
    REQUIRE(event);
    CHECK(event->status == LoginStatus::too_many_connections);
}
