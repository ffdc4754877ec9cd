// A tiny SCSI transport for tests: one unit over memory, sessions that run a command to its end at once.
#pragma once

#include "block/memory_device.hpp"
#include "core/wire_int.hpp"
#include "scsi/logical_unit.hpp"

#include <string>

namespace rootstock::test {

struct CommandResult {
    scsi::Status status = scsi::Status::good;
    ByteVector data_in;
    ByteVector sense;

    [[nodiscard]] bool good() const { return status == scsi::Status::good; }
    /// Sense key, ASC and ASCQ as 0xKKAAQQ, of either format; 0 without sense.
    [[nodiscard]] std::uint32_t kcq() const {
        if (sense.size() < 8) {
            return 0;
        }
        const bool fixed = (sense[0] & 0x7fU) <= 0x71;
        const std::size_t key = fixed ? 2 : 1;
        const std::size_t asc = fixed ? 12 : 2;
        return (sense[key] & 0x0fU) << 16U | std::uint32_t{sense[asc]} << 8U | sense[asc + 1];
    }
};

/// Takes what a read delivers.
class CollectingSink final : public block::ReadSink {
  public:
    void mapped(Bytes bytes) override { data.insert(data.end(), bytes.begin(), bytes.end()); }
    MutableBytes buffer(std::size_t size) override {
        data.resize(data.size() + size);
        return MutableBytes(data).last(size);
    }
    void zeros(std::size_t size) override { data.resize(data.size() + size); }
    ByteVector data;
};

/// Runs `command` as a transport would: parameter data when asked for, medium I/O on the spot.
inline CommandResult run_command(scsi::LogicalUnit& unit, scsi::Nexus& nexus, Bytes cdb, Bytes data_out = {}) {
    const scsi::Command command{cdb, 0, static_cast<std::uint32_t>(data_out.size())};
    scsi::Step step = unit.execute(nexus, command);
    if (const auto* need = std::get_if<scsi::NeedDataOut>(&step)) {
        step = unit.execute_with_data(nexus, command, data_out.first(std::min<std::size_t>(need->length, data_out.size())));
    }
    ByteVector medium;
    if (auto* io = std::get_if<scsi::BlockIo>(&step)) {
        scsi::IoResult result;
        if (io->op == scsi::BlockIo::Op::read) {
            CollectingSink sink;
            const block::TryRead done = unit.device().try_read(io->offset, io->length, true, sink);
            if (done.status == block::TryStatus::failed) {
                result.error = done.error;
            }
            medium = std::move(sink.data);
        } else if (io->op == scsi::BlockIo::Op::write) {
            const Result<void, block::IoError> done =
                unit.device().write(io->offset, data_out.first(std::min<std::size_t>(io->length, data_out.size())), io->fua);
            if (!done) {
                result.error = done.error();
            }
        } else {
            result = unit.perform(*io);
        }
        step = unit.complete(nexus, command, *io, result);
    }
    auto& response = std::get<scsi::Response>(step);
    if (response.status == scsi::Status::good && !medium.empty()) {
        response.data_in = std::move(medium);
    }
    return {response.status, std::move(response.data_in), std::move(response.sense)};
}

/// One initiator's session with a unit.
class ScsiSession {
  public:
    ScsiSession(std::shared_ptr<scsi::LogicalUnit> unit, std::string_view initiator_port, std::uint16_t target_port = 1, bool power_on = false)
        : unit_(std::move(unit)), nexus_(unit_->attach(initiator_port, target_port, {0}, power_on)) {}

    CommandResult run(const ByteVector& cdb, Bytes data_out = {}) {
        ByteVector padded = cdb;
        padded.resize(std::max<std::size_t>(16, cdb.size()));
        return run_command(*unit_, *nexus_, padded, data_out);
    }
    [[nodiscard]] scsi::Nexus& nexus() { return *nexus_; }
    [[nodiscard]] scsi::LogicalUnit& unit() { return *unit_; }

  private:
    std::shared_ptr<scsi::LogicalUnit> unit_;
    std::shared_ptr<scsi::Nexus> nexus_;
};

/// A 512e thin volume in memory.
inline block::Geometry test_geometry(std::uint64_t size_bytes = 16ULL << 20U, std::uint32_t block_size = 512) {
    block::Geometry geometry;
    geometry.size_bytes = size_bytes;
    geometry.logical_block_size = block_size;
    return geometry;
}

inline std::shared_ptr<scsi::LogicalUnit> make_test_unit(block::Geometry geometry = test_geometry()) {
    return scsi::make_disk_unit(std::make_shared<block::MemoryDevice>(geometry), scsi::identity_from_name("test"));
}

/// A CDB from an operation code and (offset, big-endian value) fields.
class CdbBuilder {
  public:
    explicit CdbBuilder(std::uint8_t opcode) : bytes_(16) { bytes_[0] = opcode; }
    CdbBuilder& byte(std::size_t offset, unsigned value) {
        bytes_[offset] = static_cast<std::uint8_t>(value);
        return *this;
    }
    CdbBuilder& u16(std::size_t offset, unsigned value) { return put(offset, be16(static_cast<std::uint16_t>(value))); }
    CdbBuilder& u32(std::size_t offset, std::uint32_t value) { return put(offset, be32(value)); }
    CdbBuilder& u64(std::size_t offset, std::uint64_t value) { return put(offset, be64(value)); }
    operator ByteVector() const { return bytes_; } // NOLINT: reads better in a table of tests

  private:
    template <class T> CdbBuilder& put(std::size_t offset, const T& value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
        return *this;
    }
    ByteVector bytes_;
};

} // namespace rootstock::test
