// What `rootstock store check` finds in a data directory (docs/store-check.md). Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rootstock::images {

struct StoreFinding {
    std::string kind;   // stable, for programs: "unknown_file", "missing_file", "leftover", ...
    std::string where;  // the file, relative to the data directory, or what is meant
    std::string what;
    std::string remedy; // how to mend it; once it is mended, what was done
    bool mended = false;
};

struct StoreReport {
    std::uint64_t layers = 0; // immutable files: of versions and snapshots
    std::uint64_t overlays = 0;
    std::uint64_t volumes = 0;
    std::uint64_t in_use = 0; // disks that are open: they were checked when they were opened
    std::uint64_t longest_chain = 0; // files that one disk is read from, without its own
    std::vector<StoreFinding> findings;

    [[nodiscard]] bool ok() const {
        for (const StoreFinding& finding : findings) {
            if (!finding.mended) {
                return false;
            }
        }
        return true;
    }
};

struct StoreCheckOptions {
    bool deep = false;   // reads all masters and compares them with their digests
    bool repair = false; // mends what is safe; never deletes data
};

} // namespace rootstock::images
