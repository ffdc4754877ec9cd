// Mutated bytes for every decoder of the folder and for the whole connection. Nothing may crash, hang, or grow beyond its bounds.
#include "core/text.hpp"
#include "support/catch.hpp"
#include "support/fuzz.hpp"
#include "support/golden.hpp"
#include "support/iscsi_host.hpp"

using namespace rootstock;
using namespace rootstock::iscsi;
using test::Corpus;
using test::golden;
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

/// A login as it was captured (the captures hold its data segment), then the commands that followed it.
ByteVector captured(LoginRequestHeader header, std::initializer_list<const char*> logins, const char* commands) {
    ByteVector bytes;
    header.cmd_sn = 0;
    for (const char* const login : logins) {
        append(bytes, test::wire(header, golden(login)));
        header.flags = 0x87; // the second one is the operational stage
    }
    if (commands != nullptr) {
        append(bytes, golden(commands));
    }
    return bytes;
}

/// What real initiators have said.
Corpus captures() {
    return {captured(test::login_header(Stage::security, Stage::operational),
                     {"iscsi/ipxe-bios-login-security.hex", "iscsi/ipxe-bios-login-operational.hex"}, "iscsi/ipxe-bios-commands.hex"),
            captured(test::login_header(Stage::operational, Stage::full_feature), {"iscsi/linux-iscsistart-login.hex"},
                     "iscsi/linux-probe-commands.hex"),
            captured(test::login_header(Stage::operational, Stage::full_feature), {"iscsi/open-iscsi-login.hex"}, nullptr)};
}

/// The target that the captures speak of.
void add_captured_target(IscsiHost& host) {
    test::FixedTargets::Target target;
    target.units.push_back({1, scsi::make_disk_unit(host.device, scsi::identity_from_name("pc00"))});
    host.targets.add("iqn.2024-01.lab.e2e:pc00", std::move(target));
}

/// What a reader makes of `input`, received in pieces of at most `piece` bytes.
std::string pdus_of(Bytes input, std::size_t piece, bool digests) {
    BufferPool pool;
    PduReader reader(pool, limits::receive_buffer_login, limits::login_data_segment);
    reader.enter_full_feature(limits::receive_buffer_login, limits::login_data_segment, digests, digests);
    ByteVector destination;
    std::string told;
    while (!input.empty()) {
        std::size_t taken = 0;
        for (const MutableBytes window : reader.rx_windows()) {
            const std::size_t size = std::min({window.size(), input.size() - taken, piece - taken});
            std::copy_n(input.begin() + static_cast<std::ptrdiff_t>(taken), size, window.begin());
            taken += size;
        }
        REQUIRE(taken > 0);
        reader.rx_commit(taken);
        input = input.subspan(taken);
        for (auto next = reader.next(); next != PduReader::Next::nothing; next = reader.next()) {
            if (next == PduReader::Next::error) {
                return told + "error " + std::to_string(static_cast<int>(reader.error()));
            }
            if (next == PduReader::Next::wants_destination) {
                destination.resize(reader.pdu().header.data_segment_length);
                reader.set_destination(destination);
                continue;
            }
            const Pdu& pdu = reader.pdu();
            told += hex(object_bytes(pdu.header)) + hex(pdu.ahs) + hex(pdu.data) + "\n";
        }
        reader.release_if_empty();
    }
    return told;
}

} // namespace

TEST_CASE("fuzz: the reader makes the same of the same bytes, however they come", "[fuzz][iscsi]") {
    Corpus corpus = captures();
    ByteVector with_digests;
    IscsiHost host; // only builds PDUs
    append(with_digests, test::wire(host.write10(0, 8, 4096), ByteVector(1021, 1), true, true));
    append(with_digests, test::wire(test::ping(7), ByteVector(8000, 2), true, true));
    append(with_digests, test::wire(host.read10(0, 8, 4096), {}, true, true));
    corpus.push_back(std::move(with_digests));
    std::uint32_t round = 0;
    test::fuzz(corpus, 3'000, [&](Bytes input) {
        const bool digests = ++round % 2 == 0;
        const std::string whole = pdus_of(input, ~std::size_t{0}, digests);
        REQUIRE(pdus_of(input, 1 + round % 700, digests) == whole);
    });
}

TEST_CASE("fuzz: what real initiators sent, to a target that knows them", "[fuzz][iscsi]") {
    for (const ByteVector& whole : captures()) { // else the rest would fuzz a refusal
        IscsiHost host;
        add_captured_target(host);
        host.feed(whole);
        REQUIRE(host.connection->phase() == Connection::Phase::full_feature);
    }
    std::uint32_t round = 0;
    test::fuzz(captures(), 4'000, [&](Bytes input) {
        IscsiHost host;
        add_captured_target(host);
        host.feed(input, round++ % 3 == 0 ? 100 : ~std::size_t{0});
        REQUIRE(host.connection->output().queued_bytes() <= limits::output_bytes + limits::answered_bytes);
    });
}

TEST_CASE("fuzz: a login that must prove itself", "[fuzz][iscsi]") {
    const auto request = [](std::initializer_list<std::string> keys, bool names) {
        const std::string text = names ? test::named_text(keys) : test::key_text(keys);
        return test::wire(test::login_header(Stage::security, Stage::operational, false), as_bytes(text));
    };
    ByteVector chap = request({"AuthMethod=CHAP,None"}, true);
    append(chap, request({"CHAP_A=7,5"}, false));
    append(chap, request({"CHAP_N=pc01", "CHAP_R=0x00112233445566778899aabbccddeeff", "CHAP_I=7", "CHAP_C=0bAAECAwQ="}, false));
    test::fuzz({chap}, 4'000, [](Bytes input) {
        IscsiHost host;
        test::FixedTargets::Target target;
        target.authentication = {true, "target", "othersecret567", {}};
        target.secrets["pc01"] = "secret12secret34";
        host.targets.add(test::target_name, std::move(target));
        host.feed(input);
        REQUIRE(host.connection->phase() != Connection::Phase::full_feature); // nobody guesses the answer to the challenge
    });
}

TEST_CASE("fuzz: key=value text and its values", "[fuzz][iscsi]") {
    Corpus corpus{golden("iscsi/linux-iscsistart-login.hex"), golden("iscsi/ipxe-bios-login-security.hex"),
                  golden("iscsi/ipxe-bios-login-operational.hex"), golden("iscsi/open-iscsi-login.hex"),
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
