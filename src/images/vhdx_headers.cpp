#include "images/vhdx_headers.hpp"

#include "core/unicode.hpp"
#include "core/version.hpp"
#include "images/vhdx_checksum.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

using namespace vhdx;

bool is_valid(Bytes record) {
    return record.size() == header_size && from_bytes<HeaderRecord>(record).signature == header_signature && vhdx_checksum_matches(record);
}

} // namespace

Result<VhdxHeader, VhdxError> decode_header(Bytes record) {
    if (!is_valid(record)) {
        return VhdxError::header_none_valid;
    }
    const auto raw = from_bytes<HeaderRecord>(record);
    if (raw.version != 1) {
        return VhdxError::header_version;
    }
    if (!raw.log_guid.is_nil() && raw.log_version != 0) {
        return VhdxError::log_version;
    }
    if (raw.log_length % alignment != 0 || raw.log_offset % alignment != 0 || raw.log_offset < header_section_size) {
        return VhdxError::header_log_placement;
    }
    return VhdxHeader{raw.sequence_number, raw.file_write_guid, raw.data_write_guid, raw.log_guid, raw.log_length, raw.log_offset};
}

ByteVector encode_header(const VhdxHeader& header) {
    HeaderRecord raw{};
    raw.signature = header_signature;
    raw.sequence_number = header.sequence_number;
    raw.file_write_guid = header.file_write_guid;
    raw.data_write_guid = header.data_write_guid;
    raw.log_guid = header.log_guid;
    raw.version = 1;
    raw.log_length = header.log_length;
    raw.log_offset = header.log_offset;
    put_vhdx_checksum(object_bytes(raw));
    const Bytes bytes = object_bytes(raw);
    return {bytes.begin(), bytes.end()};
}

Result<CurrentHeader, VhdxError> choose_header(Bytes first, Bytes second) {
    const bool first_valid = is_valid(first);
    const bool second_valid = is_valid(second);
    unsigned slot = first_valid ? 0 : 1;
    if (first_valid && second_valid) {
        const std::uint64_t a = from_bytes<HeaderRecord>(first).sequence_number;
        const std::uint64_t b = from_bytes<HeaderRecord>(second).sequence_number;
        if (a == b && !std::ranges::equal(first, second)) {
            return VhdxError::header_same_sequence;
        }
        slot = b > a ? 1 : 0;
    }
    const auto header = decode_header(slot == 0 ? first : second);
    if (!header) {
        return header.error();
    }
    return CurrentHeader{*header, slot};
}

ByteVector encode_file_identifier() {
    FileIdentifier raw{};
    raw.signature = file_signature;
    const auto creator = utf16le_from_utf8("Rootstock " + std::string(version()));
    RS_ASSERT(creator && creator->size() < raw.creator.size());
    std::ranges::copy(*creator, raw.creator.begin());
    const Bytes bytes = object_bytes(raw);
    return {bytes.begin(), bytes.end()};
}

Result<void> VhdxHeaderWriter::begin_changes(const Guid& log_guid) {
    VhdxHeader next = current_.header;
    next.file_write_guid = Guid::random(random_);
    next.log_guid = log_guid;
    return put(next);
}

Result<void> VhdxHeaderWriter::begin_data_changes() {
    VhdxHeader next = current_.header;
    next.data_write_guid = Guid::random(random_);
    return put(next);
}

Result<void> VhdxHeaderWriter::begin_all(const Guid& log_guid, Syncs syncs) {
    VhdxHeader next = current_.header;
    next.file_write_guid = Guid::random(random_);
    next.data_write_guid = Guid::random(random_);
    next.log_guid = log_guid;
    const Result<void> first = write_other_slot(next, syncs);
    return first ? write_other_slot(next, Syncs::by_caller) : first;
}

Result<void> VhdxHeaderWriter::set_data_write_guid(const Guid& guid) {
    VhdxHeader next = current_.header;
    next.file_write_guid = Guid::random(random_);
    next.data_write_guid = guid;
    return put(next);
}

Result<void> VhdxHeaderWriter::end_changes(const std::function<Result<void>()>& allowed_then) {
    VhdxHeader next = current_.header;
    next.log_guid = {};
    Result<void> done = write_other_slot(next);
    done = done && allowed_then ? allowed_then() : done;
    return done ? write_other_slot(next) : done;
}

Result<void> VhdxHeaderWriter::put(const VhdxHeader& next) {
    for (int copy = 0; copy < 2; ++copy) {
        if (auto written = write_other_slot(next); !written) {
            return written;
        }
    }
    return {};
}

Result<void> VhdxHeaderWriter::write_other_slot(VhdxHeader next, Syncs syncs) {
    const unsigned slot = 1 - current_.slot;
    next.sequence_number = current_.header.sequence_number + 1;
    if (auto written = file_.write_at(header_offsets[slot], encode_header(next)); !written) {
        return written;
    }
    if (auto synced = syncs == Syncs::here ? file_.sync_data() : Result<void>(); !synced) {
        return synced;
    }
    current_ = {next, slot};
    return {};
}

} // namespace rootstock::images
