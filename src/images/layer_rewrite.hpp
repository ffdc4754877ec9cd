// One file in the place of several of a chain: several layers merged into one over what they stood on, or a whole chain flattened into a file that stands
// alone. Nothing of the old files is changed, so whoever reads them goes on. Blocking; cancelled or failed it leaves nothing.
#pragma once

#include "images/image_copy.hpp"
#include "images/master.hpp"

namespace rootstock::images {

struct LayerRewrite {
    std::vector<LayerPlace> merged; // what becomes one file, the newest first
    std::vector<LayerPlace> below;  // what these stand on; empty: nothing
    std::string target;             // the new file, beside the newest of the old ones; must not exist
};

/// What the new file will take, about: by the tables of the old ones, without reading their data.
[[nodiscard]] Result<std::uint64_t> rewritten_bytes(FileSystem& files, const LayerRewrite& rewrite);

/// `progress`: stored_bytes is what was copied or compared in the present pass. The new file holds what the newest of the old ones held over its parents, as was checked by reading both, and has its DataWriteGuid: its children find it
/// under its name. Its size is another, which tells the two apart. Durable and read-only when it returns.
[[nodiscard]] Result<MasterIdentity> rewrite_layers(LayerFiles& files, const LayerRewrite& rewrite, const ProgressCallback& progress);

} // namespace rootstock::images
