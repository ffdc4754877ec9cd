#include "boot/files.hpp"

#include "assets/assets.hpp"
#include "boot/limits.hpp"

namespace rootstock::boot {

namespace {

Result<std::shared_ptr<const ByteVector>> read_whole(images::FileSystem& files,
                                                     const std::string& path) {
    auto file = files.open(path, images::OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const auto size = (*file)->size();
    if (!size) {
        return size.error();
    }
    if (*size > override_file_bytes_max) {
        return make_error(std::errc::file_too_large,
                          path + " is too large for a loader; the limit is 32 MiB");
    }
    auto bytes = std::make_shared<ByteVector>(static_cast<std::size_t>(*size));
    if (auto read = (*file)->read_at(0, *bytes); !read) {
        return read.error();
    }
    return std::shared_ptr<const ByteVector>(std::move(bytes));
}

} // namespace

Files::Files(fleet::Registry& registry, Clients& clients, Log& log)
    : registry_(registry), clients_(clients), log_(log) {}

Result<void> Files::load_overrides(images::FileSystem& files, const std::string& folder) {
    Overrides overrides;
    if (!folder.empty()) {
        const auto names = files.list(folder);
        if (!names) {
            return names.error();
        }
        for (const std::string& name : *names) {
            if (overrides.size() == override_files_max) {
                return make_error(std::errc::argument_list_too_long,
                                  folder + " holds more than " +
                                      std::to_string(override_files_max) +
                                      " files; keep only loaders there");
            }
            const std::string path = folder + "/" + name;
            auto bytes = read_whole(files, path);
            if (!bytes) {
                return bytes.error();
            }
            log_.info("boot.loader.override",
                      {{"name", name}, {"path", path}, {"size", (*bytes)->size()}});
            overrides.emplace(name, std::move(*bytes));
        }
    }
    overrides_.publish(std::move(overrides));
    return {};
}

std::optional<tftp::File> Files::lookup(std::string_view name) const {
    const auto overrides = overrides_.get();
    if (const auto at = overrides->find(name); at != overrides->end()) {
        return tftp::File{*at->second, at->second};
    }
    if (const auto asset = assets::find("ipxe/" + std::string(name))) {
        return tftp::File{*asset, nullptr};
    }
    return std::nullopt;
}

std::optional<tftp::File> Files::find(std::string_view name, std::string_view client) {
    auto file = lookup(name);
    if (!file) {
        log_.info("boot.loader.unknown", {{"name", fleet::plain_text(name)}, {"client", client}});
    }
    return file;
}

void Files::delivered_by(std::string_view name,
                         std::string_view client,
                         std::string_view protocol) {
    const auto address = Ipv4::parse(client);
    const auto mac = address ? clients_.owner_of(*address) : std::nullopt;
    if (!mac) {
        return; // leased by another server, or not a PC
    }
    clients_.fetched_loader(*mac);
    registry_.stage(*mac, fleet::Stage::loader, std::string(name) + " by " + std::string(protocol));
}

} // namespace rootstock::boot
