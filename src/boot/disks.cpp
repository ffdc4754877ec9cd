#include "boot/disks.hpp"

#include "block/read_only_device.hpp"
#include "boot/limits.hpp"

#include <algorithm>
#include <limits>

namespace rootstock::boot {

namespace {

using iscsi::EndReason;
using iscsi::LoginStatus;
using Kind = Names::TargetName::Kind;

/// iPXE's sessions have an ISID of the enterprise number of Fen Systems (10019) and two random
/// bytes; Linux (00:02:3d), Windows (40:00:01:37) and all others have their own.
bool is_ipxe(const iscsi::Isid& isid) {
    constexpr std::array<std::uint8_t, 4> fen_systems = {0x40, 0x00, 0x27, 0x23};
    return std::equal(fen_systems.begin(), fen_systems.end(), isid.begin());
}

bool has_logged_in(const fleet::Boot& boot) {
    return std::any_of(boot.stages.begin(), boot.stages.end(), [](const fleet::StageTime& stage) {
        return stage.stage >= fleet::Stage::login;
    });
}

iscsi::Authentication authentication_of(const images::ChapIdentity& chap,
                                        const images::ChapIdentity& mutual) {
    iscsi::Authentication authentication;
    authentication.chap_required = !chap.empty();
    authentication.mutual_user = mutual.user;
    authentication.mutual_secret = mutual.secret;
    return authentication;
}

std::optional<std::string> secret_of(const images::ChapIdentity& chap, std::string_view user) {
    return !chap.empty() && chap.user == user ? std::optional(chap.secret) : std::nullopt;
}

std::shared_ptr<block::BlockDevice> as_allowed(std::shared_ptr<images::Overlay> volume,
                                               const images::VolumeOptions& options) {
    if (options.read_only) {
        return std::make_shared<block::ReadOnlyDevice>(std::move(volume));
    }
    return volume;
}

images::OverlayKind overlay_kind(fleet::Mode mode) {
    return mode == fleet::Mode::reset ? images::OverlayKind::reset
                                      : images::OverlayKind::persistent;
}

} // namespace

/// Reports a session's progress to its boot record. Nothing here blocks: the registry writes stages
/// lazily.
class Disks::Lease final : public iscsi::SessionLease {
  public:
    Lease(Disks& disks, SessionId id, std::string machine, fleet::BootId boot, bool by_os)
        : disks_(disks), id_(id), machine_(std::move(machine)), boot_(boot), by_os_(by_os) {}
    ~Lease() override { disks_.session_over(id_); }

    void started(std::function<void(EndReason)> end) override {
        disks_.sessions_.started(id_, std::move(end));
        disks_.end_fenced(); // the machine may have been replaced since open()
    }
    void first_read() override { stage(fleet::Stage::first_read); }
    void first_write() override {
        if (by_os_ && boot_ != 0) {
            stage(fleet::Stage::running);
            disks_.store_.note_running(machine_);
        }
    }

  private:
    void stage(fleet::Stage stage) {
        if (boot_ != 0) {
            disks_.registry_.boot_stage(boot_, stage, {});
        }
    }

    Disks& disks_;
    const SessionId id_;
    const std::string machine_; // whose disk it is; of a volume: its name, and no boot
    const fleet::BootId boot_;
    const bool by_os_;
};

Disks::Disks(Names names,
             fleet::Registry& registry,
             images::Store& store,
             scsi::ReservationStore& reservations,
             Log& log,
             const Clock& clock,
             DiscoveryAccess discovery,
             LeaseOwner lease_owner)
    : names_(std::move(names)), discovery_(std::move(discovery)),
      lease_owner_(std::move(lease_owner)), registry_(registry), store_(store), log_(log), clock_(clock),
      open_disks_(clock, reservations), listening_(registry.listen([this](const fleet::Change& change) {
          if (change.kind == fleet::Change::Kind::machine_replaced ||
              change.kind == fleet::Change::Kind::machine_removed ||
              change.kind == fleet::Change::Kind::machine_changed) {
              end_fenced();
          }
      })) {}

Disks::~Disks() {
    listening_.reset();
}

// --- who may log in

Disks::Login Disks::find_initiator(std::string_view initiator) const {
    Login login;
    login.view = registry_.view();
    if (const auto name = names_.parse_initiator(initiator)) {
        const fleet::Machine* machine = login.view->find(name->machine);
        if (machine != nullptr && machine->generation == name->generation) {
            login.machine = machine;
        }
    }
    return login;
}

Result<Disks::Login, LoginStatus> Disks::check_machine(const iscsi::LoginRequest& request,
                                                       const std::string& name) const {
    Login login = find_initiator(request.initiator_name);
    if (login.view->find(name) == nullptr) {
        return LoginStatus::not_found;
    }
    if (login.machine == nullptr || login.machine->name != name) {
        const auto older = names_.parse_initiator(request.initiator_name);
        const bool fenced = older && older->machine == name;
        log_.warning(fenced ? "boot.login.fenced" : "boot.login.refused",
                     {{"machine", name},
                      {"initiator", fleet::plain_text(request.initiator_name)},
                      {"address", request.remote_address}});
        return LoginStatus::authorization_failure;
    }
    return login;
}

bool Disks::may_use(const images::VolumeRow& volume,
                    std::string_view initiator,
                    std::string_view address) const {
    const Login login = find_initiator(initiator);
    const std::string_view machine =
        login.machine != nullptr ? std::string_view(login.machine->name) : std::string_view();
    return is_listed(volume.initiators, {initiator, machine, address}, lease_owner_);
}

Result<iscsi::Authentication, LoginStatus> Disks::authorize(const iscsi::LoginRequest& request) {
    if (request.target_name.empty()) {
        return authentication_of(discovery_.chap, discovery_.mutual_chap); // and discover() lists
                                                                           // only what it may use
    }
    const auto target = names_.parse_target(request.target_name);
    if (!target) {
        return LoginStatus::not_found;
    }
    if (target->kind == Kind::volume) { // whether it is on the list: open() looks, in the database
        const auto volume = known_volume(target->name);
        if (!volume) {
            return iscsi::Authentication{};
        }
        auto authentication =
            authentication_of(volume->options.chap, volume->options.mutual_chap);
        if (may_use(*volume, request.initiator_name, request.remote_address)) {
            authentication.moved_to = volume->options.moved_to;
        }
        return authentication;
    }
    iscsi::Authentication authentication;
    const auto login = check_machine(request, target->name);
    if (!login) {
        return login.error();
    }
    authentication.chap_required = true;
    return authentication;
}

/// As last read from the database: good enough to ask for a proof, which open_volume() looks at
/// again.
std::optional<images::VolumeRow> Disks::known_volume(const std::string& name) const {
    const auto volumes = volumes_.get();
    const auto at = std::find_if(volumes->begin(), volumes->end(), [&](const auto& volume) {
        return volume.name == name;
    });
    return at == volumes->end() ? std::nullopt : std::optional(*at);
}

std::optional<std::string> Disks::chap_secret(const iscsi::LoginRequest& request,
                                              std::string_view user) {
    if (request.target_name.empty()) {
        return secret_of(discovery_.chap, user);
    }
    const auto target = names_.parse_target(request.target_name);
    if (target && target->kind == Kind::volume) {
        const auto volume = known_volume(target->name);
        return volume ? secret_of(volume->options.chap, user) : std::nullopt;
    }
    const Login login = find_initiator(request.initiator_name);
    if (!target || login.machine == nullptr) {
        return std::nullopt;
    }
    const auto id = boot_of_chap_user(user, target->name);
    const auto boot = id ? registry_.boot(*id) : std::nullopt;
    if (!boot || boot->machine != login.machine->id ||
        boot->generation != login.machine->generation || boot->chap_secret.empty() ||
        boot->outcome == fleet::BootOutcome::refused) {
        return std::nullopt;
    }
    return boot->chap_secret;
}

std::vector<iscsi::DiscoveredTarget> Disks::discover(const iscsi::LoginRequest& request) {
    std::vector<iscsi::DiscoveredTarget> targets;
    if (const Login login = find_initiator(request.initiator_name); login.machine != nullptr) {
        targets.push_back({names_.machine_target(login.machine->name)});
    }
    for (const images::VolumeRow& volume : *volumes_.get()) {
        if (may_use(volume, request.initiator_name, request.remote_address)) {
            targets.push_back({names_.volume_target(volume.name)});
        }
    }
    return targets;
}

std::vector<std::string> Disks::volume_targets() const {
    std::vector<std::string> names;
    for (const images::VolumeRow& volume : *volumes_.get()) {
        names.push_back(names_.volume_target(volume.name));
    }
    return names;
}

// --- what they get

Result<iscsi::Target, LoginStatus> Disks::open(const iscsi::LoginRequest& request,
                                               std::string_view chap_user) {
    const auto target = names_.parse_target(request.target_name);
    if (!target) {
        return LoginStatus::not_found;
    }
    return target->kind == Kind::machine ? open_machine(request, target->name, chap_user)
                                         : open_volume(request, target->name, chap_user);
}

Result<iscsi::Target, LoginStatus> Disks::open_machine(const iscsi::LoginRequest& request,
                                                       const std::string& name,
                                                       std::string_view user) {
    const Names::TargetName target{Kind::machine, name};
    const auto disk = open_disks_.get(disk_identity(target));
    std::lock_guard changing(disk->changing);
    const auto login =
        check_machine(request, name); // again: it may have been replaced since authorize()
    if (!login) {
        return login.error();
    }
    const fleet::Machine& machine = *login->machine;
    const auto boot = boot_of_chap_user(user, name);
    if (!boot) {
        return LoginStatus::authorization_failure;
    }
    const auto taken = take_over(machine, *boot, *disk);
    if (!taken) {
        return taken.error();
    }
    if (!disk->unit) {
        if (const auto opened = open_machine_unit(machine, *disk); !opened) {
            log_.error(
                "boot.disk.failed",
                {{"machine", name}, {"image", machine.image}, {"reason", opened.error().what}});
            registry_.boot_ended(*boot, fleet::BootOutcome::failed, opened.error().what);
            return LoginStatus::target_error;
        }
    }
    if (*taken) {
        note_version(machine, *boot);
    }
    registry_.boot_stage(*boot, fleet::Stage::login, request.remote_address);
    if (*taken && machine.mode == fleet::Mode::reset) {
        // Whose disk this is must outlive us before its first write is acknowledged: else, after a restart, this boot would be taken for a new
        // one and its disk thrown away.
        if (const auto saved = registry_.save_boot(*boot); !saved) {
            log_.error("boot.disk.failed", {{"machine", name}, {"boot", *boot}, {"reason", saved.error().what}});
            return LoginStatus::out_of_resources;
        }
    }
    if (!is_ipxe(request.isid)) {
        registry_.boot_stage(*boot, fleet::Stage::os_login, request.remote_address);
    }
    {
        std::lock_guard lock(mutex_);
        last_login_[machine.id] = *boot;
    }
    return make_target(request, target, *login, *boot, *disk);
}

Result<void> Disks::open_machine_unit(const fleet::Machine& machine, OpenDisk& disk) {
    const auto version = version_choice_ ? version_choice_(machine)
                                         : Result<std::optional<std::uint32_t>>(std::nullopt);
    if (!version) {
        return version.error();
    }
    auto overlay = store_.open_machine_disk(
        machine.name, machine.image, overlay_kind(machine.mode), *version);
    return overlay ? open_disks_.opened(
                         disk, disk_identity({Kind::machine, machine.name}), std::move(*overlay))
                   : Result<void>(overlay.error());
}

/// For counting how the version does. Who writes the next one is no measure of the last.
void Disks::note_version(const fleet::Machine& machine, fleet::BootId boot) {
    const auto row = store_.machine_disk(machine.name);
    if (row && *row && machine.mode != fleet::Mode::maintenance) {
        registry_.boot_disk(boot, (*row)->image, (*row)->version);
    }
}

/// `boot` is about to use the disk: a newer one than the last ends that one's sessions, and in mode
/// reset throws its overlay away. True: that has happened now; false: it had the disk already.
Result<bool, LoginStatus>
Disks::take_over(const fleet::Machine& machine, fleet::BootId boot, OpenDisk& disk) {
    const fleet::BootId last = last_login(machine);
    if (boot == last) {
        return false;
    }
    if (boot < last) {
        log_.warning("boot.login.superseded",
                     {{"machine", machine.name}, {"boot", boot}, {"newer_boot", last}});
        return LoginStatus::authorization_failure;
    }
    const auto older = SessionTable::on_disk({Kind::machine, machine.name});
    if (!sessions_.end(older, EndReason::replaced_by_newer).empty()) {
        log_.info("boot.login.newer",
                  {{"machine", machine.name}, {"boot", boot}, {"older_boot", last}});
    }
    if (!sessions_.wait_until_gone(older, session_end_max)) {
        log_.error("boot.login.older_stays",
                   {{"machine", machine.name}, {"boot", boot}, {"older_boot", last}});
        return LoginStatus::service_unavailable;
    }
    if (last != 0) {
        registry_.boot_ended(
            last, fleet::BootOutcome::ended, "boot " + std::to_string(boot) + " took over");
    }
    store_.end_copy(machine.name);
    // Opened anew, because image and mode may have changed since.
    auto ready = close({Kind::machine, machine.name}, disk);
    if (ready) {
        ready = open_disks_.forget_reservations(disk_identity({Kind::machine, machine.name}));
    }
    ready = ready ? store_.begin_boot(machine.name, overlay_kind(machine.mode)) : ready;
    if (!ready) {
        log_.error("boot.disk.failed",
                   {{"machine", machine.name}, {"boot", boot}, {"reason", ready.error().what}});
        registry_.boot_ended(boot, fleet::BootOutcome::failed, ready.error().what);
        return LoginStatus::target_error;
    }
    return true;
}

Result<iscsi::Target, LoginStatus> Disks::open_volume(const iscsi::LoginRequest& request,
                                                      const std::string& name,
                                                      std::string_view user) {
    const Names::TargetName target{Kind::volume, name};
    const auto disk = open_disks_.get(disk_identity(target));
    std::lock_guard changing(disk->changing);
    const auto rows = store_.volumes();
    if (!rows) {
        log_.error("boot.volume.failed", {{"volume", name}, {"reason", rows.error().what}});
        return LoginStatus::target_error;
    }
    const auto row = std::find_if(rows->begin(), rows->end(), [&](const images::VolumeRow& volume) {
        return volume.name == name;
    });
    if (row == rows->end()) {
        return LoginStatus::not_found;
    }
    if (!may_use(*row, request.initiator_name, request.remote_address)) {
        log_.warning("boot.volume.refused",
                     {{"volume", name},
                      {"initiator", fleet::plain_text(request.initiator_name)},
                      {"address", request.remote_address}});
        return LoginStatus::authorization_failure;
    }
    if (row->options.chap.user != user) { // CHAP came or went since authorize()
        return LoginStatus::authentication_failure;
    }
    if (const auto opened = open_volume_unit(*row, *disk); !opened) {
        log_.error("boot.volume.failed", {{"volume", name}, {"reason", opened.error().what}});
        return LoginStatus::target_error;
    }
    return make_target(request, target, find_initiator(request.initiator_name), 0, *disk);
}

/// Fine when it is open.
Result<void> Disks::open_volume_unit(const images::VolumeRow& row, OpenDisk& disk) {
    if (disk.unit) {
        return {};
    }
    auto overlay = store_.open_volume_disk(row.name);
    if (!overlay) {
        return overlay.error();
    }
    const std::string identity = disk_identity({Kind::volume, row.name});
    if (row.options.kind == images::VolumeKind::cdrom) {
        OpenDisks::opened_cdrom(disk, identity, std::move(*overlay));
        return {};
    }
    return open_disks_.opened(disk, identity, as_allowed(std::move(*overlay), row.options));
}

iscsi::Target Disks::make_target(const iscsi::LoginRequest& request,
                                 Names::TargetName name,
                                 const Login& login,
                                 fleet::BootId boot,
                                 const OpenDisk& disk) {
    Session session;
    session.disk = std::move(name);
    session.target = request.target_name;
    session.initiator = request.initiator_name;
    session.address = request.remote_address;
    session.portal = request.portal_address;
    session.isid = request.isid;
    if (login.machine != nullptr) {
        session.machine = login.machine->id;
        session.generation = login.machine->generation;
    }
    session.boot = boot;
    session.since = clock_.wall();
    iscsi::Target target;
    target.units.push_back({0, disk.unit});
    session.id = sessions_.add(session);
    target.lease = std::make_unique<Lease>(*this, session.id, session.disk.name, boot, !is_ipxe(request.isid));
    tell(session);
    return target;
}

/// The newest boot of the present PC that had the disk: from the boot records after a restart.
fleet::BootId Disks::last_login(const fleet::Machine& machine) {
    {
        std::lock_guard lock(mutex_);
        if (const auto known = last_login_.find(machine.id); known != last_login_.end()) {
            return known->second;
        }
    }
    const auto boots = registry_.boots(machine.id, std::numeric_limits<std::size_t>::max());
    const auto newest = std::find_if(boots.begin(), boots.end(), has_logged_in);
    return newest == boots.end() ? 0 : newest->id;
}

} // namespace rootstock::boot
