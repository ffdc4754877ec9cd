// EXTENDED COPY(LID1) and the RECEIVE COPY commands that belong to it (SPC-4 sections 5.17, 6.4, 6.22, 6.23 and 6.25). The copy manager is the
// unit itself: it copies within its own medium, and any other source or destination is not reachable.
#include "core/checked.hpp"
#include "core/wire_int.hpp"
#include "scsi/copy_list.hpp"
#include "scsi/device_server.hpp"
#include "scsi/handlers.hpp"
#include "scsi/inquiry.hpp"
#include "scsi/limits.hpp"

#include <algorithm>
#include <bit>

namespace rootstock::scsi::copy {
namespace {

/// Fields at fault, as offsets within their descriptors.
constexpr std::uint16_t cscd_device_type_offset = 1;
constexpr std::uint16_t cscd_block_length_offset = 29;
constexpr std::uint16_t source_offset = 4;
constexpr std::uint16_t destination_offset = 6;
constexpr std::uint16_t block_count_offset = 10;
constexpr std::uint16_t source_lba_offset = 12;
constexpr std::uint16_t destination_lba_offset = 20;

/// One of the names that VPD page 83 gives us; only the NAA designator fits a CSCD descriptor.
bool is_own_name(const CscdDescriptor& cscd, const Identity& identity) {
    constexpr std::uint8_t binary = 1;
    constexpr std::uint8_t naa_of_unit = 3;
    return cscd.code_set == binary && cscd.association_and_type == naa_of_unit && std::ranges::equal(cscd.designator, identity.naa);
}

/// Whether CSCD descriptor ID `id` means this unit. `field`: where the segment descriptor names it.
std::optional<Sense> check_cscd(const Context& c, const CopyList& list, std::size_t number, std::uint16_t id, std::size_t field) {
    if (id == own_cscd_id) {
        return std::nullopt;
    }
    if (id >= list.cscds.size()) {
        return copy_aborted(Asc::no_additional_information, number, static_cast<std::uint16_t>(field));
    }
    const CscdDescriptor& cscd = list.cscds[id];
    if (!is_own_name(cscd, c.unit.identity())) {
        return copy_aborted(Asc::copy_target_device_not_reachable, number, static_cast<std::uint16_t>(field));
    }
    if (cscd.device_type != static_cast<std::uint8_t>(Peripheral::disk)) {
        return copy_aborted(Asc::incorrect_copy_target_device_type, number, static_cast<std::uint16_t>(cscd.position + cscd_device_type_offset));
    }
    if (cscd.block_length != c.unit.block_size()) { // its LBAs would mean other places
        return copy_aborted(Asc::invalid_field_in_parameter_list, number, static_cast<std::uint16_t>(cscd.position + cscd_block_length_offset));
    }
    return std::nullopt;
}

Result<CopySegment, Sense> resolve(const Context& c, const CopyList& list, std::size_t number) {
    const CopySegmentDescriptor& segment = list.segments[number];
    const auto aborted = [&](Asc asc, std::uint16_t field) {
        return copy_aborted(asc, number, static_cast<std::uint16_t>(segment.position + field));
    };
    if (const auto bad = check_cscd(c, list, number, segment.source, segment.position + source_offset)) {
        return *bad;
    }
    if (const auto bad = check_cscd(c, list, number, segment.destination, segment.position + destination_offset)) {
        return *bad;
    }
    const std::uint64_t block_size = c.unit.block_size();
    if (segment.block_count * block_size > limits::copy_segment_bytes) {
        return aborted(Asc::invalid_field_in_parameter_list, block_count_offset);
    }
    if (!range_fits(segment.source_lba, segment.block_count, c.unit.block_count())) {
        return aborted(Asc::no_additional_information, source_lba_offset);
    }
    if (!range_fits(segment.destination_lba, segment.block_count, c.unit.block_count())) {
        return aborted(Asc::no_additional_information, destination_lba_offset);
    }
    return CopySegment{segment.source_lba * block_size, segment.destination_lba * block_size, segment.block_count * block_size};
}

/// All segments are checked before the first is copied: a list that cannot be carried out changes nothing.
Result<std::vector<CopySegment>, Sense> resolve_all(const Context& c, const CopyList& list) {
    std::vector<CopySegment> segments;
    segments.reserve(list.segments.size());
    for (std::size_t i = 0; i < list.segments.size(); ++i) {
        const Result<CopySegment, Sense> segment = resolve(c, list, i);
        if (!segment) {
            return segment.error();
        }
        segments.push_back(*segment);
    }
    return segments;
}

Outcome begin(const Context& c, const CopyList& list, std::vector<CopySegment> segments) {
    BlockIo io;
    io.op = BlockIo::Op::copy;
    io.copy_job = std::make_shared<CopyJob>(list.list_identifier, std::move(segments));
    switch (c.nexus.copies().enter(io.copy_job, list.usage != ListIdUsage::none)) {
    case CopyLog::Entered::identifier_in_use: return illegal_request(Asc::operation_in_progress);
    case CopyLog::Entered::too_many: return with_status(Status::busy);
    case CopyLog::Entered::yes: break;
    }
    return Outcome(boost::system::in_place_value, std::move(io));
}

/// AVAILABLE DATA, then the data.
Outcome finish(const Context& c, ByteVector data) {
    ByteWriter(data).patch(0, be32(static_cast<std::uint32_t>(data.size() - 4)));
    return data_in(std::move(data), c.cdb.u32(10));
}

} // namespace

Outcome extended_copy(const Context& c) {
    const std::uint32_t list_length = c.cdb.u32(10);
    if (list_length == 0) { // nothing to copy, and no error
        return good();
    }
    if (list_length > max_copy_list_size()) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    if (!c.data_out) {
        return Outcome(boost::system::in_place_value, NeedDataOut{list_length});
    }
    if (c.data_out->size() < list_length) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    const Result<CopyList, Sense> list = decode_copy_list(c.data_out->first(list_length));
    if (!list) {
        return list.error();
    }
    Result<std::vector<CopySegment>, Sense> segments = resolve_all(c, *list);
    return segments ? begin(c, *list, std::move(*segments)) : Outcome(segments.error());
}

Outcome receive_status(const Context& c) {
    constexpr std::uint8_t transfer_count_in_bytes = 0;
    const std::shared_ptr<CopyJob> job = c.nexus.copies().take_status(c.cdb[2]);
    if (!job) {
        return invalid_field_in_cdb(2);
    }
    ByteVector data;
    ByteWriter out(data);
    out.fill(4);
    out.byte(static_cast<std::uint8_t>(job->status()));
    out.write(be16(job->segments_done()));
    out.byte(transfer_count_in_bytes);
    out.write(be32(static_cast<std::uint32_t>(job->bytes_done())));
    return finish(c, std::move(data));
}

/// The same numbers as VPD page 8F.
Outcome receive_operating_parameters(const Context& c) {
    constexpr std::uint8_t supports_no_list_identifier = 0x01;
    ByteVector data;
    ByteWriter out(data);
    out.fill(4);
    out.byte(supports_no_list_identifier);
    out.fill(3);
    out.write(be16(limits::copy_cscds));
    out.write(be16(limits::copy_segments));
    out.write(be32(max_copy_descriptors_size()));
    out.write(be32(static_cast<std::uint32_t>(limits::copy_segment_bytes)));
    out.fill(4); // no inline data
    out.fill(4); // no held data
    out.fill(4); // no streams
    out.fill(2);
    out.write(be16(limits::concurrent_copies));
    out.byte(static_cast<std::uint8_t>(limits::concurrent_copies));
    out.byte(static_cast<std::uint8_t>(std::countr_zero(c.unit.block_size())));
    out.fill(5);
    out.byte(2); // IMPLEMENTED DESCRIPTOR LIST LENGTH
    out.byte(block_to_block_segment);
    out.byte(identification_cscd);
    return finish(c, std::move(data));
}

Outcome receive_failure_details(const Context& c) {
    const std::shared_ptr<CopyJob> job = c.nexus.copies().take_details(c.cdb[2]);
    if (!job) {
        return invalid_field_in_cdb(2);
    }
    ByteVector data;
    ByteWriter out(data);
    out.fill(4);
    if (job->status() == CopyJob::Status::failed) {
        const ByteVector sense = c.unit.check_condition(job->failure()).sense;
        out.fill(52);
        out.byte(static_cast<std::uint8_t>(Status::check_condition));
        out.byte(0);
        out.write(be16(static_cast<std::uint16_t>(sense.size())));
        out.append(sense);
    }
    return finish(c, std::move(data));
}

} // namespace rootstock::scsi::copy
