// SourceImage: an image of any format, opened for reading. Native ones are read where they lie; the others are converted into a temporary raw file first,
// which goes away with this object.
#pragma once

#include "images/image_copy.hpp"
#include "images/pending_file.hpp"

namespace rootstock::images {

class SourceImage {
  public:
    /// `temporary`: where a raw copy may lie if one is needed; there must not be such a file. The space for it is checked first.
    [[nodiscard]] static Result<SourceImage> open(FileSystem& files, const std::string& path, const std::string& temporary,
                                                  const ProgressCallback& progress);

    [[nodiscard]] ImageReader& reader() { return reader_; }
    /// A foreign format may not change behind our back either.
    [[nodiscard]] Result<void> check_unchanged();

  private:
    SourceImage(ImageReader reader, std::optional<PendingFile> copy) : copy_(std::move(copy)), reader_(std::move(reader)) {}

    std::optional<PendingFile> copy_;
    ImageReader reader_;
    std::unique_ptr<File> original_; // of a foreign format
    File::Stamp stamp_;
};

} // namespace rootstock::images
