#include "core/text.hpp"
#include "images/directory_store.hpp"

#include <algorithm>

namespace rootstock::images {

Result<ImageVersion> DirectoryStore::import(const ImportSource& source, const std::string& name, const ProgressCallback& progress) {
    if (const Result<void> valid = check_store_name("An image's name", name); !valid) {
        return valid.error();
    }
    const std::shared_ptr<Slot> image = slot("image/" + name);
    std::lock_guard one_at_a_time(image->mutex);
    const Result<std::vector<ImageVersion>> versions = catalogue_.versions();
    if (!versions) {
        return versions.error();
    }
    ImageVersion version;
    version.image = name;
    for (const ImageVersion& other : *versions) {
        version.number = other.image == name ? std::max(version.number, other.number) : version.number;
    }
    ++version.number;
    version.file = version_file(name, version.number);
    const std::string path = layout_.path(version.file);
    if (files_.exists(path)) {
        return make_error(std::errc::file_exists, path + " exists but is not in the catalogue. Move it away, then import again.");
    }
    if (const Result<void> made = files_.make_directories(layout_.path("images/" + name)); !made) {
        return made.error();
    }
    if (const Result<void> cleared = layout_.clear_new(version.file); !cleared) {
        return cleared.error();
    }
    const Result<MasterIdentity> identity = import_image(files_, source, path + std::string(new_suffix), progress);
    if (!identity) {
        return identity.error();
    }
    version.identity = *identity;
    version.created = clock_.wall();
    version.current = true;
    Result<void> added = catalogue_.add_version(version);
    if (!added) {
        const Result<void> undone = layout_.clear_new(version.file); // if even that fails, the next start does it
        return added.error();
    }
    added = layout_.publish(version.file);
    return added ? Result<ImageVersion>(version) : Result<ImageVersion>(added.error());
}

Result<std::vector<ImageInfo>> DirectoryStore::images() {
    const Result<std::vector<ImageVersion>> versions = catalogue_.versions();
    if (!versions) {
        return versions.error();
    }
    const Result<std::vector<OverlayRow>> overlays = catalogue_.overlays();
    if (!overlays) {
        return overlays.error();
    }
    std::vector<ImageInfo> infos;
    for (const ImageVersion& version : *versions) {
        if (!version.current) {
            continue;
        }
        ImageInfo info;
        info.version = version;
        for (const OverlayRow& row : *overlays) {
            if (row.image == version.image) {
                info.machines.push_back(row.machine);
            }
        }
        // A file that is gone takes no space; opening it is what reports that.
        if (const Result<std::unique_ptr<File>> file = files_.open(layout_.path(version.file), OpenMode::read_only)) {
            const Result<std::uint64_t> bytes = (*file)->allocated_bytes();
            info.stored_bytes = bytes ? *bytes : 0;
        }
        infos.push_back(std::move(info));
    }
    return infos;
}

Result<void> DirectoryStore::remove_image(const std::string& name) {
    const std::shared_ptr<Slot> image = slot("image/" + name);
    std::lock_guard one_at_a_time(image->mutex);
    std::unique_lock nobody_new(dependence_);
    const Result<std::vector<std::string>> machines = machines_on(name);
    if (!machines) {
        return machines.error();
    }
    if (!machines->empty()) {
        return busy("Image " + name + " is the base of the disks of " + join(*machines, ", ") + ". Reset or remove these machines first.");
    }
    const Result<std::vector<ImageVersion>> all = catalogue_.versions();
    if (!all) {
        return all.error();
    }
    std::vector<std::string> versions;
    for (const ImageVersion& version : *all) {
        if (version.image == name) {
            versions.push_back(version.file);
        }
    }
    if (versions.empty()) {
        return not_found("There is no image " + name + ".");
    }
    for (const std::string& file : versions) {
        if (!files_.exists(layout_.path(file))) {
            continue; // somebody has deleted it by hand: its row goes all the same
        }
        if (const Result<void> retired = layout_.retire(file); !retired) {
            return retired;
        }
    }
    if (Result<void> removed = catalogue_.remove_image(name); !removed) {
        for (const std::string& file : versions) {
            const Result<void> back = layout_.bring_back(file); // if even that fails, the next start does it
        }
        return removed;
    }
    for (const std::string& file : versions) {
        std::lock_guard lock(mutex_);
        masters_.erase(file);
    }
    Result<void> removed;
    for (const std::string& file : versions) {
        const Result<void> gone = layout_.remove_retired(file);
        removed = removed ? gone : removed;
    }
    return removed;
}

Result<std::vector<std::string>> DirectoryStore::machines_on(const std::string& image) {
    const Result<std::vector<OverlayRow>> overlays = catalogue_.overlays();
    if (!overlays) {
        return overlays.error();
    }
    std::vector<std::string> machines;
    for (const OverlayRow& row : *overlays) {
        if (row.image == image) {
            machines.push_back(row.machine);
        }
    }
    return machines;
}

Result<ImageVersion> DirectoryStore::current_version(const std::string& image) {
    const Result<std::vector<ImageVersion>> versions = catalogue_.versions();
    if (!versions) {
        return versions.error();
    }
    const auto found = std::find_if(versions->begin(), versions->end(), [&](const ImageVersion& v) { return v.image == image && v.current; });
    if (found == versions->end()) {
        return not_found("There is no image " + image + ". Import it: rootstock image import FILE --name " + image);
    }
    return *found;
}

Result<std::shared_ptr<Master>> DirectoryStore::master_of(const std::string& image, std::uint32_t number) {
    const Result<std::vector<ImageVersion>> versions = catalogue_.versions();
    if (!versions) {
        return versions.error();
    }
    const auto version = std::find_if(versions->begin(), versions->end(), [&](const ImageVersion& v) { return v.image == image && v.number == number; });
    if (version == versions->end()) {
        return not_found("Version " + std::to_string(number) + " of image " + image + " is not in the catalogue.");
    }
    std::lock_guard lock(mutex_); // opening a master is quick, and must happen once
    std::shared_ptr<Master>& master = masters_[version->file];
    if (!master) {
        Result<std::shared_ptr<Master>> opened = open_master(files_, layout_.path(version->file), version->identity);
        if (!opened) {
            masters_.erase(version->file);
            return unusable_master(*version, opened.error());
        }
        master = std::move(*opened);
    }
    return master;
}

Error DirectoryStore::unusable_master(const ImageVersion& version, const Error& why) {
    const Result<std::vector<std::string>> machines = machines_on(version.image);
    std::string dependents;
    if (machines && !machines->empty()) {
        dependents = " The disks of " + join(*machines, ", ") + " depend on image " + version.image + ".";
    }
    log_.error("images.master.refused", {{"image", version.image}, {"version", version.number}, {"reason", why.what}});
    return {why.code, why.what + dependents};
}

void DirectoryStore::refresh_masters() {
    std::vector<std::shared_ptr<Master>> masters;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [file, master] : masters_) {
            masters.push_back(master);
        }
    }
    for (const std::shared_ptr<Master>& master : masters) {
        master->refresh();
    }
}

} // namespace rootstock::images
