#include "boot/scripts.hpp"

#include "boot/script.hpp"

#include <algorithm>
#include <atomic>

namespace rootstock::boot {

namespace {

enum class Standing : std::uint8_t { unknown, present, replaced };

Standing standing_of(const fleet::MacOwner& owner) {
    if (owner.retired != nullptr) {
        return Standing::replaced;
    }
    return owner.machine != nullptr ? Standing::present : Standing::unknown;
}

std::string name_for_unnamed(Mac mac) {
    std::string name = "pc-" + mac.text();
    std::erase(name, ':');
    return name;
}

} // namespace

struct Scripts::Waiter {
    Waiter(fleet::Registry& owner, Mac address, std::function<void()> call)
        : registry(owner), mac(address), wake(std::move(call)),
          standing(standing_of(registry.view()->owner(mac))) {}

    void check() {
        if (standing_of(registry.view()->owner(mac)) != standing) {
            call_once();
        }
    }
    void call_once() {
        if (!called.exchange(true)) {
            wake();
        }
    }

    fleet::Registry& registry;
    const Mac mac;
    const std::function<void()> wake;
    const Standing standing; // when it began to wait
    std::atomic<bool> called{false};
};

Scripts::Scripts(const Settings& settings, fleet::Registry& registry, Clients& clients, Log& log)
    : settings_(settings), registry_(registry), clients_(clients), log_(log),
      listening_(registry.listen([this](const fleet::Change& change) {
          switch (change.kind) {
          case fleet::Change::Kind::machine_assigned:
          case fleet::Change::Kind::machine_changed:
          case fleet::Change::Kind::machine_replaced:
          case fleet::Change::Kind::machine_removed:
              wake_changed();
              break;
          case fleet::Change::Kind::unknown_changed:
          case fleet::Change::Kind::boot_changed:
              break;
          }
      })) {}

std::string Scripts::script(const ScriptRequest& request) {
    clients_.fetched_script(request.mac);
    const auto view = registry_.view();
    const fleet::MacOwner owner = view->owner(request.mac);
    switch (standing_of(owner)) {
    case Standing::unknown:
        return unknown_script(request);
    case Standing::present:
        return disk_script(request, *owner.machine);
    case Standing::replaced:
        return refused_script(request, *owner.machine, *owner.retired);
    }
    return {};
}

std::string Scripts::disk_script(const ScriptRequest& request, const fleet::Machine& machine) {
    if (request.retries) {
        const auto boots = registry_.boots(machine.id, 1);
        if (!boots.empty() && boots.front().outcome == fleet::BootOutcome::failed &&
            !boots.front().reason.empty()) {
            return error_script(settings_, request.mac, machine.name, boots.front().reason);
        }
    }
    const auto boot = registry_.begin_disk_boot(request.mac);
    if (!boot) {
        log_.error("boot.script.failed",
                   {{"machine", machine.name},
                    {"mac", request.mac.text()},
                    {"reason", boot.error().what}});
        return error_script(settings_, request.mac, machine.name, boot.error().what);
    }
    log_.info("boot.script.disk",
              {{"machine", machine.name},
               {"mac", request.mac.text()},
               {"boot", boot->id},
               {"client", request.remote_address}});
    return machine_script(settings_, machine, *boot);
}

std::string Scripts::unknown_script(const ScriptRequest& request) {
    switch (settings_.unknown) {
    case UnknownAction::image:
        return assigned_script(request);
    case UnknownAction::local_disk:
    case UnknownAction::ignore: // it found the URL without our DHCP: let it go on
        remember_unknown(request);
        return local_disk_script(request.mac);
    case UnknownAction::wait:
        break;
    }
    if (!request.waits) {
        log_.info("boot.unknown.waits",
                  {{"mac", request.mac.text()}, {"client", request.remote_address}});
    }
    remember_unknown(request);
    registry_.stage(request.mac, fleet::Stage::script, "waits to be assigned");
    return waiting_script(settings_, request.mac);
}

std::string Scripts::assigned_script(const ScriptRequest& request) {
    fleet::NewMachine machine;
    machine.name = name_for_unnamed(request.mac);
    machine.macs = {request.mac};
    machine.image = settings_.unknown_image;
    if (const auto assigned = registry_.assign(machine, "unknown policy"); !assigned) {
        log_.warning("boot.unknown.not_assigned",
                     {{"mac", request.mac.text()}, {"reason", assigned.error().what}});
        return error_script(settings_, request.mac, "This PC", assigned.error().what);
    }
    log_.info("boot.unknown.assigned",
              {{"mac", request.mac.text()}, {"machine", machine.name}, {"image", machine.image}});
    const auto view = registry_.view();
    const fleet::Machine* assigned = view->owner(request.mac).machine;
    return assigned == nullptr ? waiting_script(settings_, request.mac)
                               : disk_script(request, *assigned);
}

std::string Scripts::refused_script(const ScriptRequest& request,
                                    const fleet::Machine& machine,
                                    const fleet::RetiredMac& retired) {
    const std::string reason = "replaced by " + retired.replaced_by.text();
    if (const auto boot = registry_.stage(retired.mac, fleet::Stage::script, reason); boot != 0) {
        registry_.boot_ended(boot, fleet::BootOutcome::refused, reason);
    }
    if (!request.waits) {
        log_.info("boot.script.replaced",
                  {{"machine", machine.name},
                   {"mac", retired.mac.text()},
                   {"replaced_by", retired.replaced_by.text()}});
    }
    return replaced_script(settings_, machine, retired);
}

void Scripts::remember_unknown(const ScriptRequest& request) {
    const Clients::Facts facts = clients_.facts(request.mac);
    fleet::UnknownMachine unknown;
    unknown.mac = request.mac;
    unknown.uuid = request.uuid ? request.uuid : facts.uuid;
    unknown.manufacturer = request.manufacturer;
    unknown.product = request.product;
    unknown.serial = request.serial;
    unknown.address = Ipv4::parse(request.remote_address);
    registry_.saw_unknown(unknown);
}

bool Scripts::must_wait(const ScriptRequest& request) const {
    if (!request.waits) {
        return false;
    }
    switch (standing_of(registry_.view()->owner(request.mac))) {
    case Standing::unknown:
        return settings_.unknown == UnknownAction::wait;
    case Standing::present:
        return false;
    case Standing::replaced:
        return true;
    }
    return false;
}

std::shared_ptr<void> Scripts::wait(const ScriptRequest& request, std::function<void()> wake) {
    auto waiter = std::make_shared<Waiter>(registry_, request.mac, std::move(wake));
    {
        std::lock_guard lock(mutex_);
        std::erase_if(waiters_, [](const std::weak_ptr<Waiter>& other) { return other.expired(); });
        waiters_.push_back(waiter);
    }
    if (waiter->standing == Standing::unknown) {
        remember_unknown(request);
        registry_.unknown_waiting(request.mac, true);
    }
    if (waiter->standing == Standing::present) {
        waiter->call_once(); // assigned since the caller looked
    } else {
        waiter->check(); // or since it was looked at here, before it was in the list
    }
    return waiter;
}

void Scripts::wake_changed() {
    std::vector<std::shared_ptr<Waiter>> waiting;
    {
        std::lock_guard lock(mutex_);
        for (const auto& waiter : waiters_) {
            if (auto alive = waiter.lock()) {
                waiting.push_back(std::move(alive));
            }
        }
    }
    for (const auto& waiter : waiting) {
        waiter->check();
    }
}

} // namespace rootstock::boot
