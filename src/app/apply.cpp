#include "app/apply.hpp"

#include "app/applied_values.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

namespace rootstock::app {

namespace {

/// One step, done.
class Performer {
  public:
    Performer(fleet::Registry& registry, images::Store& images, std::string_view by) : registry_(registry), images_(images), by_(by) {}

    Result<void> operator()(const AddMachine& step) const { return dropped(registry_.assign(step.machine, by_)); }
    Result<void> operator()(const ChangeMachine& step) const { return dropped(registry_.change(step.name, step.change, by_)); }
    Result<void> operator()(const RemoveMachine& step) const { return registry_.remove(step.name, by_); }
    Result<void> operator()(const CreateVolume& step) const {
        return dropped(images_.create_volume(step.volume.name, step.volume.size_bytes, step.volume.initiators, step.volume.options));
    }
    Result<void> operator()(const ChangeVolume& step) const { return images_.change_volume(step.name, step.change); }
    Result<void> operator()(const GrowVolume& step) const { return images_.grow_volume(step.name, step.size_bytes); }

  private:
    template <class T> static Result<void> dropped(const Result<T>& result) {
        if (!result) {
            return result.error();
        }
        return {};
    }

    fleet::Registry& registry_;
    images::Store& images_;
    std::string_view by_;
};

/// Object -> why it could not be done.
using Failures = std::map<std::string, std::string>;

/// New volumes depend on nobody, and most of their time is waiting for the disk: many are made at once, so that its flushes count for several of them.
Failures make_volumes(const std::vector<const Step*>& steps, const Performer& performer) {
    constexpr std::size_t at_once = 16;
    std::atomic<std::size_t> next{0};
    std::mutex mutex; // failures
    Failures failures;
    const auto work = [&] {
        for (std::size_t at = next++; at < steps.size(); at = next++) {
            if (const auto done = std::visit(performer, steps[at]->action); !done) {
                const std::lock_guard lock(mutex);
                failures[steps[at]->object] = done.error().what;
            }
        }
    };
    std::vector<std::jthread> makers;
    for (std::size_t i = 0; i < std::min(at_once, steps.size()); ++i) {
        makers.emplace_back(work);
    }
    makers.clear(); // joins
    return failures;
}

/// A seat may only get a MAC or an address once another one has let go of it: goes round until nothing moves any more.
Failures change_others(std::vector<const Step*> waiting, const Performer& performer) {
    Failures failures;
    std::size_t before = 0;
    do {
        before = waiting.size();
        failures.clear();
        std::erase_if(waiting, [&](const Step* step) {
            const auto done = std::visit(performer, step->action);
            if (!done) {
                failures[step->object] = done.error().what;
            }
            return static_cast<bool>(done);
        });
    } while (!waiting.empty() && waiting.size() < before);
    return failures;
}

Failures perform(const std::vector<Step>& steps, const Performer& performer) {
    std::vector<const Step*> new_volumes, others;
    for (const Step& step : steps) {
        (std::holds_alternative<CreateVolume>(step.action) ? new_volumes : others).push_back(&step);
    }
    Failures failures = make_volumes(new_volumes, performer);
    failures.merge(change_others(std::move(others), performer));
    return failures;
}

/// As planned; but what failed counts as not applied.
std::vector<fleet::AppliedValue> remembered(const Plan& plan, const AppliedValues& before, const Failures& failures) {
    std::vector<fleet::AppliedValue> values;
    for (const fleet::AppliedValue& value : plan.applied) {
        if (!failures.contains(value.key.substr(0, value.key.rfind('/')))) {
            values.push_back(value);
        }
    }
    for (const auto& [object, why] : failures) {
        append(values, object, before.values(object));
    }
    return values;
}

} // namespace

Result<Plan> plan_for(const Config& config, const fleet::Registry& registry, fleet::Store& store, images::Store& images) {
    const auto applied = store.load_applied();
    if (!applied) {
        return applied.error();
    }
    auto volumes = images.volumes();
    if (!volumes) {
        return volumes.error();
    }
    auto known = images.images();
    if (!known) {
        return known.error();
    }
    std::map<std::string, Result<images::IsoFacts>> isos;
    for (const VolumeEntry& volume : config.volumes) {
        if (volume.options.kind == images::VolumeKind::cdrom) {
            isos.emplace(volume.options.iso, images.inspect_iso(volume.options.iso));
        }
    }
    const auto view = registry.view();
    return make_plan(config, *applied, {*view, std::move(*volumes), std::move(*known), std::move(isos)});
}

Result<std::vector<std::string>> apply_plan(const Plan& plan, fleet::Registry& registry, fleet::Store& store, images::Store& images,
                                            std::string_view by) {
    const auto before = store.load_applied();
    if (!before) {
        return before.error();
    }
    const Failures failures = perform(plan.steps, Performer(registry, images, by));
    if (auto stored = store.replace_applied(remembered(plan, AppliedValues(*before), failures)); !stored) {
        return stored.error();
    }
    std::vector<std::string> sentences;
    for (const auto& [object, why] : failures) {
        sentences.push_back(object + ": " + why);
    }
    return sentences;
}

} // namespace rootstock::app
