// Mutated bytes for every decoder of the folder and for the whole connection. Nothing may crash, hang, or grow beyond its bounds.
#include "support/catch.hpp"
#include "support/fuzz.hpp"
#include "support/golden.hpp"
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using test::Corpus;
using test::IscsiHost;

namespace {

ByteVector bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

void append(ByteVector& to, const ByteVector& more) { to.insert(to.end(), more.begin(), more.end()); }

ByteVector whole_login() {
    const std::string text = test::named_text({"ImmediateData=Yes", "InitialR2T=No"});
    return test::wire(test::login_header(Stage::operational, Stage::full_feature), as_bytes(text));
}

/// A login followed by one of everything.
ByteVector conversation() {
    IscsiHost host; // only builds PDUs
    ByteVector bytes = whole_login();
    append(bytes, test::wire(host.command({0x00}, 0, 0)));
    append(bytes, test::wire(host.write10(0, 8, 4096), ByteVector(1024, 1)));
    auto solicited = make_header<DataOutHeader>(Opcode::data_out);
    solicited.initiator_task_tag = 11;
    solicited.target_transfer_tag = 1; // slot 0, burst 0, first R2T
    solicited.buffer_offset = 1024;
    append(bytes, test::wire(solicited, ByteVector(3072, 2)));
    append(bytes, test::wire(host.read10(0, 64, 32768)));
    append(bytes, test::wire(host.command({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 256, ScsiCommandHeader::read_bit)));
    for (const Opcode opcode : {Opcode::nop_out, Opcode::text_request, Opcode::task_management_request, Opcode::logout_request}) {
        auto header = make_header<NopOutHeader>(opcode);
        header.opcode_byte |= immediate_bit;
        header.initiator_task_tag = 77;
        header.target_transfer_tag = reserved_tag;
        append(bytes, test::wire(header, opcode == Opcode::text_request ? bytes_of(test::key_text({"SendTargets="})) : ByteVector{}));
    }
    return bytes;
}

} // namespace

TEST_CASE("fuzz: key=value text and its values", "[fuzz][iscsi]") {
    Corpus corpus{test::golden("iscsi/linux-iscsistart-login.hex"), test::golden("iscsi/ipxe-bios-login-security.hex"),
                  bytes_of(test::key_text({"CHAP_N=a", "CHAP_R=0x0123456789abcdef", "CHAP_C=0bAAECAwQ="}))};
    test::fuzz(corpus, 20'000, [](Bytes input) {
        const auto pairs = parse_text(as_text(input));
        if (!pairs) {
            return;
        }
        Negotiation negotiation;
        TextWriter answer;
        for (const KeyValue& pair : *pairs) {
            static_cast<void>(parse_binary(pair.value, 1024));
            static_cast<void>(normalise_name(pair.value));
            static_cast<void>(negotiation.take(pair, key_stage::operational, SessionType::normal, answer));
        }
    });
}

TEST_CASE("fuzz: a connection from its first byte", "[fuzz][iscsi]") {
    Corpus corpus{conversation(), whole_login()};
    std::uint32_t round = 0;
    test::fuzz(corpus, 4'000, [&](Bytes input) {
        IscsiHost host;
        host.feed(input, round++ % 3 == 0 ? 100 : ~std::size_t{0});
        host.take();
    });
}

TEST_CASE("fuzz: a session in full feature phase, with and without digests", "[fuzz][iscsi]") {
    const ByteVector all = conversation();
    const std::size_t login = whole_login().size();
    Corpus corpus{ByteVector(all.begin() + static_cast<std::ptrdiff_t>(login), all.end())};
    std::uint32_t round = 0;
    test::fuzz(corpus, 4'000, [&](Bytes input) {
        IscsiHost host;
        host.login({"ImmediateData=Yes", "InitialR2T=No", round % 4 == 3 ? "DataDigest=CRC32C" : "DataDigest=None"});
        host.feed(input, round++ % 3 == 0 ? 64 : ~std::size_t{0});
        REQUIRE(host.connection->output().queued_bytes() <= limits::output_bytes + limits::answered_bytes);
    });
}
