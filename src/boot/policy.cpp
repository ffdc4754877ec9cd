#include "boot/policy.hpp"

#include "boot/arch.hpp"

namespace rootstock::boot {

namespace {

bool wants_to_boot(const dhcp::ClientFacts& client) {
    return client.is_pxe || client.is_http_client || client.is_ipxe;
}

bool is_unknown(const fleet::MacOwner& owner) {
    return owner.machine == nullptr && owner.retired == nullptr;
}

} // namespace

Policy::Policy(const Settings& settings,
               fleet::Registry& registry,
               const Files& files,
               Clients& clients,
               Log& log)
    : settings_(settings), registry_(registry), files_(files), clients_(clients), log_(log) {}

Policy::Plan Policy::plan(const dhcp::ClientFacts& client, const fleet::MacOwner& owner) const {
    if (!wants_to_boot(client)) {
        return {};
    }
    const bool unknown = is_unknown(owner);
    if (unknown && settings_.unknown == UnknownAction::ignore) {
        return {Answer::silence, {}, {}};
    }
    if (!client.is_ipxe) {
        // Without a boot file the firmware goes on to its next boot device, the disk.
        return unknown && settings_.unknown == UnknownAction::local_disk ? Plan{}
                                                                         : loader_for(client);
    }
    const bool able = client.ipxe_has_iscsi && client.ipxe_has_http;
    if ((settings_.always_chain || !able) && !clients_.runs_our_loader(client.mac)) {
        if (const Plan loader = loader_for(client); loader.answer == Answer::loader || !able) {
            return loader;
        }
    }
    return {Answer::script, {}, {}};
}

Policy::Plan Policy::loader_for(const dhcp::ClientFacts& client) const {
    const Architecture* row = find_architecture(client.architecture.value_or(default_architecture));
    if (row == nullptr) {
        return {Answer::address_only, {}, "a loader for its architecture"};
    }
    for (const std::string_view name : {row->loader, row->other_loader}) {
        if (!name.empty() && files_.has(name)) {
            return {Answer::loader, name, {}};
        }
    }
    return {Answer::address_only, {}, row->loader};
}

bool Policy::is_reserved(Ipv4 address) const { return registry_.view()->reserves(address); }

dhcp::BootDecision Policy::decide(const dhcp::ClientFacts& client) {
    const auto view = registry_.view();
    const fleet::MacOwner owner = view->owner(client.mac);
    const bool present = owner.machine != nullptr && owner.retired == nullptr;
    dhcp::BootDecision decision;
    if (present) {
        decision.host_name = owner.machine->name;
        decision.reserved = owner.machine->address;
        for (const fleet::RetiredMac& retired : owner.machine->retired) {
            decision.predecessors.push_back(retired.mac);
        }
    }
    const Plan what = plan(client, owner);
    switch (what.answer) {
    case Answer::silence:
        decision.answer = false;
        break;
    case Answer::address_only:
        break;
    case Answer::loader:
        decision.boot_file = client.is_http_client
                                 ? settings_.base_url() + "/loaders/" + std::string(what.loader)
                                 : std::string(what.loader);
        break;
    case Answer::script:
        decision.boot_file = settings_.script_url(client.mac);
        break;
    }
    return decision;
}

void Policy::seen_discover(const dhcp::ClientFacts& client) {
    if (!wants_to_boot(client)) {
        return;
    }
    clients_.asked(client.mac, client.architecture, client.uuid);
    registry_.stage(
        client.mac, fleet::Stage::discover, std::string(architecture_name(client.architecture)));
    remember_unknown(client, std::nullopt);
}

void Policy::seen_ack(const dhcp::ClientFacts& client, Ipv4 address) {
    const auto view = registry_.view();
    const Plan what = plan(client, view->owner(client.mac));
    clients_.acknowledged(client.mac, address, what.answer == Answer::loader);
    if (!wants_to_boot(client)) {
        return;
    }
    std::string detail = address.text();
    if (!what.missing.empty()) {
        detail +=
            "; cannot boot: " + std::string(what.missing) + " is missing in the folder of loaders";
        log_.warning("boot.loader.missing",
                     {{"mac", client.mac.text()},
                      {"architecture", architecture_name(client.architecture)},
                      {"loader", what.missing}});
    }
    registry_.stage(client.mac, fleet::Stage::offer, std::move(detail));
    remember_unknown(client, address);
}

void Policy::remember_unknown(const dhcp::ClientFacts& client, std::optional<Ipv4> address) {
    if (settings_.unknown == UnknownAction::ignore ||
        !is_unknown(registry_.view()->owner(client.mac))) {
        return;
    }
    fleet::UnknownMachine unknown;
    unknown.mac = client.mac;
    unknown.uuid = client.uuid;
    unknown.architecture = architecture_name(client.architecture);
    unknown.address = address;
    registry_.saw_unknown(unknown);
}

} // namespace rootstock::boot
