// Changes to the metadata region ([MS-VHDX] 2.6) of a file that nobody has open: through the log (2.3), so that a crash at any moment leaves the old items or
// the new ones.
#pragma once

#include "core/random.hpp"
#include "images/vhdx_image.hpp"

namespace rootstock::images {

enum class DataChange : std::uint8_t {
    none,    // the disk holds what it held: its DataWriteGuid stays, by which children name it
    changed,
};

/// `image`: of `file`, as open_vhdx_writable() found it. Durable when it returns.
[[nodiscard]] Result<void> change_metadata(File& file, const VhdxImage& image, const VhdxMetadata& next, DataChange data, Random& random);

/// The file at `path` names its parent by `locator` from now on, which is the same disk at another place.
[[nodiscard]] Result<void> change_parent_locator(FileSystem& files, const std::string& path, const VhdxParentLocator& locator);

} // namespace rootstock::images
