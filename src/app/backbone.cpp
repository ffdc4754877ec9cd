#include "app/backbone.hpp"

#include "api/router.hpp"
#include "app/apply.hpp"

#include <algorithm>
#include <array>

#include <unistd.h>

namespace rootstock::app {

namespace {

boot::UnknownAction unknown_action(UnknownAction action) {
    switch (action) {
    case UnknownAction::wait:
        return boot::UnknownAction::wait;
    case UnknownAction::local_disk:
        return boot::UnknownAction::local_disk;
    case UnknownAction::ignore:
        return boot::UnknownAction::ignore;
    case UnknownAction::image:
        return boot::UnknownAction::image;
    }
    return boot::UnknownAction::wait;
}

boot::Settings settings_of(const Config& config, const Placement& placement) {
    boot::Settings settings;
    settings.address = placement.address;
    settings.http_port = config.http_port;
    settings.iscsi_port = config.iscsi_port;
    settings.names.iqn_prefix = config.iqn_prefix;
    settings.always_chain = config.always_chain;
    settings.unknown = unknown_action(config.unknown);
    settings.unknown_image = config.unknown_image;
    return settings;
}

std::string_view mode_text(DhcpMode mode) {
    switch (mode) {
    case DhcpMode::server:
        return "server";
    case DhcpMode::proxy:
        return "proxy";
    case DhcpMode::off:
        return "off";
    }
    return "off";
}

/// What volatile volumes may hold together when nobody says: a quarter of the memory, so that the page cache keeps the most.
std::uint64_t memory_share() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page_size = ::sysconf(_SC_PAGESIZE);
    return pages > 0 && page_size > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size) / 4 : images::limits::volatile_bytes;
}

/// This machine's name without its domain; empty when the kernel does not say.
std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) {
        return {};
    }
    const std::string whole = name.data();
    return whole.substr(0, whole.find('.'));
}

} // namespace

Backbone::Backbone(Config config, const Placement& placement, Log& log, const Clock& clock)
    : config_(std::move(config)), clock_(clock), settings_(settings_of(config_, placement)), started_(clock.wall()), log_(log, clock),
      files_(images::make_posix_file_system()), clients_(clock) {}

Backbone::~Backbone() = default;

Result<std::unique_ptr<Backbone>> Backbone::open(Config config, const Placement& placement, Log& log, const Clock& clock) {
    std::unique_ptr<Backbone> backbone(new Backbone(std::move(config), placement, log, clock));
    if (const auto opened = backbone->open_data(); !opened) {
        return opened.error();
    }
    return backbone;
}

Result<void> Backbone::open_data() {
    const std::string& data = config_.server.data;
    if (const auto made = files_->make_directories(data); !made) {
        return Error{made.error().code, "[server] data: " + made.error().what};
    }
    auto database = db::Database::open(data + "/rootstock.db", clock_);
    if (!database) {
        return database.error();
    }
    database_ = std::move(*database);
    leases_ = std::make_unique<boot::LeaseBook>(database_->leases());
    if (const auto loaded = leases_->load(); !loaded) { // DHCP may be off, and volumes ask for the owner of an address all the same
        return loaded.error();
    }
    auto store = images::open_store(*files_, data, database_->images(), log_, clock_, config_.volatile_bytes.value_or(memory_share()));
    if (!store) {
        return store.error();
    }
    store_ = std::move(*store);
    registry_ = std::make_unique<fleet::Registry>(database_->fleet(), random_, clock_);
    if (const auto loaded = registry_->load(); !loaded) {
        return loaded.error();
    }
    loaders_ = std::make_unique<boot::Files>(*registry_, clients_, log_);
    if (const auto loaded = loaders_->load_overrides(*files_, config_.server.loaders); !loaded) {
        return loaded.error();
    }
    scripts_ = std::make_unique<boot::Scripts>(settings_, *registry_, clients_, log_);
    disks_ = std::make_unique<boot::Disks>(settings_.names, *registry_, *store_, database_->reservations(), log_, clock_,
                                           boot::DiscoveryAccess{config_.discovery_chap, config_.discovery_mutual_chap},
                                           [leases = leases_.get()](Ipv4 address) { return leases->owner_of(address); });
    versions_ = std::make_unique<boot::Versions>(*disks_, *registry_, *store_, database_->releases(), *files_, log_, clock_);
    disks_->choose_versions_by([versions = versions_.get()](const fleet::Machine& machine) { return versions->choose(machine); });
    if (const auto recovered = versions_->recover(); !recovered) {
        return recovered.error();
    }
    set_quotas(config_);
    set_warm(config_);
    listening_ = registry_->listen([this](const fleet::Change& change) {
        using Kind = fleet::Change::Kind;
        if (change.kind == Kind::machine_assigned || change.kind == Kind::machine_changed || change.kind == Kind::machine_replaced) {
            set_limits();
        }
    });
    return disks_->refresh_volumes();
}

void Backbone::set_quotas(const Config& config) {
    {
        std::lock_guard lock(limits_mutex_);
        quotas_ = {config.store_quota, config.machine_quota, {}, {}};
        for (const GroupEntry& group : config.groups) {
            quotas_.groups[group.name] = group.quota_bytes;
        }
    }
    set_limits();
}

void Backbone::set_warm(const Config& config) {
    std::set<std::string> images;
    for (const ImageEntry& image : config.images) {
        if (image.warm) {
            images.insert(image.name);
        }
    }
    store_->keep_warm(std::move(images));
}

/// The file's quotas, and the machines' own as they are now.
void Backbone::set_limits() {
    std::lock_guard lock(limits_mutex_);
    images::SpaceLimits limits = quotas_;
    const auto view = registry_->view();
    for (const fleet::Machine& machine : view->machines()) {
        limits.machines[machine.name] = {machine.quota_bytes, machine.group};
    }
    store_->space().set_limits(limits);
}

http::Router Backbone::make_router() {
    api::ServerFacts facts;
    facts.name = config_.server.name;
    facts.config_file = config_.file;
    facts.data_directory = config_.server.data;
    facts.dhcp_mode = mode_text(config_.dhcp.mode);
    facts.host_name = host_name();
    facts.started = started_;
    return api::make_router({*registry_, *store_, *files_, *disks_, *versions_, *scripts_, *loaders_, log_, clock_, settings_, facts,
                             [this] { return leases_->load(); },
                             [this](bool apply) { return plan(true, apply); },
                             [this] { return database_->problems(); }});
}

/// A machine whose image is not there could not boot: the file is refused as a whole, before anything is changed.
Result<void> Backbone::check_images(const Config& wanted) {
    const auto images = store_->images();
    if (!images) {
        return images.error();
    }
    for (const MachineEntry& entry : wanted.machines) {
        const std::string& name = entry.machine.image;
        const auto found = std::find_if(images->begin(), images->end(), [&](const images::ImageInfo& image) { return image.version.image == name; });
        if (found == images->end()) {
            return make_error(std::errc::no_such_file_or_directory,
                              wanted.file + ":" + std::to_string(entry.line) + ": machine " + entry.machine.name + ": there is no image " + name +
                                  ": import it first, `rootstock image import FILE --name " + name + "`");
        }
    }
    return {};
}

Result<api::Plan, api::PlanFailure> Backbone::plan_for_file(const Config& wanted, bool apply) {
    if (const auto there = check_images(wanted); !there) {
        return api::PlanFailure{{}, there.error()};
    }
    auto made = plan_for(wanted, *registry_, database_->fleet(), *store_);
    if (!made) {
        return api::PlanFailure{{}, made.error()};
    }
    api::Plan plan{std::move(made->changes), std::move(made->notes)};
    for (std::string& note : restart_notes(config_, wanted)) {
        plan.notes.push_back(std::move(note));
    }
    if (!apply) {
        return plan;
    }
    set_quotas(wanted);
    set_warm(wanted);
    const auto failures = apply_plan(*made, *registry_, database_->fleet(), *store_, "configuration file");
    if (!failures) {
        return api::PlanFailure{{}, failures.error()};
    }
    if (!failures->empty()) {
        return api::PlanFailure{*failures, make_error(std::errc::invalid_argument, "not everything could be applied")};
    }
    if (const auto refreshed = disks_->refresh_volumes(); !refreshed) {
        return api::PlanFailure{{}, refreshed.error()};
    }
    return plan;
}

Result<api::Plan, api::PlanFailure> Backbone::plan(bool reload, bool apply) {
    std::lock_guard one_at_a_time(plan_mutex_);
    if (!reload) {
        return plan_for_file(config_, apply);
    }
    const auto wanted = load_config(config_.file);
    if (!wanted) {
        return api::PlanFailure{wanted.error(), make_error(std::errc::invalid_argument, config_.file + " has errors")};
    }
    return plan_for_file(*wanted, apply);
}

std::vector<std::string> Backbone::target_names() const {
    std::vector<std::string> names = disks_->volume_targets();
    const auto view = registry_->view();
    for (const fleet::Machine& machine : view->machines()) {
        names.push_back(settings_.names.machine_target(machine.name));
    }
    std::sort(names.begin(), names.end());
    return names;
}

void Backbone::do_chores() {
    disks_->close_idle();
    versions_->tick();
    store_->refresh_masters();
    store_->review_space();
    store_->review_traces();
}

void Backbone::close_disks() {
    disks_->close_all();
    store_->close_all();
    store_->review_traces(); // what ran until now has a trace
}

} // namespace rootstock::app
