// iPXE scripts as text. Only what iPXE of 2019 (Debian 12's package) understands is used.
//
// iPXE replaces ${...}, then splits a line at white space; there is no quoting. `||`, `&&`, `;`
// alone and a word that begins with `#` are syntax, and a first word that begins with `-` is an
// option of `echo`. So nothing that came from outside enters a script as it is: names and addresses
// are values of types that cannot hold anything harmful, free text (reasons) passes screen_text(),
// and what the PC says of itself (manufacturer, ...) is sent to the server and never comes back.
//
// Pure: same arguments, same text. Called by scripts.hpp.
#pragma once

#include "boot/settings.hpp"

#include <string>

namespace rootstock::boot {

/// The disk of a machine: logs in with the initiator name of its generation and the secret of this
/// boot. When that fails the PC asks again (with &retry=1, so that it is told why).
[[nodiscard]] std::string
machine_script(const Settings& settings, const fleet::Machine& machine, const fleet::Boot& boot);

/// A PC that belongs to no machine: shows its MAC and what to do, and goes on by itself.
[[nodiscard]] std::string waiting_script(const Settings& settings, Mac mac);

/// A PC that was replaced: names its successor. No disk.
[[nodiscard]] std::string replaced_script(const Settings& settings,
                                          const fleet::Machine& machine,
                                          const fleet::RetiredMac& retired);

/// On to the PC's own disk, whatever its firmware.
[[nodiscard]] std::string local_disk_script(Mac mac);

/// It cannot boot now, and why; tries again after a while.
[[nodiscard]] std::string
error_script(const Settings& settings, Mac mac, std::string_view subject, std::string_view reason);

/// Free text as words that iPXE shows and does not interpret, in lines of at most 76 characters.
[[nodiscard]] std::vector<std::string> screen_text(std::string_view text);

} // namespace rootstock::boot
