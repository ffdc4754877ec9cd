// Import: an image of any format becomes a master: dynamic VHDX, blocks in LBA order, payload aligned to 2 MiB, mode 0444. Raw, VHD and VHDX are read
// natively, differencing chains included; the others go through qemu-img and a temporary raw file. Written under a temporary name, synced, renamed:
// cancelled or killed at any point it leaves nothing that looks like a master.
#pragma once

#include "images/content_digest.hpp"
#include "images/master.hpp"

namespace rootstock::images {

struct ImportSource {
    ImportSource(std::string file, std::string digest = {}) : path(std::move(file)), sha256(std::move(digest)) {}
    std::string path;
    std::string sha256; // of the file's bytes, in hexadecimal; empty: not checked
};

struct ImportedMaster {
    MasterIdentity identity;
    ContentDigest digest; // taken from the data on its way: nothing is read twice
};

/// `target`: must not exist. Free space is checked first. The master has the source's sectors, of 512 or 4096 bytes. What breaks a rule of its format is
/// refused with the rule.
[[nodiscard]] Result<ImportedMaster> import_image(FileSystem& files, const ImportSource& source, const std::string& target,
                                                  const ProgressCallback& progress);

} // namespace rootstock::images
