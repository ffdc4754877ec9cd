#include "images/source_image.hpp"

#include "images/foreign_image.hpp"
#include "images/limits.hpp"
#include "images/qemu_img.hpp"
#include "images/unpack.hpp"

#include <filesystem>

namespace rootstock::images {
namespace {

/// A new raw file at `temporary` with the contents of the foreign image.
Result<PendingFile> convert_to_raw(FileSystem& files, File& file, ImageFormat format, const std::string& temporary, const ProgressCallback& progress) {
    if (auto alone = check_self_contained(file, format); !alone) {
        return alone.error();
    }
    const auto facts = qemu_measure(file.path(), format);
    if (!facts) {
        return facts.error();
    }
    if (facts->virtual_bytes == 0 || facts->virtual_bytes > limits::virtual_size) {
        return make_error(std::errc::invalid_argument, file.path() + " has " + std::to_string(facts->virtual_bytes) + " bytes; a disk has from 1 byte to 64 TiB");
    }
    std::string directory = std::filesystem::path(temporary).parent_path().string();
    directory = directory.empty() ? "." : directory;
    const auto space = files.space(directory);
    if (!space) {
        return space.error();
    }
    if (facts->data_bytes > space->free_bytes) {
        return no_room(facts->data_bytes, directory, space->free_bytes);
    }
    auto copy = PendingFile::create(files, temporary);
    if (!copy) {
        return copy.error();
    }
    auto converted = qemu_convert({file.path(), std::string(qemu_name(format)), temporary, "raw", {}, facts->virtual_bytes}, progress);
    if (!converted && converted.error().code == std::errc::operation_canceled) {
        converted = cancelled("the conversion of " + file.path());
    }
    return converted ? std::move(copy) : Result<PendingFile>(converted.error());
}

} // namespace

Result<SourceImage> SourceImage::open(FileSystem& files, const std::string& path, const std::string& temporary, const ProgressCallback& progress) {
    auto file = files.open(path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const auto stamp = (*file)->stamp();
    if (!stamp) {
        return stamp.error();
    }
    std::optional<PendingFile> copy;
    File* image = file->get();
    auto format = probe_format(*image);
    if (format && is_packed(*format)) {
        auto unpacked = unpack(files, *image, *format, temporary + std::string(unpacked_suffix), progress);
        if (!unpacked) {
            return unpacked.error();
        }
        image = &copy.emplace(std::move(*unpacked)).file();
        format = probe_format(*image);
    }
    if (!format) {
        return format.error();
    }
    if (is_foreign(*format)) {
        auto converted = convert_to_raw(files, *image, *format, temporary, progress);
        if (!converted) {
            return converted.error();
        }
        copy.emplace(std::move(*converted));
    }
    auto reader = is_foreign(*format) ? ImageReader::open_raw(files, copy->path()) : ImageReader::open(files, copy ? copy->path() : path);
    if (!reader) {
        return reader.error();
    }
    SourceImage source(std::move(*reader), std::move(copy));
    source.original_ = std::move(*file);
    source.stamp_ = *stamp;
    return source;
}

Result<void> SourceImage::check_unchanged() {
    const auto now = original_->stamp();
    if (!now) {
        return now.error();
    }
    return *now == stamp_ ? Result<void>()
                          : Result<void>(make_error(std::errc::device_or_resource_busy,
                                                    original_->path() + " was changed while it was read; stop what writes to it and try again"));
}

} // namespace rootstock::images
