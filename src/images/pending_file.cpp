#include "images/pending_file.hpp"

#include "core/random.hpp"
#include "core/text.hpp"
#include "images/vhdx_create.hpp"

#include <array>
#include <utility>

namespace rootstock::images {

Result<PendingFile> PendingFile::create(FileSystem& files, const std::string& temporary) {
    auto file = files.open(temporary, OpenMode::create_new);
    return file ? Result<PendingFile>(PendingFile(files, std::move(*file))) : Result<PendingFile>(file.error());
}

PendingFile::PendingFile(PendingFile&& other) noexcept : files_(other.files_), file_(std::exchange(other.file_, nullptr)) {}

PendingFile::~PendingFile() {
    if (file_) {
        // A failure leaves a file whose name says what it is; the reason for discarding it is the error to tell.
        (void)files_->remove(file_->path());
    }
}

Result<void> PendingFile::publish(const std::string& path) {
    auto published = publish_file(*files_, *file_, path);
    if (published) {
        file_ = nullptr;
    }
    return published;
}

std::string unique_temporary_name(const std::string& path) {
    SystemRandom random;
    std::array<std::uint8_t, 4> bytes{};
    random.fill(bytes);
    return path + "." + hex(bytes) + std::string(temporary_suffix);
}

} // namespace rootstock::images
