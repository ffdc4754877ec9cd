#include "api/event_hub.hpp"

#include "api/limits.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace rootstock::api {

namespace {

std::string event_text(std::uint64_t id, std::string_view name, const json::value& data) {
    return "id: " + std::to_string(id) + "\nevent: " + std::string(name) +
           "\ndata: " + json::serialize(data) + "\n\n";
}

json::value list_or_error(const char* name, const Result<json::array>& rows) {
    return json::object{{name, rows ? *rows : json::array()}};
}

} // namespace

/// One reader of the stream.
class EventHub::Listener final : public http::Stream {
  public:
    Listener(const Parts& parts, const Model& model) : parts_(parts), model_(model) {}

    void on_ready(http::Wake wake) override {
        std::lock_guard lock(mutex_);
        wake_ = std::move(wake);
    }

    template <class Note> void note(const Note& note) {
        http::Wake wake;
        {
            std::lock_guard lock(mutex_);
            note(dirty_);
            if (!std::exchange(noted_, true)) {
                wake = wake_;
            }
        }
        if (wake) {
            wake();
        }
    }

    std::optional<std::string> next() override {
        const TimePoint now = parts_.clock.now();
        if (!greeted_) {
            greeted_ = true;
            last_sent_ = now;
            return snapshot();
        }
        Dirty dirty;
        {
            std::lock_guard lock(mutex_);
            if (noted_ && !gathering_since_) {
                gathering_since_ =
                    now; // more will come with it: a boot's stages, a change and its log event
            }
            if (!noted_ || now - *gathering_since_ < event_gather) {
                return now - last_sent_ >= event_heartbeat ? heartbeat(now) : std::string();
            }
            gathering_since_.reset();
            noted_ = false;
            dirty = std::exchange(dirty_, {});
        }
        last_sent_ = now;
        return render(dirty);
    }

    std::chrono::milliseconds patience() const override {
        std::lock_guard lock(mutex_);
        return noted_ ? event_gather
                      : std::chrono::duration_cast<std::chrono::milliseconds>(event_heartbeat);
    }

  private:
    std::string heartbeat(TimePoint now) {
        last_sent_ = now;
        return ":\n\n" + event_text(++id_, "status", model_.status());
    }

    std::string snapshot() {
        json::object all{{"status", model_.status()},
                         {"machines", model_.machines()},
                         {"unknown", model_.unknown()},
                         {"sessions", model_.sessions()},
                         {"log", log_rows()}};
        const auto images = model_.images();
        all["images"] = images ? *images : json::array();
        const auto volumes = model_.volumes();
        all["volumes"] = volumes ? *volumes : json::array();
        return event_text(++id_, "snapshot", all);
    }

    json::array log_rows() {
        json::array rows;
        for (const LogEvent& event : parts_.log.latest(log_events_per_send, last_log_)) {
            last_log_ = event.id;
            rows.push_back(Model::log_json(event));
        }
        return rows;
    }

    /// `found` or, when it is gone, "`name`_removed" with `key`.
    void add(std::string& out,
             const char* name,
             const std::optional<json::object>& found,
             const char* key,
             const json::value& id) {
        if (found) {
            out += event_text(++id_, name, *found);
        } else {
            out += event_text(++id_, std::string(name) + "_removed", json::object{{key, id}});
        }
    }

    std::string render(const Dirty& dirty) {
        std::string out;
        for (const std::string& name : dirty.machines) {
            add(out, "machine", model_.machine(name), "name", json::value(name));
        }
        for (const Mac mac : dirty.unknown) {
            add(out, "unknown", model_.unknown(mac), "mac", json::value(mac.text()));
        }
        for (const fleet::BootId id : dirty.boots) {
            if (const auto boot = model_.boot(id)) {
                out += event_text(++id_, "boot", *boot);
            }
        }
        for (const boot::SessionId id : dirty.sessions) {
            add(out, "session", model_.session(id), "id", json::value(id));
        }
        if (dirty.images) {
            out += event_text(++id_, "images", list_or_error("images", model_.images()));
        }
        if (dirty.volumes) {
            out += event_text(++id_, "volumes", list_or_error("volumes", model_.volumes()));
        }
        if (dirty.log) {
            for (const json::value& row : log_rows()) {
                out += event_text(++id_, "log", row);
            }
        }
        return out;
    }

    const Parts& parts_;
    const Model& model_;
    mutable std::mutex mutex_; // guards wake_, dirty_, noted_
    http::Wake wake_;
    Dirty dirty_;
    bool noted_ = false;
    std::optional<TimePoint> gathering_since_;
    bool greeted_ = false;
    TimePoint last_sent_;
    std::uint64_t id_ = 0;
    std::uint64_t last_log_ = 0;
};

EventHub::EventHub(const Parts& parts, const Model& model) : parts_(parts), model_(model) {
    parts_.disks.on_session_change(
        [this](const boot::Session& session) { session_changed(session); });
    parts_.versions.on_change([this] { images_changed(); });
    parts_.log.on_event([this] { note([](Dirty& dirty) { dirty.log = true; }); });
    parts_.store.on_change([this] { images_changed(); });
    listening_ =
        parts_.registry.listen([this](const fleet::Change& change) { registry_changed(change); });
}

EventHub::~EventHub() {
    listening_.reset();
    parts_.log.on_event(nullptr);
    parts_.versions.on_change(nullptr);
    parts_.disks.on_session_change(nullptr);
    parts_.store.on_change(nullptr);
}

std::shared_ptr<http::Stream> EventHub::open() {
    std::lock_guard lock(mutex_);
    std::erase_if(listeners_,
                  [](const std::weak_ptr<Listener>& listener) { return listener.expired(); });
    if (listeners_.size() >= event_streams_max) {
        return nullptr;
    }
    auto listener = std::make_shared<Listener>(parts_, model_);
    listeners_.push_back(listener);
    return listener;
}

template <class Note> void EventHub::note(Note note) {
    std::vector<std::shared_ptr<Listener>> listeners;
    {
        std::lock_guard lock(mutex_);
        for (const auto& listener : listeners_) {
            if (auto alive = listener.lock()) {
                listeners.push_back(std::move(alive));
            }
        }
    }
    for (const auto& listener : listeners) {
        listener->note(note);
    }
}

void EventHub::images_changed() {
    note([](Dirty& dirty) { dirty.images = true; });
}

void EventHub::volumes_changed() {
    note([](Dirty& dirty) { dirty.volumes = true; });
}

void EventHub::registry_changed(const fleet::Change& change) {
    const auto view = parts_.registry.view();
    const fleet::Machine* machine = view->find(change.machine);
    // The name that is proposed for the others is another one now.
    const bool names_change = change.kind == fleet::Change::Kind::machine_assigned ||
                              change.kind == fleet::Change::Kind::machine_removed;
    const auto renamed =
        names_change ? parts_.registry.unknown() : std::vector<fleet::UnknownMachine>();
    note([&](Dirty& dirty) {
        if (!change.machine.empty()) {
            dirty.machines.insert(change.machine);
        }
        if (change.kind == fleet::Change::Kind::boot_changed) {
            dirty.boots.insert(change.boot);
            return;
        }
        if (change.mac) {
            dirty.unknown.insert(*change.mac);
        }
        if (machine != nullptr) { // what it has now was perhaps unknown before
            dirty.unknown.insert(machine->macs.begin(), machine->macs.end());
        }
        for (const fleet::UnknownMachine& other : renamed) {
            dirty.unknown.insert(other.mac);
        }
    });
}

void EventHub::session_changed(const boot::Session& session) {
    note([&session](Dirty& dirty) {
        dirty.sessions.insert(session.id);
        if (session.disk.kind == boot::Names::TargetName::Kind::machine) {
            dirty.machines.insert(session.disk.name);
        } else {
            dirty.volumes = true;
        }
    });
}

} // namespace rootstock::api
