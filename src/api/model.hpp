// Model: every resource of the API as JSON (docs/api.md), as it is now. Used by the handlers and by
// the event stream, so that both show the same. CHAP secrets never get here: the registry blanks
// them in what it lists. Threads: thread-safe. images() and volumes() and status() may block, the
// rest does not.
#pragma once

#include "api/json.hpp"
#include "api/parts.hpp"

namespace rootstock::api {

class Model {
  public:
    explicit Model(const Parts& parts) : parts_(parts) {}

    [[nodiscard]] json::object status() const;
    [[nodiscard]] json::array machines() const;
    [[nodiscard]] std::optional<json::object> machine(std::string_view name) const;
    [[nodiscard]] json::array unknown() const;
    [[nodiscard]] std::optional<json::object> unknown(Mac mac) const;
    [[nodiscard]] Result<json::array> images() const;
    [[nodiscard]] Result<json::array> volumes() const;
    [[nodiscard]] json::array sessions() const;
    [[nodiscard]] std::optional<json::object> session(boot::SessionId id) const;
    [[nodiscard]] Result<json::array> leases() const;
    [[nodiscard]] json::array boots(std::optional<fleet::MachineId> machine,
                                    std::size_t most) const;
    [[nodiscard]] std::optional<json::object> boot(fleet::BootId id) const;

    /// What disks take, of what they may: the store, its file system, groups.
    [[nodiscard]] json::object space() const;

    [[nodiscard]] json::object image_json(const images::ImageInfo& image) const;
    [[nodiscard]] json::object release_json(const images::Release& release) const;
    [[nodiscard]] json::object publication_json(const boot::Publication& publication) const;
    [[nodiscard]] static json::object warm_json(const images::WarmState& warm);
    [[nodiscard]] static json::object content_json(const images::LayerContent& content);
    [[nodiscard]] static json::object log_json(const LogEvent& event);

    /// A name for the next machine: the last one's, counted up ("lab1-07" -> "lab1-08"); "pc-01"
    /// when there is none.
    [[nodiscard]] static std::string proposed_name(const fleet::FleetView& view);

  private:
    struct Seen { // taken once for a whole list
        std::shared_ptr<const fleet::FleetView> view;
        std::vector<boot::Session> sessions;
    };
    [[nodiscard]] Seen look() const { return {parts_.registry.view(), parts_.disks.sessions()}; }
    [[nodiscard]] json::object machine_json(const fleet::Machine& machine, const Seen& seen) const;
    [[nodiscard]] json::object boot_json(const fleet::Boot& boot,
                                         const fleet::FleetView& view) const;
    [[nodiscard]] json::object unknown_json(const fleet::UnknownMachine& unknown,
                                            const std::string& proposed) const;
    [[nodiscard]] json::array versions_json(const std::string& image) const;
    [[nodiscard]] json::array releases_json(const std::string& image) const;
    [[nodiscard]] json::value maintenance_json(const std::string& image) const;
    [[nodiscard]] static json::object session_json(const boot::Session& session);
    [[nodiscard]] json::object volume_json(const images::VolumeRow& volume, const Seen& seen) const;

    const Parts& parts_;
};

template <class Texts> [[nodiscard]] json::array text_array(const Texts& texts) {
    json::array array;
    for (const auto& text : texts) {
        array.emplace_back(text);
    }
    return array;
}

/// What a machine does right now.
enum class MachineState : std::uint8_t { off, booting, running, failed };
[[nodiscard]] std::string_view state_name(MachineState state);
/// From its newest boot (null: none), the number of its sessions, and the time.
[[nodiscard]] MachineState
machine_state(const fleet::Boot* newest, std::size_t sessions, WallTime now);

} // namespace rootstock::api
