// Registry: the fleet in memory. One writer at a time changes the store first (durable), then publishes an immutable view and tells the
// listeners. Anyone reads the view from any thread without waiting.
#pragma once

#include "core/random.hpp"
#include "core/snapshot.hpp"
#include "fleet/boot_log.hpp"
#include "fleet/lazy_writer.hpp"
#include "fleet/listeners.hpp"
#include "fleet/store.hpp"
#include "fleet/unknown_list.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>

namespace rootstock::fleet {

/// What belongs to a MAC.
struct MacOwner {
    const Machine* machine = nullptr;
    const RetiredMac* retired = nullptr; // set: this PC was replaced
};

/// Immutable. The pointers that it gives live as long as the view.
class FleetView {
  public:
    FleetView() = default;
    explicit FleetView(std::vector<Machine> machines);
    FleetView(const FleetView&) = delete;
    FleetView& operator=(const FleetView&) = delete;
    FleetView(FleetView&&) = default;
    FleetView& operator=(FleetView&&) = default;

    [[nodiscard]] const std::vector<Machine>& machines() const { return machines_; } // in the order of their names
    [[nodiscard]] const Machine* find(std::string_view name) const;
    [[nodiscard]] const Machine* find(MachineId id) const;
    /// A present MAC goes before a retired one.
    [[nodiscard]] MacOwner owner(Mac mac) const;
    /// Some machine has this address for its own.
    [[nodiscard]] bool reserves(Ipv4 address) const { return addresses_.contains(address); }

  private:
    std::vector<Machine> machines_;
    std::map<MachineId, std::size_t> by_id_;
    std::set<Ipv4> addresses_;
    std::map<Mac, std::size_t> by_mac_;
    std::map<Mac, std::pair<std::size_t, std::size_t>> by_retired_mac_;
};

struct NewMachine {
    std::string name;
    std::vector<Mac> macs;
    std::string image;
    Mode mode = Mode::persistent;
    std::optional<Ipv4> address;
    std::optional<std::uint64_t> quota_bytes = {};
    std::string group = {};
};

/// Fields to change; an empty one stays.
struct MachineChange {
    std::optional<std::vector<Mac>> macs;
    std::optional<std::string> image;
    std::optional<Mode> mode;
    std::optional<std::optional<Ipv4>> address;
    std::optional<std::optional<std::uint64_t>> quota_bytes = {};
    std::optional<std::string> group = {};
};

/// Threads: every call is thread-safe. Calls that give a Result block until it is durable (run them in the offload pool); the others do not
/// block. Listeners are called on the changing thread, after publishing, without locks held.
/// Errors: invalid_argument (a bad name, MAC, ...), file_exists (somebody else has it, or it is so already), no_such_file_or_directory (no such
/// machine), or what the store said. The text is for the person who asked.
class Registry {
  public:
    Registry(Store& store, Random& random, const Clock& clock);

    /// Loads machines, unknown machines and recent boots. Once, before anything else.
    [[nodiscard]] Result<void> load();

    [[nodiscard]] std::shared_ptr<const FleetView> view() const { return view_.get(); }

    /// A machine that did not exist. Its MACs stop being unknown.
    [[nodiscard]] Result<Machine> assign(const NewMachine& machine, std::string_view by);
    /// When none of its MACs stays, this is another PC: the same as replace().
    [[nodiscard]] Result<Machine> change(const std::string& name, const MachineChange& change, std::string_view by);
    /// The PC `with` takes the place of the present one: one transaction; generation + 1; the old MACs are retired. `with` may be unknown, or
    /// retired from this same machine (it comes back) or another; a present MAC of another machine is refused with its name.
    [[nodiscard]] Result<Machine> replace(const std::string& name, Mac with, std::string_view by);
    /// Refused for a machine in maintenance.
    [[nodiscard]] Result<void> remove(const std::string& name, std::string_view by);
    /// Mode::maintenance and back to the mode before. In it neither mode nor image can be changed otherwise. Fine when it is so already.
    [[nodiscard]] Result<Machine> begin_maintenance(const std::string& name, std::string_view by);
    [[nodiscard]] Result<Machine> end_maintenance(const std::string& name, std::string_view by);

    /// What was done to something else than a machine, for the audit trail.
    void audit(std::string_view action, std::string_view object, std::string_view detail, std::string_view by);

    // --- unknown machines: bounded (limits.hpp), the one that was silent longest goes first
    void saw_unknown(const UnknownMachine& facts);      // merges with what is known; written lazily
    void unknown_waiting(Mac mac, bool waiting);
    [[nodiscard]] Result<void> forget_unknown(Mac mac);
    [[nodiscard]] std::vector<UnknownMachine> unknown() const;

    // --- boots. Stages are written lazily, in batches; the last ones when the Registry is destroyed.
    /// Of the boot of `mac` that is in progress, or of a new one (begins_new_boot() in boot_log.hpp). For firmware and iPXE only: the DISCOVER of an
    /// operating system must not come here, it would look like another boot. Gives the boot; 0 when this stage begins none.
    BootId stage(Mac mac, Stage stage, std::string detail);
    /// The script of `mac` is rendered: gives the boot (with its CHAP secret) that its login will name; durable once it returns. Asked again before
    /// the login it gives the same boot and secret, after it a new one. Refused for a MAC that is no machine's present one.
    [[nodiscard]] Result<Boot> begin_disk_boot(Mac mac);
    /// With its secret: for the login only, never to be shown or logged.
    [[nodiscard]] std::optional<Boot> boot(BootId id) const;
    void boot_stage(BootId id, Stage stage, std::string detail);
    /// What the boot's disk stands on: for counting how a version does.
    void boot_disk(BootId id, const std::string& image, std::uint32_t version);
    /// What is known of the boot is durable once this returns.
    [[nodiscard]] Result<void> save_boot(BootId id);
    void boot_ended(BootId id, BootOutcome outcome, std::string reason);
    /// Newest first, bounded; the secrets are blank.
    [[nodiscard]] std::vector<Boot> boots(std::optional<MachineId> machine, std::size_t most) const;

    using Listener = fleet::Listener;
    /// The listener lives as long as the returned handle (listeners.hpp).
    [[nodiscard]] std::shared_ptr<void> listen(Listener listener);

  private:
    [[nodiscard]] Moment moment() const { return {clock_.now(), clock_.wall()}; }
    [[nodiscard]] Result<Machine> put(const Machine& machine, std::string_view action, std::string_view detail, std::string_view by);
    [[nodiscard]] Result<Machine> put_changed(const Machine& before, const Machine& after, Change::Kind kind, std::unique_lock<std::mutex> lock,
                                              std::string_view by);
    [[nodiscard]] Result<Machine> set_mode(const std::string& name, bool in_maintenance, std::string_view by);
    void publish(const Machine& machine);
    void tell_boot(BootId id);
    [[nodiscard]] bool write_activity();

    Store& store_;
    Random& random_;
    const Clock& clock_;

    std::mutex change_mutex_; // one change of machines at a time, over the store's call and the publishing
    Snapshot<FleetView> view_;

    std::mutex write_mutex_; // held from the copying of boots to their writing: an older copy must not overwrite a newer one
    mutable std::mutex activity_mutex_; // guards boots_, unknown_ and random_; never held over a call of the store
    BootLog boots_;
    UnknownList unknown_;

    Listeners listeners_;
    LazyWriter writer_; // last, so that it writes what is left before anything else goes
};

} // namespace rootstock::fleet
