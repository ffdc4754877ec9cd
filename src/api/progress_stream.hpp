// ProgressStream: long work on a thread of its own (it takes minutes, and the offload pool is for short calls), with its progress as a stream of lines
// {"progress": {...}} and one last line, the outcome. Threads: thread-safe. Dropping it cancels the work and waits for its end.
#pragma once

#include "api/json.hpp"

#include <atomic>
#include <mutex>
#include <thread>

namespace rootstock::api {

class ProgressStream final : public http::Stream {
  public:
    /// Tells how far it came; false: the work is to stop. Any rate: only the latest is sent.
    using Tell = std::function<bool(json::object progress)>;
    /// Gives the last line, with its newline.
    using Work = std::function<std::string(const Tell& tell)>;

    explicit ProgressStream(Work work);
    ~ProgressStream() override;

    void on_ready(http::Wake wake) override;
    std::optional<std::string> next() override;
    std::chrono::milliseconds patience() const override;

  private:
    template <class Change> void note(Change change);

    std::atomic<bool> cancelled_{false};
    std::mutex mutex_; // guards all below but the thread
    http::Wake wake_;
    std::optional<json::object> progress_; // not sent yet
    std::string ended_; // the last line
    bool told_end_ = false;
    std::thread thread_; // last: uses the rest
};

} // namespace rootstock::api
