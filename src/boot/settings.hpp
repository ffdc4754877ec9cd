// Settings: where this server is found and what it does with PCs that it does not know. Made once
// from the configuration.
#pragma once

#include "boot/names.hpp"
#include "core/ipv4.hpp"

namespace rootstock::boot {

/// [unknown] action.
enum class UnknownAction : std::uint8_t {
    wait,       // the PC shows its MAC and waits until it is assigned
    local_disk, // it boots from its own disk
    ignore,     // it gets no answer at all
    image,      // it becomes a machine with `unknown_image`
};

struct Settings {
    Ipv4 address; // of this server, as the PCs see it
    std::uint16_t http_port = 8080;
    std::uint16_t iscsi_port = 3260;
    Names names;
    bool always_chain =
        false; // [boot] chain = "always": our own loader even for a ROM that is iPXE already
    UnknownAction unknown = UnknownAction::wait;
    std::string unknown_image;

    /// "http://10.20.0.1:8080", the head of every URL that a PC is given.
    [[nodiscard]] std::string base_url() const {
        return "http://" + address.text() + ":" + std::to_string(http_port);
    }
    [[nodiscard]] std::string script_url(Mac mac) const {
        return base_url() + "/boot.ipxe?mac=" + mac.text();
    }
};

} // namespace rootstock::boot
