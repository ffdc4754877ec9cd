#include "isns/message.hpp"

#include "core/wire_int.hpp"
#include "isns/limits.hpp"

#include <algorithm>
#include <array>

namespace rootstock::isns {

namespace {

constexpr std::uint16_t version = 1;
constexpr std::uint16_t dev_attr_reg = 0x0001; // section 5.3
constexpr std::uint16_t dev_dereg = 0x0004;
constexpr std::uint16_t response_bit = 0x8000;

constexpr std::uint16_t flag_client = 0x8000; // section 5.1.4; the standard counts bits from the left
constexpr std::uint16_t flag_replace = 0x1000;
constexpr std::uint16_t flag_last = 0x0800;
constexpr std::uint16_t flag_first = 0x0400;

struct Header {
    be16 version, function, length, flags, transaction, sequence;
};
static_assert(sizeof(Header) == 12 && std::is_trivially_copyable_v<Header>);

/// Section 6.1.
enum Tag : std::uint32_t {
    delimiter = 0,
    entity_identifier = 1,
    entity_protocol = 2,
    registration_period = 6,
    portal_address = 16,
    portal_port = 17,
    iscsi_name = 32,
    iscsi_node_type = 33,
    group_iscsi_name = 48,
    group_portal_address = 49,
    group_portal_port = 50,
    group_tag = 51,
};
constexpr std::uint32_t protocol_iscsi = 2; // section 6.2.2
constexpr std::uint32_t node_is_target = 1; // section 6.4.2

constexpr std::size_t attribute_header_bytes = 8;
constexpr std::size_t number_bytes = attribute_header_bytes + 4;
constexpr std::size_t address_bytes = attribute_header_bytes + 16;

constexpr std::size_t padded(std::size_t size) { return (size + 3) / 4 * 4; }

/// Text ends with a NUL, and its length counts the padding (section 5.1.6).
std::size_t text_bytes(const std::string& text) { return attribute_header_bytes + padded(text.size() + 1); }

class AttributeWriter {
  public:
    AttributeWriter(std::uint16_t function, std::uint16_t flags, std::uint16_t transaction) : out_(message_) {
        const auto all = static_cast<std::uint16_t>(flag_client | flag_last | flag_first | flags);
        out_.write(Header{be16(version), be16(function), be16(0), be16(all), be16(transaction), be16(0)});
    }

    void number(Tag tag, std::uint32_t value) {
        head(tag, 4);
        out_.write(be32(value));
    }
    void text(Tag tag, const std::string& value) {
        const std::size_t size = padded(value.size() + 1);
        head(tag, size);
        out_.append(value);
        out_.fill(size - value.size());
    }
    /// IPv4 as an IPv4-mapped address of IPv6 (section 6.3.1).
    void address(Tag tag, const IpAddress& address) {
        head(tag, address.bytes.size());
        if (address.is_v6) {
            out_.append(address.bytes);
            return;
        }
        out_.fill(10);
        out_.fill(2, 0xff);
        out_.append(Bytes(address.bytes).first(4));
    }
    void end_of_keys() { head(delimiter, 0); }

    ByteVector finish() {
        out_.patch(offsetof(Header, length), be16(static_cast<std::uint16_t>(message_.size() - sizeof(Header))));
        return std::move(message_);
    }

  private:
    void head(Tag tag, std::size_t size) {
        out_.write(be32(tag));
        out_.write(be32(static_cast<std::uint32_t>(size)));
    }

    ByteVector message_;
    ByteWriter out_;
};

void write_entity(AttributeWriter& out, const Registration& registration) {
    out.text(entity_identifier, registration.entity);
    out.number(entity_protocol, protocol_iscsi);
    out.number(registration_period, static_cast<std::uint32_t>(registration.period.count()));
    for (const Portal& portal : registration.portals) {
        out.address(portal_address, portal.address);
        out.number(portal_port, portal.port); // bit 16 would say UDP (section 6.3.2)
    }
}

void write_target(AttributeWriter& out, const std::string& target) {
    out.text(iscsi_name, target);
    out.number(iscsi_node_type, node_is_target);
}

/// The portal groups that a target is reached by (section 3.4).
void write_groups(AttributeWriter& out, const std::string& target, const std::vector<Portal>& portals) {
    for (const Portal& portal : portals) {
        out.text(group_iscsi_name, target);
        out.address(group_portal_address, portal.address);
        out.number(group_portal_port, portal.port);
        out.number(group_tag, portal.group_tag);
    }
}

/// The registration period among the attributes; false: they are malformed.
bool read_attributes(ByteReader in, std::optional<std::chrono::seconds>& period) {
    while (in.remaining() > 0) {
        const std::uint32_t tag = in.read<be32>();
        const std::uint32_t size = in.read<be32>();
        const Bytes value = in.take(size);
        in.skip(padded(size) - size);
        if (!in.ok()) {
            return false;
        }
        if (tag == registration_period && size == 4) {
            period = std::chrono::seconds(ByteReader(value).read<be32>());
        }
    }
    return true;
}

} // namespace

ByteVector encode(const Registration& registration, std::uint16_t transaction) {
    AttributeWriter out(dev_attr_reg, registration.replace ? flag_replace : std::uint16_t{0}, transaction);
    out.text(iscsi_name, registration.source);
    out.text(entity_identifier, registration.entity);
    out.end_of_keys();
    if (registration.describes_entity) {
        write_entity(out, registration);
    }
    for (const std::string& target : registration.targets) {
        write_target(out, target);
    }
    for (const std::string& target : registration.targets) {
        write_groups(out, target, registration.portals);
    }
    return out.finish();
}

ByteVector encode_deregistration(const std::string& source, const std::string& entity, std::uint16_t transaction) {
    AttributeWriter out(dev_dereg, 0, transaction);
    out.text(iscsi_name, source);
    out.end_of_keys(); // no key: what goes is named by the operating attributes
    out.text(entity_identifier, entity);
    return out.finish();
}

std::size_t encoded_size(const std::string& target, std::size_t portals) {
    return text_bytes(target) + number_bytes + portals * (text_bytes(target) + address_bytes + 2 * number_bytes);
}

const char* describe(DecodeError error) {
    switch (error) {
    case DecodeError::wrong_version:
        return "it speaks another version of iSNS";
    case DecodeError::not_a_response:
        return "it sent something that is no response";
    case DecodeError::wrong_order:
        return "the parts of its response are out of order";
    case DecodeError::too_long:
        return "its response is too long";
    case DecodeError::malformed:
        return "its response is malformed";
    }
    return "";
}

std::string describe_status(std::uint32_t status) {
    static constexpr std::array<const char*, 24> meanings{
        "done",           "unknown error",          "message format error",  "invalid registration",      "status 4",
        "invalid query",  "source unknown",         "source absent",         "source unauthorized",       "no such entry",
        "version not supported", "internal error",  "busy",                  "option not understood",     "invalid update",
        "message not supported", "SCN event rejected", "SCN registration rejected", "attribute unknown", "FC_DOMAIN_ID not available",
        "FC_DOMAIN_ID not allocated", "ESI not available", "invalid deregistration", "registration feature not supported"};
    return status < meanings.size() ? meanings[status] : "status " + std::to_string(status);
}

Result<std::optional<Response>, DecodeError> ResponseReader::take(Bytes bytes) {
    received_.insert(received_.end(), bytes.begin(), bytes.end());
    while (received_.size() >= sizeof(Header)) {
        const auto header = from_bytes<Header>(received_);
        if (header.version != version) {
            return DecodeError::wrong_version;
        }
        if ((header.function & response_bit) == 0) {
            return DecodeError::not_a_response;
        }
        if (header.sequence != sequence_ || ((header.flags & flag_first) != 0) != (sequence_ == 0)) {
            return DecodeError::wrong_order;
        }
        if (payload_.size() + header.length > response_bytes_max) {
            return DecodeError::too_long;
        }
        const std::size_t size = sizeof(Header) + header.length;
        if (received_.size() < size) {
            return std::optional<Response>();
        }
        payload_.insert(payload_.end(), received_.begin() + sizeof(Header), received_.begin() + static_cast<std::ptrdiff_t>(size));
        received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(size));
        ++sequence_;
        if ((header.flags & flag_last) == 0) {
            continue;
        }
        Response response{static_cast<std::uint16_t>(header.function & ~response_bit), header.transaction, 0, {}};
        ByteReader in(payload_);
        response.status = in.read<be32>();
        if (!in.ok() || (response.status == 0 && !read_attributes(in, response.period))) {
            return DecodeError::malformed;
        }
        payload_.clear();
        sequence_ = 0;
        return std::optional(response);
    }
    return std::optional<Response>();
}

} // namespace rootstock::isns
