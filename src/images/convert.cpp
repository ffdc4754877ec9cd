#include "images/convert.hpp"

#include "core/clock.hpp"
#include "images/qemu_img.hpp"
#include "images/raw_writer.hpp"
#include "images/source_image.hpp"
#include "images/vhd_writer.hpp"
#include "images/vhdx_writer.hpp"

#include <algorithm>
#include <filesystem>

namespace rootstock::images {
namespace {

std::string directory_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

/// The writer of a native format; null for the others.
std::unique_ptr<ImageWriter> make_writer(OutputFormat format, File& file, const DiskShape& shape, Random& random, const Clock& clock) {
    switch (format) {
    case OutputFormat::raw: return std::make_unique<RawWriter>(file, shape);
    case OutputFormat::vhdx: return std::make_unique<VhdxWriter>(file, shape, VhdxKind::dynamic, random);
    case OutputFormat::vhdx_fixed: return std::make_unique<VhdxWriter>(file, shape, VhdxKind::fixed, random);
    case OutputFormat::vhd: return std::make_unique<VhdDynamicWriter>(file, shape, random, clock);
    case OutputFormat::vhd_fixed: return std::make_unique<VhdFixedWriter>(file, shape, random, clock);
    case OutputFormat::qcow2:
    case OutputFormat::vmdk: break;
    }
    return nullptr;
}

/// What the format cannot hold.
Result<void> check_shape(OutputFormat format, const LayerFacts& facts, const std::string& source) {
    const bool vhd = format == OutputFormat::vhd || format == OutputFormat::vhd_fixed;
    if (facts.logical_sector_size != 512 && (vhd || format == OutputFormat::vmdk)) {
        return make_error(std::errc::not_supported, source + " has sectors of 4096 bytes, and this format has only those of 512, with which its partitions would "
                                                             "not be found; choose vhdx or raw");
    }
    if (vhd && facts.size_bytes > vhd_most_bytes) {
        return make_error(std::errc::not_supported, source + " is larger than the 2040 GiB that a VHD holds; choose vhdx");
    }
    return {};
}

/// The one who reads must not be written over: a chain whose parent is gone is lost. The file itself may be: it was read to its end by then.
Result<void> check_target(FileSystem& files, const Conversion& conversion, ImageReader& reader) {
    if (!files.exists(conversion.target)) {
        return {};
    }
    if (!conversion.overwrite) {
        return make_error(std::errc::file_exists, conversion.target + " exists already; choose another name, or say --force");
    }
    const auto there = files.open(conversion.target, OpenMode::read_only);
    const auto stamp = there ? (*there)->stamp() : Result<File::Stamp>(there.error());
    if (!stamp) {
        return stamp.error();
    }
    for (const std::unique_ptr<ImageLayer>& layer : reader.layers().subspan(1)) {
        const auto own = layer->file().stamp();
        if (own && own->device == stamp->device && own->inode == stamp->inode) {
            return make_error(std::errc::file_exists, conversion.target + " is a parent of " + conversion.source + "; choose another name");
        }
    }
    return {};
}

class Converter {
  public:
    Converter(FileSystem& files, const Conversion& conversion, const ProgressCallback& progress)
        : files_(files), conversion_(conversion), progress_(progress) {}

    Result<void> run() {
        auto source = SourceImage::open(files_, conversion_.source, unique_temporary_name(conversion_.target), progress_);
        if (!source) {
            return source.error();
        }
        ImageReader& reader = source->reader();
        auto allowed = check_shape(conversion_.format, reader.facts(), conversion_.source);
        allowed = allowed ? check_target(files_, conversion_, reader) : allowed;
        if (!allowed) {
            return allowed;
        }
        const bool native = conversion_.format != OutputFormat::qcow2 && conversion_.format != OutputFormat::vmdk;
        auto target = native ? write(reader, conversion_.format) : write_by_qemu(reader);
        if (!target) {
            return target.error();
        }
        if (auto same = source->check_unchanged(); !same) {
            return same;
        }
        // Somebody may have made it meanwhile.
        if (auto still_allowed = check_target(files_, conversion_, reader); !still_allowed) {
            return still_allowed;
        }
        return target->publish(conversion_.target);
    }

  private:
    Result<PendingFile> write(ImageReader& reader, OutputFormat format) {
        auto file = PendingFile::create(files_, unique_temporary_name(conversion_.target));
        if (!file) {
            return file.error();
        }
        const auto writer = make_writer(format, file->file(), shape_of(reader.facts()), random_, clock_);
        auto done = check_space(files_, directory_of(conversion_.target), reader, *writer);
        done = done ? copy_image(reader, *writer, &file->file(), progress_) : done;
        if (done && conversion_.portable && format == conversion_.format) {
            const auto size = file->file().size();
            done = size ? file->file().allocate(0, *size) : size.error();
        }
        return done ? std::move(file) : Result<PendingFile>(done.error());
    }

    /// Through a raw file, unless the source is one.
    Result<PendingFile> write_by_qemu(ImageReader& reader) {
        const LayerFacts& facts = reader.facts();
        std::string raw = reader.layers().front()->file().path();
        const auto size = reader.layers().front()->file().size();
        std::optional<PendingFile> copy;
        if (facts.format != ImageFormat::raw || !size || *size != facts.size_bytes) {
            auto written = write(reader, OutputFormat::raw);
            if (!written) {
                return written.error();
            }
            copy.emplace(std::move(*written));
            raw = copy->path();
        }
        if (auto room = check_room_beside(copy ? copy->file() : reader.layers().front()->file()); !room) {
            return room.error();
        }
        auto file = PendingFile::create(files_, unique_temporary_name(conversion_.target));
        if (!file) {
            return file.error();
        }
        const char* format = conversion_.format == OutputFormat::qcow2 ? "qcow2" : "vmdk";
        auto done = qemu_convert({raw, "raw", file->path(), format, {}, facts.size_bytes}, progress_);
        done = done ? reader.check_unchanged() : done;
        return done ? std::move(file) : Result<PendingFile>(done.error());
    }

    /// What qemu-img will write is about what the raw file occupies.
    Result<void> check_room_beside(File& raw) {
        const std::string directory = directory_of(conversion_.target).empty() ? "." : directory_of(conversion_.target);
        const auto needed = raw.allocated_bytes();
        const auto space = files_.space(directory);
        if (!needed || !space) {
            return needed ? space.error() : needed.error();
        }
        return *needed <= space->free_bytes ? Result<void>() : Result<void>(no_room(*needed, directory, space->free_bytes));
    }

    FileSystem& files_;
    const Conversion& conversion_;
    const ProgressCallback& progress_;
    SystemRandom random_;
    SystemClock clock_;
};

} // namespace

const std::vector<std::string>& output_format_names() {
    static const std::vector<std::string> names{"raw", "vhdx", "vhdx-fixed", "vhd", "vhd-fixed", "qcow2", "vmdk"};
    return names;
}

std::optional<OutputFormat> parse_output_format(std::string_view name) {
    const std::vector<std::string>& names = output_format_names();
    const auto found = std::ranges::find(names, name);
    return found == names.end() ? std::nullopt : std::optional(static_cast<OutputFormat>(found - names.begin()));
}

OutputFormat output_format_of(const std::string& path) {
    const std::string extension = std::filesystem::path(path).extension().string();
    return extension.empty() ? OutputFormat::raw : parse_output_format(std::string_view(extension).substr(1)).value_or(OutputFormat::raw);
}

Result<void> convert_image(FileSystem& files, const Conversion& conversion, const ProgressCallback& progress) {
    return Converter(files, conversion, progress).run();
}

} // namespace rootstock::images
