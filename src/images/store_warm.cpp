// DirectoryStore, warm versions: which ones are, and those that the configuration wants.
#include "images/directory_store.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

/// What could not be warmed by itself is tried again after this.
constexpr std::chrono::seconds warm_retry{30};

Error no_trace(const ImageVersion& version) {
    return not_found("Nobody knows yet what version " + std::to_string(version.number) + " of image " + version.image +
                     " boots with: that is recorded at the first boot of a machine on it that comes as far as a running system. Boot one, wait until `rootstock image show " +
                     version.image + "` tells, then try again.");
}

} // namespace

Result<WarmState> DirectoryStore::warm(const std::string& image, std::uint32_t number, const PieceProgress& progress) {
    const auto version = find_version(image, number == 0 ? std::nullopt : std::optional(number));
    if (!version) {
        return version.error();
    }
    const auto trace = catalogue_.traces().find(image, version->number);
    if (!trace) {
        return trace.error();
    }
    return *trace ? warm_version(*version, **trace, false, progress) : Result<WarmState>(no_trace(*version));
}

Result<WarmState> DirectoryStore::warm_version(const ImageVersion& version, const BootTrace& trace, bool by_itself, const PieceProgress& progress) {
    auto master = master_on(version.file);
    if (!master) {
        return master.error();
    }
    auto warmed = warm_.warm(version, std::move(*master), trace.blocks, by_itself, progress);
    if (!warmed) {
        return warmed;
    }
    if (const auto there = find_version(version.image, version.number); !there) { // removed meanwhile
        warm_.cool(version.image, version.number);
        return there.error();
    }
    log_.info("images.warm.done", {{"image", version.image}, {"version", version.number}, {"bytes", warmed->bytes}, {"pinned_bytes", warmed->pinned_bytes}});
    tell_change();
    return warmed;
}

Result<void> DirectoryStore::cool(const std::string& image, std::uint32_t number) {
    {
        const std::lock_guard lock(keep_warm_mutex_);
        if (keep_warm_.contains(image)) {
            return busy("The configuration file keeps image " + image + " warm. Take `warm = true` out of its [[image]], then run `rootstock apply`.");
        }
    }
    let_cool(image, number);
    return {};
}

void DirectoryStore::let_cool(const std::string& image, std::uint32_t number) {
    for (const WarmSet::Held& held : warm_.all()) {
        if (held.image == image && (number == 0 || held.version == number)) {
            warm_.cool(image, held.version);
            log_.info("images.warm.ended", {{"image", image}, {"version", held.version}});
            tell_change();
        }
    }
}

void DirectoryStore::keep_warm(std::set<std::string> images) {
    const std::lock_guard lock(keep_warm_mutex_);
    keep_warm_ = std::move(images);
}

Result<void> DirectoryStore::warm_due(const PieceProgress& progress) {
    std::set<std::string> kept;
    {
        const std::lock_guard lock(keep_warm_mutex_);
        kept = keep_warm_;
    }
    if (kept.empty() && warm_.all().empty()) {
        return {};
    }
    const auto versions = catalogue_.versions();
    if (!versions) {
        return versions.error();
    }
    if (const auto again = warm_rewritten(*versions, progress); !again) {
        return again;
    }
    for (const ImageVersion& version : *versions) {
        if (version.current && kept.contains(version.image)) {
            keep_version_warm(version, progress);
        }
    }
    cool_unwanted(*versions, kept);
    return {};
}

/// A version of which a file was written anew, its own or one below, is read from that file by whoever opens it now: so is what is warm.
Result<void> DirectoryStore::warm_rewritten(const std::vector<ImageVersion>& versions, const PieceProgress& progress) {
    const Result<LayerTree> tree = LayerTree::read(catalogue_);
    if (!tree) {
        return tree.error();
    }
    for (const WarmSet::Held& held : warm_.all()) {
        const auto version = std::ranges::find_if(versions, [&](const auto& row) { return row.image == held.image && row.number == held.version; });
        const auto chain = version == versions.end() ? Result<std::vector<LayerRow>>(std::vector<LayerRow>()) : tree->chain(version->file);
        if (!chain || chain->empty() || std::ranges::equal(*chain, held.chain, {}, &LayerRow::identity)) {
            continue;
        }
        const auto trace = catalogue_.traces().find(held.image, held.version);
        if (!trace) {
            return trace.error();
        }
        let_cool(held.image, held.version);
        if (*trace) {
            const auto warmed = warm_version(*version, **trace, held.by_itself, progress);
            if (!warmed) {
                log_.warning("images.warm.failed", {{"image", held.image}, {"version", held.version}, {"reason", warmed.error().what}});
            }
        }
    }
    return {};
}

/// One that has no trace is no failure: its first boot makes one.
void DirectoryStore::keep_version_warm(const ImageVersion& version, const PieceProgress& progress) {
    const auto failed = warm_failures_.find(version.image);
    const bool waits = failed != warm_failures_.end() && clock_.now() - failed->second < warm_retry;
    if (waits || warm_.state(version.image, version.number)) {
        return;
    }
    const auto trace = catalogue_.traces().find(version.image, version.number);
    const auto warmed = trace && *trace ? std::optional(warm_version(version, **trace, true, progress)) : std::nullopt;
    if (!warmed || *warmed) {
        warm_failures_.erase(version.image);
    } else if (const Error& error = warmed->error(); error.code != std::errc::operation_canceled) {
        if (failed == warm_failures_.end()) { // once, until it works or is not wanted
            log_.warning("images.warm.failed", {{"image", version.image}, {"version", version.number}, {"reason", error.what}});
        }
        warm_failures_[version.image] = clock_.now();
    }
}

/// What the configuration has warmed: of images that it does not name any more, and older versions, once the current one is warm.
void DirectoryStore::cool_unwanted(const std::vector<ImageVersion>& versions, const std::set<std::string>& kept) {
    for (const WarmSet::Held& held : warm_.all()) {
        if (!held.by_itself) {
            continue;
        }
        const auto current = std::ranges::find_if(versions, [&](const auto& row) { return row.image == held.image && row.current; });
        const bool replaced = current != versions.end() && current->number != held.version && warm_.state(held.image, current->number);
        if (!kept.contains(held.image) || replaced) {
            let_cool(held.image, held.version);
        }
    }
}

} // namespace rootstock::images
