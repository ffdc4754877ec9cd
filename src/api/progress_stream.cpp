#include "api/progress_stream.hpp"

#include "api/limits.hpp"

#include <boost/json/serialize.hpp>

#include <utility>

namespace rootstock::api {

ProgressStream::ProgressStream(Work work)
    : thread_([this, work = std::move(work)] {
          TimePoint last{};
          std::string line = work([this, &last](json::object progress) {
              if (const TimePoint now = SystemClock().now(); now - last >= event_gather) {
                  last = now;
                  note([&] { progress_ = std::move(progress); });
              }
              return !cancelled_;
          });
          note([&] { ended_ = std::move(line); });
      }) {}

ProgressStream::~ProgressStream() {
    cancelled_ = true;
    thread_.join();
}

void ProgressStream::on_ready(http::Wake wake) {
    std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
}

std::optional<std::string> ProgressStream::next() {
    std::lock_guard lock(mutex_);
    if (told_end_) {
        return std::nullopt;
    }
    if (!ended_.empty()) {
        told_end_ = true;
        return ended_;
    }
    if (!progress_) {
        return std::string();
    }
    return json::serialize(json::object{{"progress", *std::exchange(progress_, std::nullopt)}}) + "\n";
}

std::chrono::milliseconds ProgressStream::patience() const {
    return event_heartbeat;
}

template <class Change> void ProgressStream::note(Change change) {
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

} // namespace rootstock::api
