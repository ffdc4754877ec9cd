#include "iscsi/negotiation.hpp"

#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;

namespace {
/// The answer to one offer, as "Key=value"; empty when there is none.
std::string answer_to(std::string_view key, std::string_view value, SessionType type = SessionType::normal) {
    Negotiation negotiation;
    TextWriter answer;
    REQUIRE(negotiation.take({key, value}, key_stage::operational, type, answer));
    std::string text = answer.text();
    return text.empty() ? text : text.substr(0, text.size() - 1);
}
} // namespace

TEST_CASE("Negotiation: every kind of key gets the answer of its rule", "[iscsi][negotiation]") {
    struct Case {
        std::string_view key, offer, answer;
    };
    const Case cases[] = {
        {"HeaderDigest", "None", "HeaderDigest=None"},
        {"HeaderDigest", "CRC32C,None", "HeaderDigest=CRC32C"},
        {"DataDigest", "None,CRC32C", "DataDigest=None"},
        {"DataDigest", "SHA,CRC32C", "DataDigest=CRC32C"},
        {"DataDigest", "SHA", "DataDigest=Reject"},
        {"InitialR2T", "Yes", "InitialR2T=Yes"},
        {"InitialR2T", "No", "InitialR2T=No"},
        {"InitialR2T", "maybe", "InitialR2T=Reject"},
        {"ImmediateData", "Yes", "ImmediateData=Yes"},
        {"ImmediateData", "No", "ImmediateData=No"},
        {"DataPDUInOrder", "No", "DataPDUInOrder=Yes"},
        {"DataSequenceInOrder", "No", "DataSequenceInOrder=Yes"},
        {"MaxConnections", "8", "MaxConnections=1"},
        {"MaxConnections", "0", "MaxConnections=Reject"},
        {"MaxBurstLength", "16776192", "MaxBurstLength=1048576"},
        {"MaxBurstLength", "512", "MaxBurstLength=512"},
        {"MaxBurstLength", "511", "MaxBurstLength=Reject"},
        {"MaxBurstLength", "16777216", "MaxBurstLength=Reject"},
        {"FirstBurstLength", "262144", "FirstBurstLength=65536"},
        {"FirstBurstLength", "0x1000", "FirstBurstLength=4096"},
        {"MaxOutstandingR2T", "16", "MaxOutstandingR2T=4"},
        {"DefaultTime2Wait", "2", "DefaultTime2Wait=2"},
        {"DefaultTime2Retain", "20", "DefaultTime2Retain=0"},
        {"ErrorRecoveryLevel", "2", "ErrorRecoveryLevel=0"},
        {"ErrorRecoveryLevel", "3", "ErrorRecoveryLevel=Reject"},
        {"MaxRecvDataSegmentLength", "8192", ""},
        {"MaxRecvDataSegmentLength", "12", "MaxRecvDataSegmentLength=Reject"},
        {"TaskReporting", "FastAbort,RFC3720", "TaskReporting=RFC3720"},
        {"IFMarker", "No", "IFMarker=No"},
        {"OFMarkInt", "2048~8192", "OFMarkInt=Reject"},
        {"iSCSIProtocolLevel", "2", "iSCSIProtocolLevel=1"},
        {"X-com.example.key", "1", "X-com.example.key=NotUnderstood"},
        {"initialr2t", "Yes", "initialr2t=NotUnderstood"},
        {"InitiatorAlias", "me", ""},
    };
    for (const Case& c : cases) {
        CAPTURE(c.key, c.offer);
        CHECK(answer_to(c.key, c.offer) == c.answer);
    }
}

TEST_CASE("Negotiation: in a discovery session the keys of normal ones are irrelevant", "[iscsi][negotiation]") {
    for (const KeyRule& rule : login_keys) {
        if (rule.scope == KeyScope::normal_session) {
            CAPTURE(rule.name);
            CHECK(answer_to(rule.name, "1", SessionType::discovery) == std::string(rule.name) + "=Irrelevant");
        }
    }
}

TEST_CASE("Negotiation: the agreed values are what both sides said", "[iscsi][negotiation]") {
    Negotiation negotiation;
    TextWriter answer;
    for (const KeyValue& pair : {KeyValue{"MaxBurstLength", "1024"}, KeyValue{"FirstBurstLength", "65536"},
                                 KeyValue{"MaxRecvDataSegmentLength", "4096"}, KeyValue{"HeaderDigest", "CRC32C"},
                                 KeyValue{"ImmediateData", "No"}, KeyValue{"InitialR2T", "No"}}) {
        REQUIRE(negotiation.take(pair, key_stage::operational, SessionType::normal, answer));
    }
    const Parameters agreed = negotiation.parameters();
    CHECK(agreed.max_burst_length == 1024);
    CHECK(agreed.first_burst_length == 1024); // never above MaxBurstLength (section 13.14)
    CHECK(agreed.initiator_max_recv_data_segment_length == 4096);
    CHECK(agreed.header_digest);
    CHECK_FALSE(agreed.data_digest);
    CHECK_FALSE(agreed.immediate_data);
    CHECK_FALSE(agreed.initial_r2t);
    CHECK(Negotiation().parameters().initial_r2t); // the default when nobody speaks of it
}

TEST_CASE("Negotiation: a key may come once, at its stage, from its side", "[iscsi][negotiation]") {
    const auto error_of = [](std::string_view key, std::uint8_t stage, int times) {
        Negotiation negotiation;
        TextWriter answer;
        Result<void, NegotiationError> taken;
        for (int i = 0; i < times; ++i) {
            taken = negotiation.take({key, "None"}, stage, SessionType::normal, answer);
        }
        return taken.error();
    };
    CHECK(error_of("HeaderDigest", key_stage::operational, 2) == NegotiationError::duplicate_key);
    CHECK(error_of("AuthMethod", key_stage::operational, 1) == NegotiationError::not_at_this_stage);
    CHECK(error_of("SendTargets", key_stage::operational, 1) == NegotiationError::not_at_this_stage);
    CHECK(error_of("TargetPortalGroupTag", key_stage::operational, 1) == NegotiationError::target_only_key);
}

TEST_CASE("Negotiation: in full feature phase only what may change does", "[iscsi][negotiation]") {
    Negotiation negotiation;
    TextWriter answer;
    REQUIRE(negotiation.take({"MaxRecvDataSegmentLength", "512"}, key_stage::full_feature, SessionType::normal, answer));
    REQUIRE(negotiation.take({"MaxBurstLength", "512"}, key_stage::full_feature, SessionType::normal, answer));
    CHECK(negotiation.parameters().initiator_max_recv_data_segment_length == 512);
    CHECK(negotiation.parameters().max_burst_length == 262144);
    CHECK(answer.text() == std::string("MaxBurstLength=Reject\0", 22));
}
