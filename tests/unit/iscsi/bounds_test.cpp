// Every bound of limits.hpp that a peer could try to exceed: what is still served, and what one more gets. Those of the edge (connections,
// times) are in service_test.cpp, those of text in text_test.cpp.
#include "support/catch.hpp"
#include "support/iscsi_host.hpp"
#include "support/stub_device.hpp"

#include <algorithm>
#include <map>

using namespace rootstock;
using namespace rootstock::iscsi;
using test::IscsiHost;
using test::login_status;
using test::reject_reason;
using test::ping;
using test::login_header;
using test::named_text;
using test::SentPdu;
using test::StubDevice;
using Phase = Connection::Phase;

namespace {

LoginStatus login_with(const std::string& text) {
    IscsiHost host;
    return login_status(host.exchange(login_header(Stage::operational, Stage::full_feature), as_bytes(text)));
}

/// `text` filled with empty pairs to exactly `size` bytes.
std::string padded(std::string text, std::size_t size) {
    text.resize(size);
    return text;
}

} // namespace

TEST_CASE("Bounds: the data segment of a login", "[iscsi][bounds]") {
    CHECK(login_with(padded(named_text(), limits::login_data_segment)) == LoginStatus::success);
    IscsiHost host;
    const std::string text = padded(named_text(), limits::login_data_segment + 1);
    CHECK(host.exchange(login_header(Stage::operational, Stage::full_feature), as_bytes(text)).empty());
    CHECK(host.connection->phase() == Phase::over);
    const auto event = host.connection->poll_event();
    REQUIRE(event);
    CHECK(event->reason == "a data segment is longer than MaxRecvDataSegmentLength");
}

TEST_CASE("Bounds: the text of a login over its continuations", "[iscsi][bounds]") {
    for (const bool one_more : {false, true}) {
        IscsiHost host;
        const std::string text = padded(named_text(), limits::login_text + (one_more ? 1 : 0));
        auto part = login_header(Stage::operational, Stage::security, false);
        part.flags = static_cast<std::uint8_t>(part.flags | continue_bit);
        Bytes rest = as_bytes(text);
        while (rest.size() > limits::login_data_segment) {
            REQUIRE(login_status(host.exchange(part, rest.first(limits::login_data_segment))) == LoginStatus::success);
            rest = rest.subspan(limits::login_data_segment);
        }
        const auto answer = host.exchange(login_header(Stage::operational, Stage::full_feature), rest);
        CHECK(login_status(answer) == (one_more ? LoginStatus::initiator_error : LoginStatus::success));
    }
}

TEST_CASE("Bounds: requests until full feature phase", "[iscsi][bounds]") {
    for (const unsigned before : {limits::login_requests - 1, limits::login_requests}) {
        IscsiHost host;
        const std::string names = named_text();
        REQUIRE(login_status(host.exchange(login_header(Stage::operational, Stage::security, false), as_bytes(names))) == LoginStatus::success);
        for (unsigned sent = 1; sent < before; ++sent) {
            REQUIRE(login_status(host.exchange(login_header(Stage::operational, Stage::security, false))) == LoginStatus::success);
        }
        const auto last = host.exchange(login_header(Stage::operational, Stage::full_feature));
        CHECK(login_status(last) == (before < limits::login_requests ? LoginStatus::success : LoginStatus::initiator_error));
    }
}

TEST_CASE("Bounds: names, keys and values of a login", "[iscsi][bounds]") {
    const auto initiator = [](std::size_t size) {
        const std::string name = "iqn.2026-01.test:" + std::string(size - 17, 'x');
        return test::key_text({"InitiatorName=" + name, "TargetName=" + test::target_name});
    };
    CHECK(login_with(initiator(limits::iscsi_name)) == LoginStatus::success);
    CHECK(login_with(initiator(limits::iscsi_name + 1)) == LoginStatus::initiator_error);
    CHECK(login_with(named_text({std::string(limits::key_name, 'k') + "=1"})) == LoginStatus::success);
    CHECK(login_with(named_text({std::string(limits::key_name + 1, 'k') + "=1"})) == LoginStatus::initiator_error);
    std::string many = named_text(); // three pairs
    for (std::size_t i = 3; i < limits::keys_per_request; ++i) {
        many += test::key_text({"X-k=v"});
    }
    CHECK(login_with(many) == LoginStatus::success);
    CHECK(login_with(many + test::key_text({"X-k=v"})) == LoginStatus::initiator_error);
}

TEST_CASE("Bounds: an answer to a login beyond the initiator's data segment leaves in parts (section 6.2)", "[iscsi][bounds]") {
    IscsiHost host;
    std::string unknown = named_text(); // "NotUnderstood" is longer than what it answers
    for (std::size_t i = 3; i < limits::keys_per_request; ++i) {
        unknown += test::key_text({"X-" + std::string(50, 'k') + "=1"});
    }
    REQUIRE(unknown.size() <= limits::login_data_segment);
    const auto first = host.exchange(login_header(Stage::operational, Stage::full_feature), as_bytes(unknown));
    REQUIRE(login_status(first) == LoginStatus::success);
    CHECK(first[0].data.size() == limits::login_data_segment);
    CHECK((first[0].header.flags & (final_bit | continue_bit)) == continue_bit);

    SECTION("an empty request fetches the rest; it may want the next stage or not yet") {
        const auto rest = host.exchange(login_header(Stage::operational, Stage::full_feature, false));
        REQUIRE(login_status(rest) == LoginStatus::success);
        CHECK((rest[0].header.flags & (final_bit | continue_bit)) == 0);
        const auto last = host.exchange(login_header(Stage::operational, Stage::full_feature));
        REQUIRE(login_status(last) == LoginStatus::success);
        CHECK((last[0].header.flags & (final_bit | continue_bit)) == final_bit);
        CHECK(last[0].data.empty());
        const std::string whole = first[0].text() + rest[0].text();
        const auto pairs = parse_text(whole);
        REQUIRE(pairs);
        const auto unknown_keys = std::count_if(pairs->begin(), pairs->end(), [](const KeyValue& pair) { return pair.value == "NotUnderstood"; });
        CHECK(static_cast<std::size_t>(unknown_keys) == limits::keys_per_request - 3);
        CHECK(host.exchange(ping(7))[0].opcode() == Opcode::nop_in);
    }
    SECTION("text before the answer was whole is an error") {
        const std::string more = test::key_text({"X-more=1"});
        CHECK(login_status(host.exchange(login_header(Stage::operational, Stage::full_feature), as_bytes(more))) == LoginStatus::initiator_error);
    }
}

TEST_CASE("Bounds: one session more than there are TSIHs", "[iscsi][bounds]") {
    IscsiHost host;
    LoginRequest other;
    for (unsigned i = 0; i < 0xffff; ++i) {
        other.initiator_name = "iqn.i:" + std::to_string(i);
        static_cast<void>(host.registry.admit(other, std::make_shared<SessionCounters>(), {}, [](EndReason) {}, [] {}));
    }
    CHECK(login_status(host.login()) == LoginStatus::out_of_resources);
    const auto event = host.connection->poll_event();
    REQUIRE(event);
    CHECK(event->reason == "no TSIH is free: too many sessions");
    host.registry.remove(4711);
    host.connect();
    CHECK(login_status(host.login()) == LoginStatus::success);
}

TEST_CASE("Bounds: a PDU's data segment in full feature phase", "[iscsi][bounds]") {
    IscsiHost host;
    host.login({"MaxRecvDataSegmentLength=65536"});
    const ByteVector largest(limits::max_recv_data_segment_length);
    CHECK(host.exchange(ping(7), largest)[0].opcode() == Opcode::nop_in);
    host.feed(test::wire(ping(8), ByteVector(limits::max_recv_data_segment_length + 1)));
    CHECK(reject_reason(host.take()) == RejectReason::protocol_error);
    CHECK(host.connection->phase() == Phase::over);
    CHECK(host.connection->poll_rejected());
}

TEST_CASE("Bounds: additional header segments are at most 1020 bytes, and must be well formed", "[iscsi][bounds]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    const auto with_ahs = [&](const ByteVector& ahs) {
        ByteVector bytes = test::wire(host.command({0x7f}, 0, 0));
        bytes[4] = static_cast<std::uint8_t>(ahs.size() / 4);
        bytes.insert(bytes.end(), ahs.begin(), ahs.end());
        host.feed(bytes);
        return host.take();
    };
    ByteVector longest(1020);
    longest[0] = (1020 - 3) >> 8U;
    longest[1] = (1020 - 3) & 255;
    longest[2] = 1; // extended CDB
    const auto pdus = with_ahs(longest);
    REQUIRE(pdus.size() == 1);
    CHECK(pdus[0].opcode() == Opcode::scsi_response);
    CHECK(pdus[0].as<ScsiResponseHeader>().status == 2);
    longest[1] = 255; // more than there is
    CHECK(reject_reason(with_ahs(longest)) == RejectReason::invalid_pdu_field);
    CHECK(reject_reason(with_ahs(ByteVector(4))) == RejectReason::invalid_pdu_field); // a segment of no length
}

TEST_CASE("Bounds: buffers are as large as they are said to be, and an idle connection holds none", "[iscsi][bounds]") {
    IscsiHost host;
    CHECK(host.connection->rx_windows()[0].size() == limits::receive_buffer_login);
    host.login();
    host.clear_unit_attention();
    const auto windows = host.connection->rx_windows();
    CHECK(windows[0].size() == limits::receive_buffer);
    host.connection->rx_commit(host.clock.now(), 0);
    PooledBuffer marked = host.pool.acquire(limits::receive_buffer); // the pool's last one
    const auto* const address = marked.bytes().data();
    marked.release();
    CHECK(host.connection->rx_windows()[0].data() == address); // taken only now
}

TEST_CASE("Bounds: what a ping brings back", "[iscsi][bounds]") {
    IscsiHost host;
    host.login({"MaxRecvDataSegmentLength=262144"});
    const ByteVector data(limits::ping_data + 4, 0x33);
    CHECK(host.exchange(ping(7), Bytes(data).first(limits::ping_data))[0].data.size() == limits::ping_data);
    CHECK(host.exchange(ping(8), data)[0].data.size() == limits::ping_data);
    IscsiHost small;
    small.login({"MaxRecvDataSegmentLength=512"});
    CHECK(small.exchange(ping(9), Bytes(data).first(4096))[0].data.size() == 512);
}

TEST_CASE("Bounds: task management functions that wait", "[iscsi][bounds]") {
    IscsiHost host;
    host.login();
    host.clear_unit_attention();
    host.hold_jobs = true;
    host.exchange(host.command({0x35}, 0, 0)); // a flush that does not end
    for (std::size_t i = 0; i <= limits::pending_management; ++i) {
        auto header = make_header<TaskManagementRequestHeader>(Opcode::task_management_request);
        header.opcode_byte |= immediate_bit;
        header.flags = 0x85; // LOGICAL UNIT RESET
        header.initiator_task_tag = 1000 + static_cast<std::uint32_t>(i);
        header.cmd_sn = host.next_cmd_sn;
        const auto pdus = host.exchange(header);
        if (i == limits::pending_management) {
            REQUIRE(pdus.size() == 1);
            CHECK(pdus[0].as<TaskManagementResponseHeader>().response == 255); // rejected
        } else {
            CHECK(pdus.empty());
        }
    }
    host.release_jobs();
    CHECK(host.take().size() == limits::pending_management);
}

TEST_CASE("Bounds: reads into buffers of the session's own", "[iscsi][bounds]") {
    auto device = std::make_shared<StubDevice>(16 << 20, StubDevice::Reads::miss_private);
    IscsiHost host(device);
    host.login();
    host.clear_unit_attention();
    host.hold_jobs = true;
    const std::uint32_t size = limits::read_burst;
    for (unsigned i = 0; i < 64; ++i) {
        host.feed(test::wire(host.read10(i * size / 512, size / 512, size)));
    }
    CHECK(host.jobs_held() == limits::private_read_bytes / limits::read_burst);
    host.release_jobs();
    std::map<std::uint32_t, ByteVector> read;
    for (const SentPdu& pdu : host.take()) {
        ByteVector& data = read[pdu.header.initiator_task_tag];
        data.insert(data.end(), pdu.data.begin(), pdu.data.end());
    }
    REQUIRE(read.size() == 64); // all the same, in turn
    std::size_t offset = 0;
    for (const auto& [tag, data] : read) {
        CHECK(std::ranges::equal(data, device->content().subspan(offset, size)));
        offset += size;
    }
}

TEST_CASE("Bounds: loads of a chunk that does not stay, before it is read privately", "[iscsi][bounds]") {
    auto device = std::make_shared<StubDevice>(1 << 20, StubDevice::Reads::miss_shared);
    IscsiHost host(device);
    host.login();
    host.clear_unit_attention();
    const auto pdus = host.exchange(host.read10(0, 8, 4096));
    REQUIRE(pdus.size() == 1);
    CHECK(std::ranges::equal(pdus[0].data, device->content().first(4096)));
    CHECK(device->loads() == limits::load_attempts);
}

TEST_CASE("Bounds: unsolicited data of a whole window, and no command beyond it", "[iscsi][bounds]") {
    IscsiHost host;
    host.login({"InitialR2T=No", "ImmediateData=Yes"});
    host.clear_unit_attention();
    std::vector<ScsiCommandHeader> commands;
    for (unsigned i = 0; i <= limits::command_window; ++i) {
        auto command = host.write10(i, 2, 1024);
        command.flags &= 0x7f; // the second half is yet to come
        CHECK(host.exchange(command, ByteVector(512, 1)).empty());
        commands.push_back(command);
    }
    std::size_t done = 0;
    for (const ScsiCommandHeader& command : commands) {
        auto header = make_header<DataOutHeader>(Opcode::data_out);
        header.initiator_task_tag = command.initiator_task_tag;
        header.target_transfer_tag = reserved_tag;
        header.buffer_offset = 512;
        for (const SentPdu& pdu : host.exchange(header, ByteVector(512, 2))) {
            CHECK(pdu.as<ScsiResponseHeader>().status == 0);
            ++done;
        }
    }
    CHECK(done == limits::command_window); // the last command lay outside of the window: ignored, and so are its data
}

TEST_CASE("Bounds: commands that come before their turn, one for each place of the window", "[iscsi][bounds]") {
    IscsiHost host;
    host.login();
    for (std::uint32_t ahead = limits::command_window; ahead > 0; --ahead) {
        auto header = ping(ahead);
        header.opcode_byte = 0;
        header.cmd_sn = 100 + ahead;
        CHECK(host.exchange(header).empty());
        CHECK(host.exchange(header).empty()); // twice is once
    }
    auto first = ping(500);
    first.opcode_byte = 0;
    first.cmd_sn = 100;
    const auto pdus = host.exchange(first);
    CHECK(pdus.size() == limits::command_window); // number 100 + window lay outside
}

TEST_CASE("Bounds: an initiator that only asks and never reads", "[iscsi][bounds]") {
    IscsiHost host;
    host.login({"MaxRecvDataSegmentLength=262144"});
    host.send_output = false;
    const ByteVector flood = test::wire(ping(7), ByteVector(4096));
    std::size_t fed = 0;
    for (; fed < 4000 && host.connection->wants_input(); ++fed) {
        host.feed(flood);
    }
    CHECK(fed < 200);
    CHECK(host.connection->output().queued_bytes() >= limits::output_bytes);
    CHECK(host.connection->output().queued_bytes() <= limits::output_bytes + limits::answered_bytes);
    host.send_output = true;
    host.settle();
    CHECK(host.take().size() == fed);
    CHECK(host.connection->wants_input());
}

TEST_CASE("Bounds: one sendmsg, and one read's share of it", "[iscsi][bounds]") {
    IscsiHost host(std::make_shared<StubDevice>(8 << 20));
    host.login({"MaxRecvDataSegmentLength=512"});
    host.clear_unit_attention();
    host.send_output = false;
    ByteVector commands;
    for (unsigned i = 0; i < 3; ++i) {
        const ByteVector command = test::wire(host.read10(0, 2048, 1 << 20));
        commands.insert(commands.end(), command.begin(), command.end());
    }
    host.feed(commands);
    std::array<iovec, limits::gather_pieces> pieces{};
    CHECK(host.connection->output().gather(pieces, limits::output_bytes) == limits::gather_pieces); // header and data of 512 PDUs
    std::size_t bytes = 0;
    const std::size_t count = host.connection->output().gather(pieces, limits::gather_bytes);
    for (std::size_t i = 0; i < count; ++i) {
        bytes += pieces[i].iov_len;
    }
    CHECK(bytes <= limits::gather_bytes);
    CHECK(bytes + 2 * (bhs_size + 512) > std::min(limits::gather_bytes, limits::gather_pieces / 2 * (bhs_size + 512))); // and no less
    host.send_output = true;
    host.settle();
    const auto pdus = host.take();
    const std::size_t burst = limits::read_burst / 512;
    REQUIRE(pdus.size() == 3 * 2048);
    for (std::size_t turn = 1; turn < 3; ++turn) { // each in turn
        CHECK(pdus[turn * burst - 1].header.initiator_task_tag != pdus[turn * burst].header.initiator_task_tag);
    }
}

TEST_CASE("Bounds: the text of a request in full feature phase", "[iscsi][bounds]") {
    for (const bool one_more : {false, true}) {
        IscsiHost host;
        host.login();
        auto header = make_header<TextRequestHeader>(Opcode::text_request);
        header.opcode_byte |= immediate_bit;
        header.flags = continue_bit;
        header.initiator_task_tag = 5;
        header.target_transfer_tag = reserved_tag;
        const auto first = host.exchange(header, ByteVector(limits::login_text));
        REQUIRE(first.size() == 1);
        CHECK(first[0].opcode() == Opcode::text_response);
        header.flags = final_bit;
        header.target_transfer_tag = first[0].as<TextResponseHeader>().target_transfer_tag;
        const auto last = host.exchange(header, ByteVector(one_more ? 1 : 0));
        CHECK(reject_reason(last) == (one_more ? std::optional(RejectReason::protocol_error) : std::nullopt));
        CHECK(host.connection->phase() == Phase::full_feature);
    }
}
