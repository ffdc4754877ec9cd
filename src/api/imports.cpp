#include "api/imports.hpp"

#include "api/errors.hpp"
#include "api/limits.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <atomic>
#include <thread>

namespace rootstock::api {

/// One import and its progress. Dropping it cancels the import and waits for its end.
class Imports::Import final : public http::Stream {
  public:
    Import(EventHub& hub, std::string name, Work work)
        : hub_(hub), name_(std::move(name)), work_(std::move(work)), thread_([this] { run(); }) {}
    ~Import() override {
        cancel();
        thread_.join();
    }

    [[nodiscard]] const std::string& name() const { return name_; }
    void cancel() { cancelled_ = true; }

    void on_ready(http::Wake wake) override {
        std::lock_guard lock(mutex_);
        wake_ = std::move(wake);
    }

    std::optional<std::string> next() override {
        std::lock_guard lock(mutex_);
        if (told_end_) {
            return std::nullopt;
        }
        if (!ended_.empty()) {
            told_end_ = true;
            return ended_;
        }
        if (!changed_) {
            return std::string();
        }
        changed_ = false;
        const json::object progress{{"done_bytes", progress_.done_bytes},
                                    {"total_bytes", progress_.total_bytes},
                                    {"stored_bytes", progress_.stored_bytes}};
        return json::serialize(json::object{{"progress", progress}}) + "\n";
    }

    std::chrono::milliseconds patience() const override { return event_heartbeat; }

  private:
    void run() {
        const auto result = work_([this](const images::ImportProgress& progress) {
            tell([&] {
                progress_ = progress;
                changed_ = true;
            });
            return !cancelled_;
        });
        const std::string line = result ? json::serialize(*result) + "\n" : error_line(result.error());
        tell([&] { ended_ = line; });
        hub_.images_changed();
    }

    template <class Change> void tell(Change change) {
        http::Wake wake;
        {
            std::lock_guard lock(mutex_);
            change();
            wake = wake_;
        }
        if (wake) {
            wake();
        }
    }

    EventHub& hub_;
    const std::string name_;
    const Work work_;
    std::atomic<bool> cancelled_{false};
    std::mutex mutex_; // guards all below but the thread
    http::Wake wake_;
    images::ImportProgress progress_;
    bool changed_ = false;
    std::string ended_; // the last line
    bool told_end_ = false;
    std::thread thread_; // last: uses the rest
};

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
    std::erase_if(running_, [](const auto& import) { return import.expired(); });
    for (const auto& running : running_) {
        if (const auto import = running.lock(); import && import->name() == name) {
            return make_error(std::errc::operation_in_progress,
                              "image " + name + " is being imported or published already; wait for its end");
        }
    }
    if (running_.size() >= imports_at_once_max) {
        return make_error(std::errc::resource_unavailable_try_again,
                          "two imports are under way; wait for the end of one");
    }
    auto import = std::make_shared<Import>(hub_, name, std::move(work));
    running_.push_back(import);
    return std::shared_ptr<http::Stream>(std::move(import));
}

} // namespace rootstock::api
