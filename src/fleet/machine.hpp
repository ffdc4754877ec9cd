// The values of the fleet: machines, unknown machines, boots and their stages. Plain values, no behaviour that waits.
#pragma once

#include "core/clock.hpp"
#include "core/guid.hpp"
#include "core/ipv4.hpp"
#include "core/mac.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rootstock::fleet {

enum class Mode : std::uint8_t {
    persistent,  // its disk is kept
    reset,       // its disk is thrown away at each boot
    maintenance, // it alone writes the next version of its image, until that is published or given up
};
[[nodiscard]] std::string_view mode_name(Mode mode);
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view name);

/// A machine's name: also its host name. [a-z0-9] and inner hyphens, at most 63 (RFC 1123 section 2.1).
[[nodiscard]] bool is_valid_machine_name(std::string_view name);
/// The name of an image or a volume: the same, and inner dots and underscores.
[[nodiscard]] bool is_valid_store_name(std::string_view name);

/// "20G", or "none", which is 0.
[[nodiscard]] std::optional<std::uint64_t> parse_quota(std::string_view text);

/// Text that came from the network as it may be kept and shown: printable ASCII, the rest as '?', cut at text_bytes_max.
[[nodiscard]] std::string plain_text(std::string_view text);

using MachineId = std::int64_t;
using BootId = std::int64_t;

/// A hardware address that once was a machine's: its PC is told who took its place.
struct RetiredMac {
    Mac mac;
    Mac replaced_by;
    std::uint32_t generation = 0; // the generation that this PC was
    WallTime when;
};

struct Machine {
    MachineId id = 0;
    std::string name;
    std::vector<Mac> macs;              // of the present PC; at least one
    std::string image;
    Mode mode = Mode::persistent;
    Mode former_mode = Mode::persistent; // in maintenance: the mode that it returns to
    std::optional<Ipv4> address;        // reservation
    std::uint32_t generation = 1;       // raised by each replacement
    std::vector<RetiredMac> retired;
    std::optional<std::uint64_t> quota_bytes = {}; // of its disk; 0: none at all; nothing: what [quota] machine says
    std::string group = {};             // whose quota it shares; empty: none
};

/// A MAC that asked to boot and belongs to no machine.
struct UnknownMachine {
    Mac mac;
    std::optional<Guid> uuid;
    std::string architecture;           // "x86-64 UEFI"
    std::string manufacturer, product, serial; // from iPXE's SMBIOS settings, when it said so
    std::optional<Ipv4> address;
    WallTime first_seen;
    WallTime last_seen;
    bool waiting = false;               // its script is being held open or polled right now
};

/// The way of a boot (docs/architecture.md). Stages may be skipped (a ROM that is iPXE needs no loader), never go back.
enum class Stage : std::uint8_t { discover, offer, loader, script, login, first_read, os_login, running };
[[nodiscard]] std::string_view stage_name(Stage stage);
[[nodiscard]] std::optional<Stage> parse_stage(std::string_view name);
inline constexpr std::size_t stage_count = 8;

struct StageTime {
    Stage stage{};
    WallTime when;
    std::string detail;                 // "snponly.efi by TFTP", "iqn...", ...
};

enum class BootOutcome : std::uint8_t { in_progress, running, ended, failed, refused };
[[nodiscard]] std::string_view outcome_name(BootOutcome outcome);
[[nodiscard]] std::optional<BootOutcome> parse_outcome(std::string_view name);

/// One attempt to boot. Begins with the first DISCOVER after silence (or the script, when another server leases addresses).
struct Boot {
    BootId id = 0;
    std::optional<MachineId> machine;   // nothing while unknown
    Mac mac;
    std::uint32_t generation = 0;
    WallTime started;
    std::vector<StageTime> stages;
    BootOutcome outcome = BootOutcome::in_progress;
    std::string reason;                 // why it failed or was refused
    std::string image;                  // what its disk stands on, once it has logged in; empty in maintenance
    std::uint32_t version = 0;
    std::string chap_secret;            // of this boot's disk; never shown, never logged
};

} // namespace rootstock::fleet
