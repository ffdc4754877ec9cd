#include "images/store_layout.hpp"

#include "images/live_map.hpp"
#include "images/overlay.hpp"
#include "images/reset_disk.hpp"

#include <algorithm>
#include <cstdio>

namespace rootstock::images {
namespace {

constexpr std::size_t longest_name = 63;
constexpr std::string_view disk_suffix = ".vhdx";
constexpr std::string_view reset_suffix = ".reset";

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

/// `file` without `suffix`, when it ends with it.
std::optional<std::string> stem(const std::string& file, std::string_view suffix) {
    return file.ends_with(suffix) ? std::optional(file.substr(0, file.size() - suffix.size())) : std::nullopt;
}

std::string numbered(const std::string& name, unsigned number) { return number == 1 ? name : name + "@" + std::to_string(number); }

} // namespace

bool is_store_name(std::string_view name) {
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    const auto allowed = [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; };
    return !name.empty() && name.size() <= longest_name && plain(name.front()) && std::all_of(name.begin(), name.end(), allowed);
}

Result<void> check_store_name(std::string_view what, std::string_view name) {
    if (is_store_name(name)) {
        return {};
    }
    return make_error(std::errc::invalid_argument, std::string(what) + " cannot be \"" + std::string(name) +
                                                       "\": it starts with a-z or 0-9, goes on with these, '.', '_' and '-', and has at most 63 "
                                                       "characters, for example win11-lab.");
}

std::string version_file(const std::string& image, std::uint32_t number) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "v%04u", number);
    return std::string(version_directory) + image + "/" + text.data() + std::string(disk_suffix);
}

std::string overlay_file(const std::string& machine, OverlayKind kind, unsigned number) {
    return "overlays/" + numbered(machine, number) + std::string(kind == OverlayKind::persistent ? disk_suffix : reset_suffix);
}

std::string volume_file(const std::string& name, unsigned number) { return "volumes/" + numbered(name, number) + std::string(disk_suffix); }

Result<std::unique_ptr<File>> StoreLayout::prepare() {
    for (const char* directory : {"images", "overlays", "volumes"}) {
        if (const Result<void> made = files_.make_directories(path(directory)); !made) {
            return made.error();
        }
    }
    const std::string lock_path = path("lock");
    Result<std::unique_ptr<File>> lock = files_.open(lock_path, files_.exists(lock_path) ? OpenMode::read_write : OpenMode::create_new);
    if (!lock) {
        return lock.error();
    }
    if (const Result<void> locked = (*lock)->lock_exclusive(); !locked) {
        return make_error(std::errc::device_or_resource_busy,
                          "The data directory " + data_ + " is in use by another rootstock server. Stop that one, or give this one a directory of its own.");
    }
    return lock;
}

Result<void> StoreLayout::move(const std::string& from, const std::string& to) {
    if (Result<void> renamed = files_.rename(path(from), path(to)); !renamed) {
        return renamed;
    }
    return files_.sync_directory(directory_of(path(to)));
}

/// Not synced: the row is there, and a start that finds the old name does it again.
Result<void> StoreLayout::publish(const std::string& file) { return files_.rename(path(file + std::string(new_suffix)), path(file)); }
Result<void> StoreLayout::finish_publishing(const std::string& file) {
    const bool waits = !files_.exists(path(file)) && files_.exists(path(file + std::string(new_suffix)));
    return waits ? publish(file) : Result<void>();
}
Result<void> StoreLayout::retire(const std::string& file) { return move(file, file + std::string(removed_suffix)); }
Result<void> StoreLayout::bring_back(const std::string& file) { return move(file + std::string(removed_suffix), file); }

Result<void> StoreLayout::move_across(const std::string& from, const std::string& to) {
    if (Result<void> moved = move(from, to); !moved) {
        return moved;
    }
    return files_.sync_directory(directory_of(path(from)));
}

Result<void> StoreLayout::remove_retired(const std::string& file) {
    if (Result<void> removed = files_.remove(path(file + std::string(removed_suffix))); !removed) {
        return removed;
    }
    return remove_disk(files_, path(file)); // what lies beside it
}

Result<void> StoreLayout::recover(const std::set<std::string>& known, Log& log) {
    std::vector<std::string> directories{"overlays", "volumes"};
    const Result<std::vector<std::string>> images = files_.list(path("images"));
    if (!images) {
        return images.error();
    }
    for (const std::string& image : *images) {
        if (is_store_name(image)) {
            directories.push_back("images/" + image);
        }
    }
    if (Result<void> cleared = clear_spool(log); !cleared) {
        return cleared;
    }
    for (const std::string& directory : directories) {
        if (Result<void> recovered = recover_directory(directory, known, log); !recovered) {
            return recovered;
        }
    }
    return {};
}

/// What the source of an import was kept in (unique_temporary_name).
Result<void> StoreLayout::clear_spool(Log& log) {
    const Result<std::vector<std::string>> names = files_.list(data_);
    if (!names) {
        return names.error();
    }
    for (const std::string& name : *names) {
        const bool is_spool = std::any_of(spool_prefixes.begin(), spool_prefixes.end(), [&](std::string_view prefix) { return name.starts_with(prefix); });
        if (!is_spool || !name.ends_with(temporary_suffix)) {
            continue;
        }
        log.info("images.store.rolled_back", {{"file", name}});
        if (Result<void> removed = files_.remove(path(name)); !removed) {
            return removed;
        }
    }
    return {};
}

Result<void> StoreLayout::recover_directory(const std::string& directory, const std::set<std::string>& known, Log& log) {
    const Result<std::vector<std::string>> names = files_.list(path(directory));
    if (!names) {
        return names.error();
    }
    for (const std::string& name : *names) {
        if (Result<void> recovered = recover_file(directory + "/" + name, known, log); !recovered) {
            return recovered;
        }
    }
    return remove_strays(directory, *names);
}

/// What lay beside disks that are gone. Only now: a FILE.removed that came back needs its live map.
Result<void> StoreLayout::remove_strays(const std::string& directory, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        for (const std::string& suffix : {LiveMap::path_of(""), OwnedSectors::path_of("")}) {
            const std::optional<std::string> disk = stem(path(directory + "/" + name), suffix);
            if (!disk || files_.exists(*disk)) {
                continue;
            }
            if (Result<void> removed = files_.remove(path(directory + "/" + name)); !removed) {
                return removed;
            }
        }
    }
    return {};
}

Result<void> StoreLayout::recover_file(const std::string& file, const std::set<std::string>& known, Log& log) {
    if (file.ends_with(temporary_suffix) || file.ends_with(rewritten_suffix)) {
        log.info("images.store.rolled_back", {{"file", file}});
        return files_.remove(path(file));
    }
    for (const std::string_view suffix : {new_suffix, removed_suffix}) {
        const std::optional<std::string> base = stem(file, suffix);
        if (!base) {
            continue;
        }
        const bool wanted = known.contains(*base) && !files_.exists(path(*base));
        log.info(wanted ? "images.store.completed" : "images.store.rolled_back", {{"file", file}});
        return wanted ? move(file, *base) : files_.remove(path(file));
    }
    if (file.ends_with(reset_suffix) && !known.contains(file)) {
        return remove_disk(files_, path(file)); // nothing in it outlives its machine's boot
    }
    if (file.ends_with(disk_suffix) && !known.contains(file)) {
        log.warning("images.store.unknown_file", {{"file", file}});
    }
    return {};
}

} // namespace rootstock::images
