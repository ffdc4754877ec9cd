// A TargetProvider with a fixed list of targets, for tests and for the small target program: who may log in is a field, not a database.
#pragma once

#include "iscsi/target_provider.hpp"

#include <atomic>
#include <map>
#include <mutex>

namespace rootstock::test {

class FixedTargets final : public iscsi::TargetProvider {
  public:
    struct Target {
        std::vector<iscsi::Unit> units;
        iscsi::Authentication authentication;
        std::map<std::string, std::string> secrets; // user -> secret
    };

    void add(const std::string& name, Target target) { targets_[name] = std::move(target); }

    Result<iscsi::Authentication, iscsi::LoginStatus> authorize(const iscsi::LoginRequest& request) override {
        if (request.target_name.empty()) {
            return iscsi::Authentication{};
        }
        const auto found = targets_.find(request.target_name);
        if (found == targets_.end()) {
            return iscsi::LoginStatus::not_found;
        }
        return found->second.authentication;
    }

    std::optional<std::string> chap_secret(const iscsi::LoginRequest& request, std::string_view user) override {
        const auto& secrets = targets_.at(request.target_name).secrets;
        const auto found = secrets.find(std::string(user));
        return found == secrets.end() ? std::nullopt : std::optional(found->second);
    }

    Result<iscsi::Target, iscsi::LoginStatus> open(const iscsi::LoginRequest& request, std::string_view) override {
        iscsi::Target target;
        target.units = targets_.at(request.target_name).units;
        target.lease = std::make_unique<Lease>(*this, request.target_name);
        return target;
    }

    std::vector<iscsi::DiscoveredTarget> discover(const iscsi::LoginRequest&) override {
        std::vector<iscsi::DiscoveredTarget> names;
        for (const auto& [name, target] : targets_) {
            names.push_back({name});
        }
        return names;
    }

    /// Sessions that hold a lease.
    [[nodiscard]] int leases() const { return leases_.load(); }
    /// Ends every session that has started.
    void end_all(iscsi::EndReason reason) {
        std::vector<std::function<void(iscsi::EndReason)>> ends;
        {
            const std::lock_guard lock(mutex_);
            ends.swap(ends_);
        }
        for (const auto& end : ends) {
            end(reason);
        }
    }
    std::atomic<int> first_reads{0};
    std::atomic<int> first_writes{0};

  private:
    class Lease final : public iscsi::SessionLease {
      public:
        Lease(FixedTargets& owner, std::string) : owner_(owner) { owner_.leases_.fetch_add(1); }
        ~Lease() override { owner_.leases_.fetch_sub(1); }
        void started(std::function<void(iscsi::EndReason)> end) override {
            const std::lock_guard lock(owner_.mutex_);
            owner_.ends_.push_back(std::move(end));
        }
        void first_read() override { owner_.first_reads.fetch_add(1); }
        void first_write() override { owner_.first_writes.fetch_add(1); }

      private:
        FixedTargets& owner_;
    };

    std::map<std::string, Target> targets_;
    std::atomic<int> leases_{0};
    std::mutex mutex_;
    std::vector<std::function<void(iscsi::EndReason)>> ends_;
};

} // namespace rootstock::test
