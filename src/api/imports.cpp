#include "api/imports.hpp"

#include "api/errors.hpp"
#include "api/limits.hpp"
#include "api/progress_stream.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace rootstock::api {

Imports::Imports(const Parts& parts, EventHub& hub) : parts_(parts), hub_(hub) {}
Imports::~Imports() = default; // the streams own the imports, and end before the router does

Result<json::object> Imports::import(const ImportRequest& request,
                                     const std::string& name,
                                     const images::ProgressCallback& progress) const {
    const std::string source = shown_source(request.source);
    parts_.log.info("api.import.started", {{"image", name}, {"source", source}});
    const auto version = import_source(parts_, request, name, progress);
    if (!version) {
        parts_.log.warning("api.import.failed",
                           {{"image", name}, {"source", source}, {"reason", version.error().what}});
        return version.error();
    }
    parts_.log.info("api.import.done", {{"image", name}, {"version", version->number}});
    const auto all = parts_.store.images();
    const auto at = all ? std::find_if(all->begin(),
                                       all->end(),
                                       [&](const auto& image) { return image.version.image == name; })
                        : std::vector<images::ImageInfo>::const_iterator();
    const images::ImageInfo image = all && at != all->end() ? *at : images::ImageInfo{*version, 0, {}, {}};
    return json::object{{"image", Model(parts_).image_json(image)}};
}

Result<std::shared_ptr<http::Stream>> Imports::start(const ImportRequest& request,
                                                     const std::string& name) {
    if (const auto usable = check_source(parts_, request.source); !usable) {
        return usable.error();
    }
    return start(name, [this, request, name](const images::ProgressCallback& progress) {
        return import(request, name, progress);
    });
}

Result<std::shared_ptr<http::Stream>> Imports::start(const std::string& name, Work work) {
    if (!fleet::is_valid_store_name(name)) {
        return make_error(
            std::errc::invalid_argument,
            "\"" + name +
                "\" is no name for an image; use small letters, digits, dots, hyphens and "
                "underscores, at most 63");
    }
    std::lock_guard lock(mutex_);
    std::erase_if(running_, [](const Running& running) { return running.stream.expired(); });
    for (const Running& running : running_) {
        if (running.name == name) {
            return make_error(std::errc::operation_in_progress,
                              "image " + name + " is being imported or published already; wait for its end");
        }
    }
    if (running_.size() >= imports_at_once_max) {
        return make_error(std::errc::resource_unavailable_try_again,
                          "two imports are under way; wait for the end of one");
    }
    auto stream = std::make_shared<ProgressStream>([&hub = hub_, work = std::move(work)](const ProgressStream::Tell& tell) {
        const auto result = work([&tell](const images::ImportProgress& progress) {
            return tell({{"done_bytes", progress.done_bytes},
                         {"total_bytes", progress.total_bytes},
                         {"stored_bytes", progress.stored_bytes}});
        });
        hub.images_changed();
        return result ? json::serialize(*result) + "\n" : error_line(result.error());
    });
    running_.push_back({name, stream});
    return std::shared_ptr<http::Stream>(std::move(stream));
}

} // namespace rootstock::api
