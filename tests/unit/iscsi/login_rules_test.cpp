// The rules of the login that are tables in RFC 7143: which stages may follow which, and what each key of section 13 allows. The expectations
// are written from the text, the tables under test are only walked.
#include "support/catch.hpp"
#include "support/iscsi_host.hpp"

#include <set>

using namespace rootstock;
using namespace rootstock::iscsi;
using test::IscsiHost;
using test::login_status;
using test::login_header;
using test::named_text;
using test::SentPdu;

namespace {

std::string answer_to(std::string_view key, std::string_view value, std::uint8_t stage = key_stage::operational) {
    Negotiation negotiation;
    TextWriter answer;
    const auto taken = negotiation.take({key, value}, stage, SessionType::normal, answer);
    return !taken ? "error" : answer.empty() ? "" : answer.text().substr(key.size() + 1, answer.text().size() - key.size() - 2);
}

/// A login of two requests: `security` at the security stage, then `operational`.
LoginStatus login_in_two(std::initializer_list<std::string> security, std::initializer_list<std::string> operational) {
    IscsiHost host;
    const std::string first = named_text(security);
    if (const auto status = login_status(host.exchange(login_header(Stage::security, Stage::operational), as_bytes(first)));
        status != LoginStatus::success) {
        return status;
    }
    const std::string second = test::key_text(operational);
    return login_status(host.exchange(login_header(Stage::operational, Stage::full_feature), as_bytes(second)));
}

} // namespace

TEST_CASE("Login: every combination of T, C, CSG and NSG in a first request (section 11.12)", "[iscsi][login][rules]") {
    for (unsigned flags = 0; flags < 256; ++flags) {
        CAPTURE(flags);
        const bool transit = (flags & 0x80U) != 0, continues = (flags & 0x40U) != 0;
        const unsigned current = flags >> 2U & 3U, next = flags & 3U;
        const bool known_stage = current == 0 || current == 1;
        const bool forward = next != 2 && next > current;
        const bool legal = known_stage && (!transit || (forward && !continues));
        IscsiHost host;
        auto header = login_header(Stage::security, Stage::operational);
        header.flags = static_cast<std::uint8_t>(flags);
        const std::string names = named_text();
        const auto answer = host.exchange(header, as_bytes(names));
        CHECK(login_status(answer) == (legal ? LoginStatus::success : LoginStatus::initiator_error));
        if (legal) {
            CHECK((answer[0].header.flags & 0xccU) == ((transit ? 0x80U : 0U) | current << 2U));
            CHECK(answer[0].data.empty() == continues); // the rest is asked for before anything is answered
            CHECK((answer[0].as<LoginResponseHeader>().tsih != 0) == (transit && next == 3));
        }
    }
}

TEST_CASE("Login: from the security stage straight to full feature phase", "[iscsi][login][rules]") {
    IscsiHost host;
    const std::string names = named_text({"AuthMethod=None"});
    const auto answer = host.exchange(login_header(Stage::security, Stage::full_feature), as_bytes(names));
    REQUIRE(login_status(answer) == LoginStatus::success);
    CHECK(answer[0].as<LoginResponseHeader>().tsih != 0);
    const Parameters& agreed = host.connection->session().parameters;
    CHECK(agreed.max_burst_length == 262144); // the defaults of section 13
    CHECK(agreed.first_burst_length == 65536);
    CHECK(agreed.initial_r2t);
    CHECK(agreed.immediate_data);
    CHECK(agreed.max_outstanding_r2t == 1);
    CHECK(agreed.initiator_max_recv_data_segment_length == 8192);
}

TEST_CASE("Login: the version range must contain 0 (section 11.12.4)", "[iscsi][login][rules]") {
    for (const auto& [lowest, highest, status] :
         {std::tuple{0, 0, LoginStatus::success}, std::tuple{0, 9, LoginStatus::success}, std::tuple{1, 9, LoginStatus::unsupported_version}}) {
        IscsiHost host;
        auto header = login_header(Stage::operational, Stage::full_feature);
        header.version_min = static_cast<std::uint8_t>(lowest);
        header.version_max = static_cast<std::uint8_t>(highest);
        const std::string names = named_text();
        const auto answer = host.exchange(header, as_bytes(names));
        CHECK(login_status(answer) == status);
        CHECK(answer[0].as<LoginResponseHeader>().version_active == 0);
        CHECK(answer[0].as<LoginResponseHeader>().version_max == 0);
    }
}

TEST_CASE("Login: a refusal repeats the initiator's TSIH and ISID (section 11.13.3)", "[iscsi][login][rules]") {
    IscsiHost host;
    auto header = login_header(Stage::operational, Stage::full_feature);
    header.tsih = 77;
    const std::string names = named_text();
    const auto answer = host.exchange(header, as_bytes(names));
    CHECK(login_status(answer) == LoginStatus::session_does_not_exist);
    CHECK(answer[0].as<LoginResponseHeader>().tsih == 77);
    CHECK(answer[0].as<LoginResponseHeader>().isid == header.isid);
}

TEST_CASE("Login: each key may be offered once, over all stages (section 6.2)", "[iscsi][login][rules]") {
    for (const KeyRule& rule : login_keys) {
        const bool both_stages = (rule.stages & key_stage::login) == key_stage::login;
        const bool named = rule.key == Key::initiator_name || rule.key == Key::target_name || rule.key == Key::session_type;
        if (!both_stages || rule.kind == KeyKind::target_declares) {
            continue;
        }
        CAPTURE(rule.name);
        const std::string pair = std::string(rule.name) + "=1";
        if (named) {
            CHECK(login_in_two({}, {pair}) == LoginStatus::initiator_error);
        } else {
            CHECK(login_in_two({pair}, {}) == LoginStatus::success);
            CHECK(login_in_two({pair}, {pair}) == LoginStatus::initiator_error);
        }
    }
    CHECK(login_in_two({"AuthMethod=None", "AuthMethod=None"}, {}) == LoginStatus::initiator_error);
    CHECK(login_in_two({"X-a=1"}, {"X-a=1"}) == LoginStatus::success); // nobody knows it, twice
}

TEST_CASE("Login: keys that only a target declares, and keys of another stage, end it", "[iscsi][login][rules]") {
    for (const std::string pair : {"TargetAlias=x", "TargetAddress=10.0.0.1", "TargetPortalGroupTag=1", "SendTargets=All"}) {
        CAPTURE(pair);
        CHECK(login_in_two({pair}, {}) == LoginStatus::initiator_error);
        CHECK(login_in_two({}, {pair}) == LoginStatus::initiator_error);
    }
    for (const std::string pair : {"AuthMethod=None", "CHAP_A=5", "CHAP_N=x", "CHAP_R=0x00", "CHAP_I=1", "CHAP_C=0x00"}) {
        CAPTURE(pair);
        CHECK(login_in_two({}, {pair}) == LoginStatus::initiator_error);
    }
    CHECK(login_in_two({"CHAP_A=5"}, {}) == LoginStatus::initiator_error); // CHAP that nobody has chosen
}

TEST_CASE("Keys: the ends of every numeric range are taken, what lies beyond is rejected (section 13)", "[iscsi][negotiation][rules]") {
    struct Range {
        std::string_view key;
        std::uint64_t lowest, highest;
        bool declared = false;
    };
    const Range ranges[] = {
        {"MaxConnections", 1, 65535},
        {"MaxRecvDataSegmentLength", 512, 16777215, true},
        {"MaxBurstLength", 512, 16777215},
        {"FirstBurstLength", 512, 16777215},
        {"DefaultTime2Wait", 0, 3600},
        {"DefaultTime2Retain", 0, 3600},
        {"MaxOutstandingR2T", 1, 65535},
        {"ErrorRecoveryLevel", 0, 2},
        {"iSCSIProtocolLevel", 0, 31},
    };
    std::set<std::string_view> covered;
    for (const Range& range : ranges) {
        CAPTURE(range.key);
        covered.insert(range.key);
        for (const std::uint64_t good : {range.lowest, range.highest}) {
            const std::string answer = answer_to(range.key, std::to_string(good));
            CHECK(answer != "Reject");
            CHECK(answer.empty() == range.declared);
        }
        CHECK(answer_to(range.key, std::to_string(range.highest + 1)) == "Reject");
        if (range.lowest > 0) {
            CHECK(answer_to(range.key, std::to_string(range.lowest - 1)) == "Reject");
        }
        for (const std::string_view bad : {"", "-1", "1.5", "0x", "1 ", "99999999999999999999", "Yes", "None", "512,1024"}) {
            CHECK(answer_to(range.key, bad) == "Reject");
        }
        char hexadecimal[32];
        std::snprintf(hexadecimal, sizeof hexadecimal, "0x%llx", static_cast<unsigned long long>(range.highest));
        CHECK(answer_to(range.key, hexadecimal) != "Reject");
    }
    for (const KeyRule& rule : login_keys) {
        if (rule.number != nullptr) {
            CAPTURE(rule.name);
            CHECK(covered.contains(rule.name));
        }
    }
}

TEST_CASE("Keys: booleans are Yes or No and nothing else (section 6.1)", "[iscsi][negotiation][rules]") {
    struct Rule {
        std::string_view key, yes, no;
    };
    for (const Rule& rule : {Rule{"InitialR2T", "Yes", "No"}, Rule{"ImmediateData", "Yes", "No"}, Rule{"DataPDUInOrder", "Yes", "Yes"},
                             Rule{"DataSequenceInOrder", "Yes", "Yes"}}) {
        CAPTURE(rule.key);
        CHECK(answer_to(rule.key, "Yes") == rule.yes);
        CHECK(answer_to(rule.key, "No") == rule.no);
        for (const std::string_view bad : {"", "yes", "NO", "1", "Yes,No"}) {
            CHECK(answer_to(rule.key, bad) == "Reject");
        }
    }
}

TEST_CASE("Keys: after the login only these may be spoken of (sections 11.10 and 13)", "[iscsi][negotiation][rules]") {
    const std::set<std::string_view> allowed{"InitiatorAlias", "SendTargets", "MaxRecvDataSegmentLength"};
    for (const KeyRule& rule : login_keys) {
        CAPTURE(rule.name);
        const std::string answer = answer_to(rule.name, "512", key_stage::full_feature);
        if (rule.kind == KeyKind::target_declares) {
            CHECK(answer == "error");
        } else {
            CHECK((answer != "Reject") == allowed.contains(rule.name));
        }
    }
    CHECK(answer_to("X-odd", "1", key_stage::full_feature) == "NotUnderstood");
}

TEST_CASE("Login: a target that has moved sends the initiator there (sections 11.13.5 and 13.8)", "[iscsi][login][rules]") {
    for (const Stage first : {Stage::security, Stage::operational}) {
        IscsiHost host;
        test::FixedTargets::Target target;
        target.authentication.moved_to = "10.20.0.2:3260";
        target.authentication.chap_required = true; // to be proved there, not here
        host.targets.add(test::target_name, std::move(target));
        const std::string names = named_text();
        const auto answer = host.exchange(login_header(first, Stage::full_feature), as_bytes(names));
        CHECK(login_status(answer) == LoginStatus::moved_temporarily);
        CHECK(answer[0].text() == test::key_text({"TargetAddress=10.20.0.2:3260"}));
        CHECK(host.connection->phase() == Connection::Phase::over);
        const auto event = host.connection->poll_event();
        REQUIRE(event);
        CHECK(event->kind == ConnectionEvent::Kind::login_redirected);
        CHECK(event->reason == "10.20.0.2:3260");
        CHECK(host.registry.size() == 0);
    }
}
