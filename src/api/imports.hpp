// Imports: new versions of images in the making (imports, publications), each on a thread of its own
// (it takes minutes, and the offload pool is for short calls), with its progress as a stream of lines
// (docs/api.md, "Images").
// Threads: thread-safe. The destructor cancels what is under way and waits for it.
#pragma once

#include "api/event_hub.hpp"
#include "api/image_source.hpp"

#include <mutex>
#include <set>

namespace rootstock::api {

class Imports {
  public:
    Imports(const Parts& parts, EventHub& hub);
    ~Imports();

    /// Starts one. Refused: the name is being imported, or too many are under way. When the stream
    /// goes before its end, so does the import.
    [[nodiscard]] Result<std::shared_ptr<http::Stream>> start(const ImportRequest& request,
                                                              const std::string& name);
    /// Any other way to a new version of the image `name`; one at a time. `work` gives the last line.
    using Work = std::function<Result<json::object>(const images::ProgressCallback&)>;
    [[nodiscard]] Result<std::shared_ptr<http::Stream>> start(const std::string& name, Work work);

  private:
    struct Running {
        std::string name;
        std::weak_ptr<http::Stream> stream;
    };
    [[nodiscard]] Result<json::object> import(const ImportRequest& request,
                                              const std::string& name,
                                              const images::ProgressCallback& progress) const;

    const Parts& parts_;
    EventHub& hub_;
    std::mutex mutex_; // guards running_
    std::vector<Running> running_;
};

} // namespace rootstock::api
