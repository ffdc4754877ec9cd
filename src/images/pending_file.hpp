// A file in the making: it has a temporary name until it is whole, and goes away with this object unless it was published.
#pragma once

#include "images/file.hpp"

namespace rootstock::images {

class PendingFile {
  public:
    /// A new, empty file at `temporary`, which must not exist.
    [[nodiscard]] static Result<PendingFile> create(FileSystem& files, const std::string& temporary);
    PendingFile(PendingFile&& other) noexcept;
    PendingFile& operator=(PendingFile&&) = delete;
    ~PendingFile();

    [[nodiscard]] File& file() { return *file_; }
    [[nodiscard]] const std::string& path() const { return file_->path(); }
    /// Synced, renamed, directory synced. A file at `path` is replaced: whoever minds has looked before.
    [[nodiscard]] Result<void> publish(const std::string& path);

  private:
    PendingFile(FileSystem& files, std::unique_ptr<File> file) : files_(&files), file_(std::move(file)) {}

    FileSystem* files_;
    std::unique_ptr<File> file_; // null once published or moved from
};

/// A temporary name beside `path` that nobody else has.
[[nodiscard]] std::string unique_temporary_name(const std::string& path);

} // namespace rootstock::images
