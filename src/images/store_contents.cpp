#include "core/text.hpp"
#include "images/directory_store.hpp"

#include <algorithm>
#include <thread>

namespace rootstock::images {
namespace {

/// What is damaged, or could not be read, is looked at again after this: somebody may have put it right.
constexpr std::chrono::hours verify_retry{1};
/// How often who waits for another verification looks whether it is over, or is not wanted any more.
constexpr std::chrono::milliseconds verify_turn{100};

std::string ranges_text(const std::vector<File::Stretch>& damage) {
    constexpr std::size_t most = 3;
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < std::min(damage.size(), most); ++at) {
        parts.push_back(std::to_string(damage[at].offset) + " to " + std::to_string(damage[at].offset + damage[at].length));
    }
    return join(parts, ", ") + (damage.size() > most ? " and " + std::to_string(damage.size() - most) + " more" : "");
}

std::string_view health_text(LayerHealth health) {
    switch (health) {
    case LayerHealth::intact: return "is as it was";
    case LayerHealth::displaced: return "was removed or replaced by another file";
    case LayerHealth::changed: return "was written to or truncated";
    }
    return {};
}

/// `image verify` for what is an image's, else all of them.
std::string remedy_of(const std::string& layer) {
    const std::string_view image = std::string_view(layer).substr(std::min(layer.size(), version_directory.size()));
    const bool is_version = layer.starts_with(version_directory);
    return "put a sound copy in its place, then run `rootstock " +
           (is_version ? "image verify " + std::string(image.substr(0, image.find('/'))) : std::string("store check --deep")) + "`.";
}

} // namespace

std::string DirectoryStore::users_of(const std::string& layer) {
    const auto tree = LayerTree::read(catalogue_);
    return tree ? join(tree->users(layer), ", ") : std::string();
}

bool DirectoryStore::is_changed(const LayerRow& layer) {
    const auto open = open_files_.all();
    const std::string path = layout_.path(layer.file);
    return std::ranges::any_of(open, [&](const auto& file) {
        return file->path() == path && file->identity() == layer.identity && file->health() == LayerHealth::changed;
    });
}

Result<std::optional<ContentState>> DirectoryStore::state_of(const std::string& layer, const Guid& data_write_guid) {
    auto state = catalogue_.contents().find(layer);
    if (state && *state && (*state)->data_write_guid != data_write_guid) {
        state->reset();
    }
    return state;
}

/// The file was found sound: whoever opens a disk on it next gets it as it is now.
void DirectoryStore::forget_changed(const std::string& layer) {
    const std::string path = layout_.path(layer);
    open_files_.forget(path);
    std::lock_guard lock(mutex_);
    std::erase_if(masters_, [](const auto& entry) { return entry.second->health() == LayerHealth::changed; });
}

/// What the last verification found counts until another one finds the file sound.
Result<void> DirectoryStore::check_sound(const LayerRow& layer) {
    const auto state = state_of(layer.file, layer.identity.data_write_guid);
    if (!state) {
        return state.error();
    }
    if (*state && !(*state)->damage.empty()) {
        return make_error(std::errc::illegal_byte_sequence,
                          layout_.path(layer.file) + " is damaged in the bytes " + ranges_text((*state)->damage) + ": " + remedy_of(layer.file));
    }
    if (is_changed(layer)) { // its identity may be the right one all the same
        return make_error(std::errc::illegal_byte_sequence, layout_.path(layer.file) + " was written to or truncated while it was open: " + remedy_of(layer.file));
    }
    return {};
}

Result<void> DirectoryStore::check_sound(const std::vector<LayerRow>& chain) {
    for (const LayerRow& layer : chain) {
        if (Result<void> sound = check_sound(layer); !sound) {
            return sound;
        }
    }
    return {};
}

/// As who has it open found it within the last second; else what its name leads to is looked at, but not read.
std::string DirectoryStore::problem_of(const LayerRow& layer) {
    const std::string path = layout_.path(layer.file);
    const auto all = open_files_.all();
    const auto open = std::ranges::find_if(all, [&](const auto& file) { return file->path() == path && file->identity() == layer.identity; });
    if (open != all.end()) {
        const LayerHealth health = (*open)->health();
        return health == LayerHealth::intact ? std::string() : layer.file + " " + std::string(health_text(health));
    }
    const auto file = files_.open(path, OpenMode::read_only);
    const auto size = file ? (*file)->size() : Result<std::uint64_t>(file.error());
    if (!size) {
        return layer.file + " cannot be opened";
    }
    return *size == layer.identity.file_size ? std::string() : layer.file + " " + std::string(health_text(LayerHealth::changed));
}

Result<LayerContent> DirectoryStore::content_of(const LayerTree& tree, const LayerRow& layer) {
    const auto state = state_of(layer.file, layer.identity.data_write_guid);
    if (!state) {
        return state.error();
    }
    LayerContent content{layer.file, *state};
    const auto chain = tree.chain(layer.file);
    for (const LayerRow& row : chain ? *chain : std::vector<LayerRow>{layer}) {
        content.problem = content.problem.empty() && row.origin.empty() ? problem_of(row) : content.problem;
    }
    std::lock_guard lock(progress_mutex_);
    content.verifying = verifying_ == layer.file;
    content.verified_bytes = content.verifying ? verified_bytes_ : 0;
    return content;
}

void DirectoryStore::on_change(std::function<void()> listener) {
    std::lock_guard lock(progress_mutex_);
    listener_ = std::move(listener);
}

void DirectoryStore::tell_change() {
    std::lock_guard lock(progress_mutex_);
    if (listener_) {
        listener_();
    }
}

/// `layer` empty: over.
void DirectoryStore::note_verifying(const std::string& layer, std::uint64_t bytes) {
    std::lock_guard lock(progress_mutex_);
    verifying_ = layer;
    verified_bytes_ = bytes;
    if (listener_) {
        listener_();
    }
}

Result<std::vector<ContentState>> DirectoryStore::verify_version(const std::string& image, std::uint32_t number, const PieceProgress& progress) {
    const auto my_turn = verification_turn(progress, 0);
    if (!my_turn) {
        return my_turn.error();
    }
    const auto version = find_version(image, number == 0 ? std::nullopt : std::optional(number));
    if (!version) {
        return version.error();
    }
    const auto tree = LayerTree::read(catalogue_);
    const auto chain = tree ? tree->chain(version->file) : Result<std::vector<LayerRow>>(tree.error());
    if (!chain) {
        return chain.error();
    }
    std::vector<ContentState> states;
    for (const LayerRow& layer : *chain) {
        auto state = verify(layer, progress);
        if (!state) {
            return state.error();
        }
        states.push_back(std::move(*state));
    }
    return states;
}

Result<std::unique_lock<std::mutex>> DirectoryStore::verification_turn(const PieceProgress& progress, std::uint64_t total_bytes) {
    ++waiting_;
    std::unique_lock one_at_a_time(verification_, std::defer_lock);
    bool wanted = true;
    while (wanted && !one_at_a_time.try_lock()) { // no timed mutex: the thread sanitizer of GCC 12 does not know its calls
        std::this_thread::sleep_for(verify_turn);
        wanted = !progress || progress(0, total_bytes);
    }
    --waiting_;
    if (!wanted) {
        return make_error(std::errc::operation_canceled, "the verification was cancelled");
    }
    return one_at_a_time;
}

/// Those of the layers that have a digest are read and compared with it; none of them may be damaged then.
Result<void> DirectoryStore::verify_known(const std::vector<LayerRow>& layers, const PieceProgress& progress) {
    for (const LayerRow& layer : layers) {
        const auto state = state_of(layer.file, layer.identity.data_write_guid);
        if (!state) {
            return state.error();
        }
        if (*state) {
            const auto my_turn = verification_turn(progress, layer.identity.file_size);
            const auto verified = my_turn ? verify(layer, progress) : Result<ContentState>(my_turn.error());
            if (!verified) {
                return verified.error();
            }
        }
    }
    return check_sound(layers);
}

Result<ContentState> DirectoryStore::verify(const LayerRow& layer, const PieceProgress& progress) {
    const auto file = files_.open(layout_.path(layer.file), OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const auto known = state_of(layer.file, layer.identity.data_write_guid);
    if (!known) {
        return known.error();
    }
    const auto digest = *known ? catalogue_.contents().digest(layer.file) : Result<std::optional<ContentDigest>>(std::nullopt);
    if (!digest) {
        return digest.error();
    }
    log_.info("images.verify.started", {{"file", layer.file}, {"bytes", layer.identity.file_size}});
    std::uint64_t told_bytes = 0;
    const PieceProgress noted = [&](std::uint64_t done, std::uint64_t total) {
        if (done == 0 || done == total || done - told_bytes >= total / 100) {
            told_bytes = done;
            note_verifying(layer.file, done);
        }
        return !progress || progress(done, total);
    };
    const Result<void> verified = *digest ? compare(layer, **file, **digest, noted) : take_digest(layer, **file, noted);
    note_verifying({}, 0);
    if (!verified) {
        return verified.error();
    }
    const auto state = catalogue_.contents().find(layer.file);
    if (!state) {
        return state.error();
    }
    return *state ? Result<ContentState>(**state) : not_found(layer.file + " was removed while it was verified.");
}

/// For a file that was made without one: what it holds now is taken for right, if its identity is.
Result<void> DirectoryStore::take_digest(const LayerRow& layer, File& file, const PieceProgress& progress) {
    if (const auto opened = LayerFile::open(files_, {file.path(), layer.identity}); !opened) {
        return opened.error();
    }
    if (is_changed(layer)) {
        return make_error(std::errc::illegal_byte_sequence,
                          file.path() + " was written to, and no digest tells what it was: import the image again under another name");
    }
    if (const auto synced = file.sync_data(); !synced) { // a hole that is not durable yet would be data again after a power loss
        return synced;
    }
    const auto digest = digest_file(file, progress);
    if (!digest) {
        return digest.error();
    }
    log_.info("images.verify.recorded", {{"file", layer.file}, {"digest", digest->root()}});
    return catalogue_.contents().put({layer.file, layer.identity.data_write_guid, *digest, clock_.wall()});
}

Result<void> DirectoryStore::compare(const LayerRow& layer, File& file, const ContentDigest& digest, const PieceProgress& progress) {
    const auto damage = compare_file(file, digest, progress);
    if (!damage) {
        return damage.error();
    }
    if (damage->empty()) {
        log_.info("images.verify.done", {{"file", layer.file}, {"bytes", digest.file_size}});
        forget_changed(layer.file);
    } else {
        log_.error("images.master.damaged", {{"file", layer.file}, {"bytes", ranges_text(*damage)}, {"machines", users_of(layer.file)}});
    }
    return catalogue_.contents().note_verified(layer.file, clock_.wall(), *damage);
}

Result<void> DirectoryStore::verify_due(std::chrono::seconds period, const PieceProgress& progress) {
    std::lock_guard one_at_a_time(verification_);
    const auto layers = catalogue_.layers();
    if (!layers) {
        return layers.error();
    }
    for (const LayerRow& layer : *layers) {
        const auto state = state_of(layer.file, layer.identity.data_write_guid);
        if (!state) {
            return state.error();
        }
        const bool damaged = *state && !(*state)->damage.empty();
        const WallTime last = *state ? (*state)->verified.value_or(layer.created) : WallTime();
        const auto tried = attempts_.find(layer.file);
        const bool waits = tried != attempts_.end() && clock_.wall() - tried->second < verify_retry;
        if (waits || !layer.origin.empty() || (!damaged && clock_.wall() - last < period)) {
            continue;
        }
        attempts_[layer.file] = clock_.wall();
        const auto go_on = [&](std::uint64_t done, std::uint64_t total) { return waiting_ == 0 && (!progress || progress(done, total)); };
        if (const auto verified = verify(layer, go_on); !verified) {
            if (verified.error().code == std::errc::operation_canceled) {
                attempts_.erase(layer.file);
                return {};
            }
            log_.warning("images.verify.failed", {{"file", layer.file}, {"reason", verified.error().what}});
        }
    }
    return {};
}

/// Only of the files that are the layers now: one that was written anew is open as it was, for those who had it, and nobody else's business.
void DirectoryStore::tell_health() {
    const auto open = open_files_.all();
    if (told_.empty() && std::ranges::all_of(open, [](const auto& file) { return file->health() == LayerHealth::intact; })) {
        return;
    }
    const auto layers = catalogue_.layers();
    if (!layers) {
        return; // the database's failure was told; again in a second
    }
    for (const LayerRow& layer : *layers) {
        const std::string path = layout_.path(layer.file);
        const auto found = std::ranges::find_if(open, [&](const auto& file) { return file->path() == path && file->identity() == layer.identity; });
        if (found != open.end()) {
            tell_health(layer, (*found)->health());
        }
    }
}

/// Once for each turn of events.
void DirectoryStore::tell_health(const LayerRow& layer, LayerHealth health) {
    const auto before = told_.find(layer.file);
    if (health == (before == told_.end() ? LayerHealth::intact : before->second)) {
        return;
    }
    tell_change();
    log_.write(health == LayerHealth::intact ? Level::info : Level::error,
               health == LayerHealth::intact ? "images.master.back" : "images.master.touched",
               {{"file", layer.file}, {"what", health_text(health)}, {"machines", users_of(layer.file)}});
    if (health == LayerHealth::intact) {
        told_.erase(layer.file);
        return;
    }
    told_[layer.file] = health;
    if (health == LayerHealth::changed) { // all of it counts as damaged until a verification says better, also after a restart
        if (const auto noted = catalogue_.contents().note_verified(layer.file, clock_.wall(), {{0, layer.identity.file_size}}); !noted) {
            log_.error("images.verify.failed", {{"file", layer.file}, {"reason", noted.error().what}});
        }
    }
}

} // namespace rootstock::images
