// SourceImage: an image of any format, opened for reading. Native ones are read where they lie; what is compressed is unpacked, and foreign formats are
// converted into a raw file; these temporary files go away with this object.
#pragma once

#include "images/image_copy.hpp"
#include "images/pending_file.hpp"

namespace rootstock::images {

class SourceImage {
  public:
    /// `temporary`: where a raw copy may lie if one is needed, and with unpacked_suffix what was compressed; there must not be such files. The space is
    /// checked first, where the size is known.
    static constexpr std::string_view unpacked_suffix = ".unpacked.tmp";
    [[nodiscard]] static Result<SourceImage> open(FileSystem& files, const std::string& path, const std::string& temporary,
                                                  const ProgressCallback& progress);

    [[nodiscard]] ImageReader& reader() { return reader_; }
    /// What was unpacked or converted may not have changed behind our back either.
    [[nodiscard]] Result<void> check_unchanged();

  private:
    SourceImage(ImageReader reader, std::optional<PendingFile> copy) : copy_(std::move(copy)), reader_(std::move(reader)) {}

    std::optional<PendingFile> copy_; // unpacked or raw
    ImageReader reader_;
    std::unique_ptr<File> original_; // of a format that is not read where it lies
    File::Stamp stamp_;
};

} // namespace rootstock::images
