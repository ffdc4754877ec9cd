#include "api/image_source.hpp"

#include "core/text.hpp"
#include "http/fetch_service.hpp"
#include "images/image_copy.hpp"
#include "images/pending_file.hpp"

#include <algorithm>

namespace rootstock::api {
namespace {

/// Writes what is not zeros; refuses a size for which there is no room before its first byte.
class SparseSink final : public http::FetchSink {
  public:
    SparseSink(images::FileSystem& files, images::File& file, std::string directory)
        : files_(files), file_(file), directory_(std::move(directory)) {}

    Result<void> begin(std::optional<std::uint64_t> size) override {
        const auto space = files_.space(directory_);
        if (space && size && *size > space->free_bytes) {
            return make_error(std::errc::no_space_on_device, "the file has " + format_size(*size) + ", but only " + format_size(space->free_bytes) +
                                                                 " are free in " + directory_);
        }
        size_ = 0;
        return file_.resize(0);
    }
    Result<void> write_at(std::uint64_t offset, Bytes data) override {
        size_ = offset + data.size();
        const bool zeros = std::all_of(data.begin(), data.end(), [](std::uint8_t byte) { return byte == 0; });
        return zeros ? Result<void>() : file_.write_at(offset, data);
    }
    [[nodiscard]] Result<void> finish() const { return file_.resize(size_); }

  private:
    images::FileSystem& files_;
    images::File& file_;
    const std::string directory_;
    std::uint64_t size_ = 0;
};

/// The URL's bytes as a file that is gone with the object.
Result<images::PendingFile> fetch_source(const Parts& parts, const std::string& url, const std::string& ca_file,
                                         const images::ProgressCallback& progress) {
    const auto parsed = http::parse_url(url);
    if (!parsed) {
        return parsed.error();
    }
    const std::string& directory = parts.facts.data_directory;
    auto file = images::PendingFile::create(parts.files, images::unique_temporary_name(directory + "/download"));
    if (!file) {
        return file;
    }
    SparseSink sink(parts.files, file->file(), directory);
    http::FetchOptions options;
    options.ca_file = ca_file;
    Result<void> done = http::fetch(*parsed, options, sink, [&progress](std::uint64_t done_bytes, std::uint64_t total_bytes) {
        return progress({done_bytes, total_bytes, 0});
    });
    done = done ? sink.finish() : done;
    return done ? std::move(file) : Result<images::PendingFile>(done.error());
}

} // namespace

Result<void> check_source(const Parts& parts, const std::string& source) {
    if (http::is_url(source)) {
        const auto url = http::parse_url(source);
        return url ? Result<void>() : url.error();
    }
    if (!source.starts_with('/')) {
        return make_error(std::errc::invalid_argument,
                          "\"source\" must be an absolute path on the server, or a URL; example: \"/srv/win11.img\"");
    }
    return parts.files.exists(source) ? Result<void>()
                                      : make_error(std::errc::invalid_argument, "there is no file " + source + " on the server");
}

std::string shown_source(const std::string& source) {
    const auto url = http::is_url(source) ? http::parse_url(source) : Result<http::Url>(Error{});
    return url ? url->shown() : source;
}

Result<images::ImageVersion> import_source(const Parts& parts, const ImportRequest& request, const std::string& name,
                                           const images::ProgressCallback& progress) {
    if (!http::is_url(request.source)) {
        return parts.store.import({request.source, request.sha256}, name, progress);
    }
    const auto fetched = fetch_source(parts, request.source, request.ca_file, progress);
    return fetched ? parts.store.import({fetched->path(), request.sha256}, name, progress) : Result<images::ImageVersion>(fetched.error());
}

} // namespace rootstock::api
