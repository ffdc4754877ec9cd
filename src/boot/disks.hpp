// Disks: who may log in to which disk, and the disk behind it (iscsi::TargetProvider). Joins the
// fleet (generations, boots, secrets), the store (overlays, volumes) and the logical units.
//
//   machine disk   initiator name of the machine's present generation, else 0x0202; CHAP with the
//   user and secret of a boot.
//                  A newer boot ends the sessions of the older one, which cannot come back. One
//                  boot may have several sessions (the OS takes over from iPXE; multipath). Mode
//                  reset: the first login of a boot throws the overlay away, its later ones keep
//                  it.
//   volume         the initiators that its list names (volume_access.hpp); CHAP with the volume's own user and secret
//                  when it has one. Another secret counts from the next login on. One that was moved: whoever may use it is sent on.
//   discovery      CHAP when [iscsi] discovery_chap asks for it.
//
// Which boot owns an overlay is the newest boot of the machine that reached the stage "login": it
// is in the database, so a restart of this server is no new boot. A replaced or removed machine's
// sessions end at once. Disks stay open a while after their last session (limits.hpp:
// idle_disk_close); a volume with persistent reservations stays open, because some of them may be
// in memory alone. Reservations that are to survive (APTPL) end with the volume, and with the boot
// of a machine: the next boot, with an ISID of its own, must not be shut out by the last one.
//
// Threads: thread-safe. authorize(), chap_secret(), discover() and sessions() do not block; all
// else may: offload pool.
#pragma once

#include "boot/open_disks.hpp"
#include "boot/session_table.hpp"
#include "boot/volume_access.hpp"
#include "core/log.hpp"
#include "core/snapshot.hpp"
#include "fleet/registry.hpp"
#include "images/store.hpp"

namespace rootstock::boot {

/// What an initiator proves before it may ask which targets there are, and what we prove to it.
struct DiscoveryAccess {
    images::ChapIdentity chap;
    images::ChapIdentity mutual_chap;
};

/// Which version a new disk of the machine stands on; nothing: its image's current one.
using VersionChoice = std::function<Result<std::optional<std::uint32_t>>(const fleet::Machine&)>;

class Disks final : public iscsi::TargetProvider {
  public:
    Disks(Names names,
          fleet::Registry& registry,
          images::Store& store,
          scsi::ReservationStore& reservations,
          Log& log,
          const Clock& clock,
          DiscoveryAccess discovery = {},
          LeaseOwner lease_owner = {});
    /// Before the first login.
    void choose_versions_by(VersionChoice choice) { version_choice_ = std::move(choice); }
    ~Disks() override;

    [[nodiscard]] Result<iscsi::Authentication, iscsi::LoginStatus>
    authorize(const iscsi::LoginRequest& request) override;
    [[nodiscard]] std::optional<std::string> chap_secret(const iscsi::LoginRequest& request,
                                                         std::string_view user) override;
    [[nodiscard]] Result<iscsi::Target, iscsi::LoginStatus>
    open(const iscsi::LoginRequest& request, std::string_view chap_user) override;
    [[nodiscard]] std::vector<iscsi::DiscoveredTarget>
    discover(const iscsi::LoginRequest& request) override;
    /// The target names of all volumes. Any thread; does not block.
    [[nodiscard]] std::vector<std::string> volume_targets() const;

    /// Reads the volumes again: at the start and after each change of them. Ends sessions that are
    /// no longer allowed, or whose volume can be written now and could not before, or the other way
    /// round, has another ISO image, or is reached elsewhere now; tells the others when their volume has grown.
    [[nodiscard]] Result<void> refresh_volumes();

    /// Ends the machine's sessions and throws its overlay away (`machine reset`, `machine remove`).
    /// The boot that had it cannot log in again.
    [[nodiscard]] Result<void> discard_machine_disk(const std::string& machine);
    /// Closes the disk of a machine without sessions, so that the store may lend it out. Refused
    /// while it has some.
    [[nodiscard]] Result<void> release_machine_disk(const std::string& machine);
    /// The same, and does `work` before anybody can log in again. `work` must not change the
    /// machine's PC.
    [[nodiscard]] Result<void> while_released(const std::string& machine,
                                              const std::function<Result<void>()>& work);
    /// Closes a volume that nobody uses and ends its reservations, so that the store may delete it.
    /// Refused while it has sessions.
    [[nodiscard]] Result<void> release_volume(const std::string& volume);

    [[nodiscard]] const Names& names() const { return names_; }
    [[nodiscard]] std::vector<Session> sessions() const { return sessions_.all(); }
    [[nodiscard]] std::optional<Session> session(SessionId id) const { return sessions_.find(id); }
    /// False: there is none with this id.
    bool end_session(SessionId id);
    /// Called when a session began or ended, one call at a time; must be quick and not call back.
    /// Null takes it away, once a call under way has ended.
    void on_session_change(std::function<void(const Session&)> listener);

    /// Closes disks that had no session for a while and notes the end of their boots. Call it every
    /// few seconds.
    void close_idle();
    /// The planned stop, after the last session: closes all disks.
    void close_all();

  private:
    class Lease;
    struct Login {                               // a login that was looked at
        const fleet::Machine* machine = nullptr; // whose initiator name it is
        std::shared_ptr<const fleet::FleetView> view;
    };
    using LoginStatus = iscsi::LoginStatus;

    [[nodiscard]] Result<Login, LoginStatus> check_machine(const iscsi::LoginRequest& request,
                                                           const std::string& name) const;
    [[nodiscard]] Login find_initiator(std::string_view initiator) const;
    [[nodiscard]] std::optional<images::VolumeRow> known_volume(const std::string& name) const;
    [[nodiscard]] bool may_use(const images::VolumeRow& volume,
                               std::string_view initiator,
                               std::string_view address) const;

    [[nodiscard]] Result<iscsi::Target, LoginStatus> open_machine(
        const iscsi::LoginRequest& request, const std::string& name, std::string_view user);
    [[nodiscard]] Result<void> open_machine_unit(const fleet::Machine& machine, OpenDisk& disk);
    void note_version(const fleet::Machine& machine, fleet::BootId boot);
    [[nodiscard]] Result<bool, LoginStatus>
    take_over(const fleet::Machine& machine, fleet::BootId boot, OpenDisk& disk);
    [[nodiscard]] Result<iscsi::Target, LoginStatus> open_volume(
        const iscsi::LoginRequest& request, const std::string& name, std::string_view user);
    [[nodiscard]] Result<void> open_volume_unit(const images::VolumeRow& row, OpenDisk& disk);
    [[nodiscard]] iscsi::Target make_target(const iscsi::LoginRequest& request,
                                            Names::TargetName name,
                                            const Login& login,
                                            fleet::BootId boot,
                                            const OpenDisk& disk);

    [[nodiscard]] Result<void> close(const Names::TargetName& name, OpenDisk& disk);
    [[nodiscard]] fleet::BootId last_login(const fleet::Machine& machine);
    void end_fenced();
    [[nodiscard]] Result<void> reopen_volume(const std::string& name);
    void tell_growth(const std::string& name);
    void session_over(SessionId id);
    void tell(const Session& session);

    const Names names_;
    const DiscoveryAccess discovery_;
    const LeaseOwner lease_owner_;
    VersionChoice version_choice_;
    fleet::Registry& registry_;
    images::Store& store_;
    Log& log_;
    const Clock& clock_;
    SessionTable sessions_;
    std::mutex listener_mutex_; // guards session_changed_, also over its call
    std::function<void(const Session&)> session_changed_;
    Snapshot<std::vector<images::VolumeRow>> volumes_;

    OpenDisks open_disks_;
    std::mutex mutex_; // guards last_login_
    std::map<fleet::MachineId, fleet::BootId> last_login_;
    std::shared_ptr<void> listening_; // last: no change arrives before or after the rest lives
};

} // namespace rootstock::boot
