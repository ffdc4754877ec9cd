// Option negotiation of a read request: blksize (RFC 2348), tsize and timeout (RFC 2349), windowsize (RFC 7440). Pure.
#pragma once

#include "tftp/packet.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace rootstock::tftp {

struct Negotiated {
    std::uint32_t block_size = 512;
    std::uint32_t window_size = 1;
    std::optional<std::chrono::seconds> timeout; // as the client wishes; nothing: ours
    OptionList accepted;                         // for the OACK; empty: none is sent, DATA 1 follows at once
};

/// Options that are unknown, repeated, or have a value out of range are left out of the answer: the client then goes on without
/// them (RFC 2347). Values above our bounds are answered with the bound, where the RFC lets a server lower them.
[[nodiscard]] Negotiated negotiate(const OptionList& requested, std::uint64_t file_size);

} // namespace rootstock::tftp
