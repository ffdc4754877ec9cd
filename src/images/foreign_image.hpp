// Formats that are not read natively: what their headers say of other files. An image from elsewhere must not bring other files of this host into a disk
// that machines boot, so one that names a backing file or data outside itself is refused, and qemu-img never sees it.
#pragma once

#include "images/probe.hpp"

namespace rootstock::images {

/// Whether the format goes through qemu-img.
[[nodiscard]] bool is_foreign(ImageFormat format);
/// An error when the image at file.path() needs other files than those beside it that VMDK cuts its data into.
[[nodiscard]] Result<void> check_self_contained(File& file, ImageFormat format);

} // namespace rootstock::images
