#include "images/image_check.hpp"

#include "images/foreign_image.hpp"
#include "images/qemu_img.hpp"
#include "images/unpack.hpp"

namespace rootstock::images {
namespace {

/// Counts the data and keeps nothing: copying into it reads all there is.
class CountingWriter final : public ImageWriter {
  public:
    std::uint64_t needed_bytes(std::uint64_t) const override { return 0; }
    Result<void> write_block(std::uint64_t, Bytes data) override {
        bytes_ += data.size();
        return {};
    }
    Result<void> finish() override { return {}; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    std::uint64_t bytes_ = 0;
};

Error check_cancelled(const std::string& path) { return make_error(std::errc::operation_canceled, "the check of " + path + " was cancelled"); }

Result<void> check_native(FileSystem& files, ImageReport& report, const ProgressCallback& progress) {
    auto reader = ImageReader::open(files, report.path);
    if (!reader) {
        report.problems.push_back(reader.error().what);
        return {};
    }
    const LayerFacts& facts = reader->facts();
    report.kind = facts.kind;
    report.size_bytes = facts.size_bytes;
    report.logical_sector_size = facts.logical_sector_size;
    report.chain.clear();
    for (const std::unique_ptr<ImageLayer>& layer : reader->layers()) {
        const std::string& path = layer->file().path();
        report.chain.push_back(path);
        for (const std::string& problem : layer->facts().problems) {
            report.problems.push_back(path + ": " + problem);
        }
        for (const std::string& note : layer->facts().notes) {
            report.notes.push_back(path + ": " + note);
        }
    }
    CountingWriter counter;
    const auto read = copy_image(*reader, counter, nullptr, progress);
    report.data_bytes = counter.bytes();
    if (!read && read.error().code == std::errc::operation_canceled) {
        return check_cancelled(report.path);
    }
    if (!read) {
        report.problems.push_back(read.error().what);
    }
    return {};
}

Result<void> check_foreign(ImageReport& report, ImageFormat format, const ProgressCallback& progress) {
    const auto facts = qemu_measure(report.path, format);
    if (!facts && facts.error().code == std::errc::not_supported) { // no qemu-img
        return facts.error();
    }
    if (!facts) {
        report.problems.push_back(facts.error().what);
        return {};
    }
    report.size_bytes = facts->virtual_bytes;
    report.logical_sector_size = 512;
    auto problems = qemu_check(report.path, format, progress);
    if (!problems) {
        return problems.error().code == std::errc::operation_canceled ? check_cancelled(report.path) : problems.error();
    }
    for (const std::string& problem : *problems) {
        report.problems.push_back(report.path + ": " + problem);
    }
    return {};
}

} // namespace

Result<ImageReport> check_image(FileSystem& files, const std::string& path, const ProgressCallback& progress) {
    auto file = files.open(path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const auto format = probe_format(**file);
    if (!format) {
        return format.error();
    }
    if (is_packed(*format)) {
        return is_packed_error(path, *format);
    }
    ImageReport report;
    report.path = path;
    report.format = format_name(*format);
    report.chain = {path};
    if (is_foreign(*format)) {
        if (auto alone = check_self_contained(**file, *format); !alone) {
            report.problems.push_back(alone.error().what);
            return report;
        }
    }
    const auto checked = is_foreign(*format) ? check_foreign(report, *format, progress) : check_native(files, report, progress);
    return checked ? Result<ImageReport>(std::move(report)) : Result<ImageReport>(checked.error());
}

} // namespace rootstock::images
