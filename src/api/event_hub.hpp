// EventHub: who looks at the event stream (GET /api/v1/events), and what changed for each of them
// since they were last told. Not the changes are kept, but which objects changed: so a slow reader
// costs no more than one entry for each object, and is always shown what is now. Threads:
// thread-safe. Changes are noted on any thread; a stream renders in the offload pool.
#pragma once

#include "api/model.hpp"
#include "http/message.hpp"

#include <mutex>
#include <set>

namespace rootstock::api {

class EventHub {
  public:
    EventHub(const Parts& parts, const Model& model);
    ~EventHub();
    EventHub(const EventHub&) = delete;
    EventHub& operator=(const EventHub&) = delete;

    /// Null: there are too many already (limits.hpp).
    [[nodiscard]] std::shared_ptr<http::Stream> open();

    // What the registry does not tell.
    void images_changed();
    void volumes_changed();

  private:
    class Listener;
    /// What changed for a listener.
    struct Dirty {
        std::set<std::string> machines;
        std::set<Mac> unknown;
        std::set<fleet::BootId> boots;
        std::set<boot::SessionId> sessions;
        bool images = false;
        bool volumes = false;
        bool log = false;
    };
    template <class Note> void note(Note note);
    void registry_changed(const fleet::Change& change);
    void session_changed(const boot::Session& session);

    const Parts& parts_;
    const Model& model_;
    std::mutex mutex_; // guards listeners_
    std::vector<std::weak_ptr<Listener>> listeners_;
    std::shared_ptr<void> listening_; // last: no change arrives before or after the rest lives
};

} // namespace rootstock::api
