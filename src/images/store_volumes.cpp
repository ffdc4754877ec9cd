// DirectoryStore, the volumes: made, changed, grown, opened, removed.
#include "images/directory_store.hpp"

#include "core/text.hpp"
#include "images/swappable_disk.hpp"
#include "images/memory_volume.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

Error invalid(const std::string& what) { return make_error(std::errc::invalid_argument, what); }

Result<void> check_options(const VolumeOptions& options, std::uint64_t size_bytes) {
    if (options.kind != VolumeKind::cdrom && !is_valid_block_size(options.block_size)) {
        return invalid("A volume's blocks are of 512 or 4096 bytes.");
    }
    constexpr std::uint64_t size_step = std::uint64_t{1} << 20U;
    if (options.kind == VolumeKind::memory_only && (size_bytes == 0 || size_bytes % size_step != 0 || size_bytes > limits::volatile_volume_size)) {
        return invalid("A volatile volume's size is a multiple of 1 MiB up to " + format_size(limits::volatile_volume_size) + ", for example 1G.");
    }
    return check_chap(options.chap, options.mutual_chap);
}

/// Only disks have one in the data directory, but every row wants something unique in its place.
std::string file_of(const std::string& name, VolumeKind kind) {
    return kind == VolumeKind::disk ? volume_file(name) : std::string(kind_name(kind)) + "/" + name;
}

} // namespace

Result<VolumeRow> DirectoryStore::create_volume(const std::string& name, std::uint64_t size_bytes, std::vector<std::string> initiators,
                                                const VolumeOptions& options) {
    if (const Result<void> valid = check_store_name("A volume's name", name); !valid) {
        return valid.error();
    }
    if (const Result<void> valid = check_options(options, size_bytes); !valid) {
        return valid.error();
    }
    const std::shared_ptr<Slot> mine = slot("volume/" + name);
    std::lock_guard one_at_a_time(mine->mutex);
    VolumeRow row{name, size_bytes, file_of(name, options.kind), std::move(initiators), clock_.wall(), options};
    if (options.kind == VolumeKind::cdrom) {
        if (const Result<void> inserted = insert_iso(row); !inserted) {
            return inserted.error();
        }
    }
    if (volume_named(name) || files_.exists(layout_.path(row.file))) {
        return make_error(std::errc::file_exists, "There is a volume " + name + " already. Choose another name, or remove that one.");
    }
    const Result<void> done = options.kind == VolumeKind::disk ? make_volume_file(row) : catalogue_.put_volume(row);
    return done ? Result<VolumeRow>(row) : Result<VolumeRow>(done.error());
}

/// Makes `row` tell of its ISO image as it is now.
Result<void> DirectoryStore::insert_iso(VolumeRow& row) {
    const Result<IsoFacts> facts = inspect_iso(row.options.iso);
    if (!facts) {
        return facts.error();
    }
    row.size_bytes = facts->size_bytes;
    row.iso_modified_ns = facts->modified_ns;
    return {};
}

/// And the row, in the order that lets a restart tell what was done.
Result<void> DirectoryStore::make_volume_file(const VolumeRow& row) {
    Result<void> done = layout_.clear_new(row.file);
    if (done) {
        done = images::create_volume(files_, layout_.path(row.file) + std::string(new_suffix), row.size_bytes, row.options.block_size);
    }
    if (done) {
        done = catalogue_.put_volume(row);
    }
    return done ? layout_.publish(row.file) : done;
}

Result<VolumeRow> DirectoryStore::volume_named(const std::string& name) {
    const Result<std::vector<VolumeRow>> rows = catalogue_.volumes();
    if (!rows) {
        return rows.error();
    }
    const auto found = std::find_if(rows->begin(), rows->end(), [&](const VolumeRow& row) { return row.name == name; });
    return found == rows->end() ? Result<VolumeRow>(not_found("There is no volume " + name + ".")) : *found;
}

Result<void> DirectoryStore::change_volume(const std::string& name, const VolumeChange& change) {
    const std::shared_ptr<Slot> mine = slot("volume/" + name);
    std::lock_guard one_at_a_time(mine->mutex);
    Result<VolumeRow> row = volume_named(name);
    if (!row) {
        return row.error();
    }
    row->initiators = change.initiators.value_or(row->initiators);
    row->options.chap = change.chap.value_or(row->options.chap);
    row->options.mutual_chap = change.mutual_chap.value_or(row->options.mutual_chap);
    row->options.read_only = change.read_only.value_or(row->options.read_only);
    row->options.moved_to = change.moved_to.value_or(row->options.moved_to);
    const bool is_cdrom = row->options.kind == VolumeKind::cdrom;
    Result<void> valid = check_chap(row->options.chap, row->options.mutual_chap);
    if (valid && is_cdrom && !row->options.read_only) {
        valid = invalid("Volume " + name + " is a CD-ROM: nobody can write to it.");
    }
    if (valid && change.iso && !is_cdrom) {
        valid = invalid("Volume " + name + " is no CD-ROM: no ISO image fits in. Make a volume of the image.");
    }
    if (valid && change.iso) {
        row->options.iso = *change.iso;
        valid = insert_iso(*row);
    }
    return valid ? catalogue_.put_volume(*row) : valid;
}

/// The file first: a row that tells of less than there is, is put right when the volume is opened.
Result<void> DirectoryStore::grow_volume(const std::string& name, std::uint64_t size_bytes) {
    const std::shared_ptr<Slot> mine = slot("volume/" + name);
    std::lock_guard one_at_a_time(mine->mutex);
    Result<VolumeRow> row = volume_named(name);
    if (!row) {
        return row.error();
    }
    if (row->options.kind == VolumeKind::cdrom) {
        return make_error(std::errc::not_supported, "Volume " + name + " is a CD-ROM and has the size of its ISO image. Give it another image.");
    }
    if (size_bytes == row->size_bytes) {
        return {};
    }
    if (size_bytes < row->size_bytes) {
        return invalid("Volume " + name + " has " + format_size(row->size_bytes) +
                       " and never shrinks: what is at its end would be lost. Make a smaller one and copy.");
    }
    if (row->options.kind == VolumeKind::memory_only) {
        return make_error(std::errc::not_supported, "Volume " + name + " is volatile and keeps its size. Remove it and make a larger one.");
    }
    if (!row->layer.empty()) {
        return make_error(std::errc::not_supported, "Volume " + name + " stands on snapshots and keeps its size. Make a larger one and copy.");
    }
    if (Result<void> grown = grow_volume_file(*row, *mine, size_bytes); !grown) {
        return grown;
    }
    row->size_bytes = size_bytes;
    return catalogue_.put_volume(*row);
}

/// Also while it is in use: then whatever goes wrong, its sessions go on with what there is.
Result<void> DirectoryStore::grow_volume_file(const VolumeRow& row, Slot& slot, std::uint64_t size_bytes) {
    const std::string path = layout_.path(row.file);
    if (!slot.disk) {
        return images::grow_volume(files_, path, size_bytes);
    }
    Result<void> grown;
    const Result<void> opened = slot.disk->exchange([&](Result<void> closed) {
        grown = closed ? images::grow_volume(files_, path, size_bytes) : closed;
        return open_volume(files_, path);
    });
    return grown ? opened : grown;
}

Result<void> DirectoryStore::remove_volume(const std::string& name) {
    const std::shared_ptr<Slot> mine = slot("volume/" + name);
    std::lock_guard one_at_a_time(mine->mutex);
    const Result<VolumeRow> row = volume_named(name);
    if (!row) {
        return row.error();
    }
    if (mine->in_use()) {
        return busy("Volume " + name + " is in use. End its sessions first.");
    }
    mine->disk.reset();
    mine->memory.reset();
    Result<void> removed = apply_and_remove({.remove_volumes = {name}}, {row->file});
    if (removed) {
        space_.forget("volume/" + name);
    }
    return removed;
}

Result<std::shared_ptr<Overlay>> DirectoryStore::open_volume_disk(const std::string& name) {
    const std::shared_ptr<Slot> mine = slot("volume/" + name);
    std::lock_guard one_at_a_time(mine->mutex);
    const Result<VolumeRow> row = volume_named(name);
    if (!row) {
        return row.error();
    }
    if (!mine->disk) {
        Result<std::shared_ptr<Overlay>> disk = open_volume_of(*row, *mine);
        if (!disk) {
            return disk;
        }
        (*disk)->charge_to(space_.account("volume/" + name));
        mine->disk = std::move(*disk);
    }
    return mine->disk;
}

Result<std::shared_ptr<Overlay>> DirectoryStore::open_volume_of(VolumeRow row, Slot& slot) {
    if (row.options.kind == VolumeKind::memory_only) {
        if (!slot.memory) {
            slot.memory = std::make_shared<block::MemoryDevice>(block::Geometry{row.size_bytes, row.options.block_size, 4096, 0, false}, memory_);
        }
        return std::shared_ptr<Overlay>(std::make_shared<MemoryVolume>(slot.memory));
    }
    if (row.options.kind == VolumeKind::cdrom) {
        return open_iso(files_, row.options.iso, {row.size_bytes, row.iso_modified_ns}, row.name);
    }
    Result<std::shared_ptr<Overlay>> disk = open_writable({{DiskKind::volume, row.name}, row.file, row.layer});
    if (!disk) {
        return disk;
    }
    if (const std::uint64_t size_bytes = (*disk)->geometry().size_bytes; size_bytes != row.size_bytes) { // died in the middle of grow_volume()
        row.size_bytes = size_bytes;
        if (const Result<void> put = catalogue_.put_volume(row); !put) {
            return put.error();
        }
    }
    return std::shared_ptr<Overlay>(std::make_shared<SwappableDisk>(std::move(*disk)));
}

} // namespace rootstock::images
