// iSNSP messages of a target that registers itself (RFC 4171 sections 5.1 to 5.7 and 6): our requests, the server's responses. Pure.
//
//   PDU         version 1, function, length of what follows, flags, transaction, sequence: 12 bytes (section 5.1)
//   request     source attribute | message key | delimiter | operating attributes (section 5.6.1)
//   response    status | message key | delimiter | operating attributes (section 5.7.1)
//   attribute   tag, length, value padded to 4 bytes (section 5.1.6)
#pragma once

#include "core/bytes.hpp"
#include "core/ip_address.hpp"
#include "core/result.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace rootstock::isns {

struct Portal {
    IpAddress address;
    std::uint16_t port = 0;
    std::uint16_t group_tag = 1;
    bool operator==(const Portal&) const = default;
};

/// DevAttrReg (section 5.6.5.1).
struct Registration {
    std::string source;               // a node of the entity: who speaks
    std::string entity;
    bool replace = false;             // forget what was registered for the entity before
    bool describes_entity = true;     // its period and portals are in the message; not in the later parts of a long registration
    std::chrono::seconds period{};
    std::vector<Portal> portals;      // each target is in the portal group of each of them
    std::vector<std::string> targets;
};

[[nodiscard]] ByteVector encode(const Registration& registration, std::uint16_t transaction);

/// DevDereg of a whole entity (section 5.6.5.4).
[[nodiscard]] ByteVector encode_deregistration(const std::string& source, const std::string& entity, std::uint16_t transaction);

/// Bytes that one more target takes in a request, at most.
[[nodiscard]] std::size_t encoded_size(const std::string& target, std::size_t portals);

enum class DecodeError : std::uint8_t { wrong_version, not_a_response, wrong_order, too_long, malformed };
[[nodiscard]] const char* describe(DecodeError error);

struct Response {
    std::uint16_t function = 0; // of the request
    std::uint16_t transaction = 0;
    std::uint32_t status = 0;   // section 5.4; 0: done
    std::optional<std::chrono::seconds> period; // the registration period that the server grants
    bool operator==(const Response&) const = default;
};

/// What a status says (section 5.4): "source unauthorized".
[[nodiscard]] std::string describe_status(std::uint32_t status);

/// Puts a response together from what a connection brings: any number of PDUs (section 5.1.4), in pieces of any size.
class ResponseReader {
  public:
    /// The response when it is complete; nothing: more bytes are needed. After an error the connection is of no use any more.
    [[nodiscard]] Result<std::optional<Response>, DecodeError> take(Bytes bytes);

  private:
    ByteVector received_;
    ByteVector payload_; // of the PDUs so far
    std::uint16_t sequence_ = 0;
};

} // namespace rootstock::isns
