#include "boot/clients.hpp"

#include "boot/limits.hpp"

namespace rootstock::boot {

Clients::Client& Clients::touch(Mac mac) {
    if (const auto known = by_mac_.find(mac); known != by_mac_.end()) {
        recent_.splice(recent_.begin(), recent_, known->second);
        return recent_.front();
    }
    if (recent_.size() >= clients_max) {
        const Client& oldest = recent_.back();
        if (oldest.facts.address) {
            by_address_.erase(*oldest.facts.address);
        }
        by_mac_.erase(oldest.mac);
        recent_.pop_back();
    }
    recent_.emplace_front().mac = mac;
    by_mac_[mac] = recent_.begin();
    return recent_.front();
}

const Clients::Client* Clients::find(Mac mac) const {
    const auto known = by_mac_.find(mac);
    return known == by_mac_.end() ? nullptr : &*known->second;
}

void Clients::asked(Mac mac, std::optional<std::uint16_t> architecture, std::optional<Guid> uuid) {
    std::lock_guard lock(mutex_);
    Client& client = touch(mac);
    if (architecture) {
        client.facts.architecture = architecture;
    }
    if (uuid) {
        client.facts.uuid = uuid;
    }
}

void Clients::acknowledged(Mac mac, Ipv4 address, bool with_loader) {
    std::lock_guard lock(mutex_);
    Client& client = touch(mac);
    if (client.facts.address != address) {
        if (client.facts.address) {
            by_address_.erase(*client.facts.address);
        }
        if (const auto before = by_address_.find(address); before != by_address_.end()) {
            by_mac_.at(before->second)->facts.address.reset(); // the lease has passed on
        }
        client.facts.address = address;
        by_address_[address] = mac;
    }
    if (!with_loader) {
        return;
    }
    const TimePoint now = clock_.now();
    if (now - client.loader_time > loader_to_script_max) {
        client.loader_attempts = 0;
    }
    ++client.loader_attempts;
    client.loader_fetched = false;
    client.loader_time = now;
}

void Clients::fetched_loader(Mac mac) {
    std::lock_guard lock(mutex_);
    Client& client = touch(mac);
    client.loader_fetched = true;
    client.loader_time = clock_.now();
}

void Clients::fetched_script(Mac mac) {
    std::lock_guard lock(mutex_);
    Client& client = touch(mac);
    client.loader_fetched = false;
    client.loader_attempts = 0;
}

bool Clients::runs_our_loader(Mac mac) const {
    std::lock_guard lock(mutex_);
    const Client* client = find(mac);
    return client != nullptr &&
           (client->loader_fetched || client->loader_attempts >= loader_attempts_max) &&
           clock_.now() - client->loader_time <= loader_to_script_max;
}

Clients::Facts Clients::facts(Mac mac) const {
    std::lock_guard lock(mutex_);
    const Client* client = find(mac);
    return client == nullptr ? Facts{} : client->facts;
}

std::optional<Mac> Clients::owner_of(Ipv4 address) const {
    std::lock_guard lock(mutex_);
    const auto at = by_address_.find(address);
    return at == by_address_.end() ? std::nullopt : std::optional(at->second);
}

} // namespace rootstock::boot
