// What real initiators sent, fed to a Connection. The captures hold the data segments of logins; their headers are the builder's.
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using test::golden;
using test::IscsiHost;
using test::login_header;

namespace {

void add_captured_target(IscsiHost& host) {
    test::FixedTargets::Target target;
    auto unit = scsi::make_disk_unit(host.device, scsi::identity_from_name("pc00"));
    target.units.push_back({0, unit});
    target.units.push_back({1, unit}); // the captured target had its disk there
    host.targets.add("iqn.2024-01.lab.e2e:pc00", std::move(target));
}

std::size_t run_commands(IscsiHost& host, const ByteVector& commands) {
    std::size_t answered = 0;
    for (std::size_t at = 0; at < commands.size(); at += bhs_size) {
        CAPTURE(at / bhs_size);
        host.feed(Bytes(commands).subspan(at, bhs_size));
        const auto pdus = host.take();
        REQUIRE(pdus.size() == 1);
        CHECK(pdus[0].header.initiator_task_tag == from_bytes<BasicHeader>(Bytes(commands).subspan(at)).initiator_task_tag);
        CHECK((pdus[0].opcode() == Opcode::scsi_response || pdus[0].opcode() == Opcode::data_in));
        ++answered;
    }
    return answered;
}

} // namespace

TEST_CASE("Golden: iPXE logs in by two stages and reads the capacity", "[iscsi][golden]") {
    IscsiHost host;
    add_captured_target(host);
    auto header = login_header(Stage::security, Stage::operational);
    header.isid = {0x40, 0x00, 0x27, 0x23, 0xae, 0xc2};
    header.cmd_sn = 0;
    const auto security = host.exchange(header, golden("iscsi/ipxe-bios-login-security.hex"));
    REQUIRE(security.size() == 1);
    CHECK(security[0].text() == test::key_text({"TargetPortalGroupTag=1", "AuthMethod=None"}));
    header.flags = 0x87;
    const auto operational = host.exchange(header, golden("iscsi/ipxe-bios-login-operational.hex"));
    REQUIRE(operational.size() == 1);
    CHECK(operational[0].as<LoginResponseHeader>().tsih != 0);
    CHECK(operational[0].text() ==
          test::key_text({"HeaderDigest=None", "DataDigest=None", "MaxConnections=1", "InitialR2T=Yes", "ImmediateData=No",
                          "MaxBurstLength=262144", "FirstBurstLength=65536", "DefaultTime2Wait=0", "DefaultTime2Retain=0",
                          "MaxOutstandingR2T=1", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes", "ErrorRecoveryLevel=0",
                          "MaxRecvDataSegmentLength=262144"}));
    CHECK(run_commands(host, golden("iscsi/ipxe-bios-commands.hex")) == 3);
}

TEST_CASE("Golden: Linux logs in by one request and probes the disk", "[iscsi][golden]") {
    IscsiHost host;
    add_captured_target(host);
    auto header = login_header(Stage::operational, Stage::full_feature);
    header.isid = {0x00, 0x02, 0x3d, 0x00, 0x00, 0x01};
    header.cmd_sn = 0;
    const auto answer = host.exchange(header, golden("iscsi/linux-iscsistart-login.hex"));
    REQUIRE(answer.size() == 1);
    const Parameters& agreed = host.connection->session().parameters;
    CHECK_FALSE(agreed.initial_r2t);
    CHECK(agreed.immediate_data);
    CHECK(agreed.max_burst_length == limits::max_burst_length);
    CHECK(agreed.initiator_max_recv_data_segment_length == 262144);
    CHECK(run_commands(host, golden("iscsi/linux-probe-commands.hex")) == 61);
}

TEST_CASE("Golden: iscsid's offer of digests is taken in its order", "[iscsi][golden]") {
    IscsiHost host;
    add_captured_target(host);
    REQUIRE(host.exchange(login_header(Stage::operational, Stage::full_feature), golden("iscsi/open-iscsi-login.hex")).size() == 1);
    CHECK(host.connection->phase() == Connection::Phase::full_feature);
    CHECK_FALSE(host.connection->session().parameters.header_digest);
}
