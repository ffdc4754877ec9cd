#include "initiator.hpp"

#include "core/crc32c.hpp"
#include "core/checked.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rootstock::bench {
namespace {

using namespace iscsi;

constexpr std::uint32_t block_size = 512;
constexpr std::size_t input_size = 512 * 1024;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "bench_load: %s\n", what);
    std::exit(1);
}

void require(bool holds, const char* what) {
    if (!holds) {
        fail(what);
    }
}

} // namespace

Initiator::Initiator(const Portal& portal, const Workload& workload, unsigned number)
    : portal_(portal), workload_(workload), number_(number), random_(number), payload_(workload.block_bytes), started_(workload.queue) {
    random_.fill(payload_);
    payload_digest_ = workload.data_digest ? crc32c(payload_) : 0;
    position_ = std::uint64_t{number} * 7919 * workload.block_bytes % workload.span_bytes;
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(portal.port);
    require(::inet_pton(AF_INET, portal.address.c_str(), &address.sin_addr) == 1, "bad address");
    require(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "cannot connect");
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Initiator::~Initiator() { ::close(socket_); }

void Initiator::send_blocking(Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        require(sent > 0, "the connection broke");
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
}

BasicHeader Initiator::receive_blocking(ByteVector& data) {
    const auto exactly = [&](MutableBytes out) {
        require(out.empty() || ::recv(socket_, out.data(), out.size(), MSG_WAITALL) == static_cast<ssize_t>(out.size()), "the server hung up");
    };
    std::array<std::uint8_t, bhs_size> bytes{};
    exactly(bytes);
    const auto header = from_bytes<BasicHeader>(bytes);
    data.resize(round_up<std::size_t>(header.data_segment_length.value(), 4));
    exactly(data);
    return header;
}

void Initiator::send_login() {
    std::string keys;
    const auto key = [&](std::string_view text) { keys.append(text).push_back('\0'); };
    key("InitiatorName=iqn.2026-01.net.rootstock.bench:" + std::to_string(::getpid()) + "." + std::to_string(number_)); // loads run side by side
    key("TargetName=" + portal_.target);
    for (const std::string_view text : {"SessionType=Normal", "HeaderDigest=None", "InitialR2T=No", "ImmediateData=Yes",
                                        "MaxRecvDataSegmentLength=262144", "MaxBurstLength=1048576", "FirstBurstLength=65536"}) {
        key(text);
    }
    key(workload_.data_digest ? "DataDigest=CRC32C" : "DataDigest=None");
    auto login = make_header<LoginRequestHeader>(Opcode::login_request);
    login.opcode_byte |= immediate_bit;
    login.flags = 0x87; // transit, operational to full feature
    login.isid = {0x80, 0, 0, 0, static_cast<std::uint8_t>(number_ >> 8U), static_cast<std::uint8_t>(number_)};
    login.cmd_sn = cmd_sn_;
    login.data_segment_length = static_cast<std::uint32_t>(keys.size());
    ByteVector pdu;
    ByteWriter out(pdu);
    out.write(login);
    out.append(keys);
    out.fill(round_up<std::size_t>(pdu.size(), 4) - pdu.size());
    send_blocking(pdu);
}

void Initiator::finish_login() {
    ByteVector keys;
    const auto response = header_as<LoginResponseHeader>(receive_blocking(keys));
    require(response.status_class == 0, "the login was refused");
    require((response.flags & 0x87) == 0x87, "the login wants more steps");
    require(!workload_.data_digest || as_text(keys).find("DataDigest=CRC32C") != std::string_view::npos, "the server has no data digests");
    exp_stat_sn_ = response.stat_sn.value() + 1;
    max_cmd_sn_ = response.max_cmd_sn.value();
}

void Initiator::test_unit_ready() {
    for (int attempt = 0; attempt < 5; ++attempt) {
        auto command = make_header<ScsiCommandHeader>(Opcode::scsi_command);
        command.lun[1] = portal_.lun;
        command.cmd_sn = cmd_sn_++;
        command.exp_stat_sn = exp_stat_sn_;
        send_blocking(object_bytes(std::as_const(command)));
        ByteVector sense;
        const auto response = header_as<ScsiResponseHeader>(receive_blocking(sense));
        exp_stat_sn_ = response.stat_sn.value() + 1;
        max_cmd_sn_ = response.max_cmd_sn.value();
        require(response.data_segment_length.value() == 0 || !workload_.data_digest ||
                    ::recv(socket_, sense.data(), 4, MSG_WAITALL) == 4,
                "the server hung up");
        if (response.status == 0) {
            return;
        }
    }
    fail("the unit is not ready");
}

void Initiator::start() {
    require(::fcntl(socket_, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    input_.resize(input_size);
    for (std::uint32_t slot = 0; slot < workload_.queue; ++slot) {
        issue(slot);
    }
    flush();
}

std::uint32_t Initiator::next_lba() {
    const std::uint64_t places = workload_.span_bytes / workload_.block_bytes;
    if (workload_.sequential) {
        position_ = (position_ + workload_.block_bytes) % (places * workload_.block_bytes);
        return static_cast<std::uint32_t>(position_ / block_size);
    }
    return static_cast<std::uint32_t>(random_.u64() % places * workload_.block_bytes / block_size);
}

void Initiator::issue(std::uint32_t slot) {
    if (static_cast<std::int32_t>(max_cmd_sn_ - cmd_sn_) < 0) {
        held_back_.push_back(slot);
        return;
    }
    auto command = make_header<ScsiCommandHeader>(Opcode::scsi_command);
    command.flags = static_cast<std::uint8_t>(final_bit | (workload_.write ? ScsiCommandHeader::write_bit : ScsiCommandHeader::read_bit));
    command.lun[1] = portal_.lun;
    command.initiator_task_tag = slot;
    command.expected_data_transfer_length = workload_.block_bytes;
    command.cmd_sn = cmd_sn_++;
    command.exp_stat_sn = exp_stat_sn_;
    command.cdb[0] = workload_.write ? 0x2a : 0x28;
    const be32 lba(next_lba());
    const be16 count(static_cast<std::uint16_t>(workload_.block_bytes / block_size));
    std::memcpy(command.cdb.data() + 2, &lba, sizeof lba);
    std::memcpy(command.cdb.data() + 7, &count, sizeof count);
    ByteWriter out(output_);
    if (workload_.write) {
        command.data_segment_length = workload_.block_bytes;
    }
    out.write(command);
    if (workload_.write) {
        out.append(payload_);
        if (workload_.data_digest) {
            out.write(le32(payload_digest_));
        }
    }
    started_[slot] = std::chrono::steady_clock::now();
}

void Initiator::issue_held_back() {
    for (const std::uint32_t slot : std::exchange(held_back_, {})) {
        issue(slot);
    }
}

void Initiator::flush() {
    while (wants_to_write()) {
        const ssize_t sent = ::send(socket_, output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            return;
        }
        require(sent > 0, "the connection broke");
        sent_ += static_cast<std::size_t>(sent);
    }
    output_.clear();
    sent_ = 0;
}

void Initiator::on_ready() {
    const ssize_t received = ::recv(socket_, input_.data() + filled_, input_.size() - filled_, 0);
    if (received < 0 && errno == EAGAIN) {
        flush();
        return;
    }
    require(received > 0, "the server hung up");
    take(Bytes(input_).first(filled_ + static_cast<std::size_t>(received)));
    flush();
}

void Initiator::take(Bytes input) {
    while (!input.empty()) {
        const std::size_t skipped = std::min(to_skip_, input.size());
        to_skip_ -= skipped;
        input = input.subspan(skipped);
        if (input.size() < bhs_size) {
            break;
        }
        const auto header = from_bytes<BasicHeader>(input);
        input = input.subspan(bhs_size);
        const std::size_t length = header.data_segment_length.value();
        to_skip_ = round_up<std::size_t>(length, 4) + (length != 0 && workload_.data_digest ? 4 : 0);
        take_header(header);
    }
    std::copy(input.begin(), input.end(), input_.begin());
    filled_ = input.size();
}

void Initiator::take_header(const BasicHeader& header) {
    switch (header.opcode()) {
    case Opcode::data_in: {
        const auto data = header_as<DataInHeader>(header);
        max_cmd_sn_ = data.max_cmd_sn.value();
        require(data.buffer_offset.value() + data.data_segment_length.value() <= workload_.block_bytes, "too much data");
        if ((data.flags & DataInHeader::status_bit) != 0) {
            require(data.buffer_offset.value() + data.data_segment_length.value() == workload_.block_bytes, "too little data");
            exp_stat_sn_ = data.stat_sn.value() + 1;
            complete(data.initiator_task_tag.value());
        }
        break;
    }
    case Opcode::scsi_response: {
        const auto response = header_as<ScsiResponseHeader>(header);
        require(response.status == 0 && response.response == 0, "a command failed");
        exp_stat_sn_ = response.stat_sn.value() + 1;
        max_cmd_sn_ = response.max_cmd_sn.value();
        complete(response.initiator_task_tag.value());
        break;
    }
    case Opcode::nop_in: break;
    default: fail("an unexpected PDU");
    }
}

void Initiator::complete(std::uint32_t slot) {
    require(slot < workload_.queue, "an unknown task tag");
    ++completed_;
    const auto elapsed = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - started_[slot]).count();
    latencies_.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(elapsed, 0xffffffff)));
    issue(slot);
    issue_held_back();
}

} // namespace rootstock::bench
