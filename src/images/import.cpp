#include "images/import.hpp"

#include "core/clock.hpp"
#include "core/text.hpp"
#include "images/limits.hpp"
#include "images/probe.hpp"
#include "images/vhdx_create.hpp"

#include <algorithm>
#include <filesystem>

namespace rootstock::images {
namespace {

using namespace vhdx;

constexpr auto progress_interval = std::chrono::milliseconds(250);
constexpr std::uint64_t writeback_step = 64 * mib; // so that the sync at the end has little left to do

bool is_zero(Bytes bytes) { return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0); }

Error foreign_format(const std::string& source, ImageFormat format) {
    const std::string name(format_name(format));
    return make_error(std::errc::not_supported, source + " is a " + name + " image, and only raw images are imported; convert it first: qemu-img convert -p -O raw '" +
                                                    source + "' '" + source + ".raw'");
}

/// Opened and looked at: a raw image that can become a disk.
struct Source {
    std::unique_ptr<File> file;
    std::uint64_t size = 0;
    std::uint64_t virtual_size = 0;
    File::Stamp stamp;
};

/// 512-byte sectors only; anything else gets whole mebibytes, which every reader of VHDX takes.
std::uint64_t padded_size(std::uint64_t size) { return size % 512 == 0 ? size : round_up(size, mib); }

Result<Source> open_source(FileSystem& files, const std::string& path) {
    auto file = files.open(path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const auto size = (*file)->size();
    if (!size) {
        return size.error();
    }
    if (*size == 0 || *size > limits::virtual_size) {
        return make_error(std::errc::invalid_argument, path + " has " + std::to_string(*size) + " bytes; a disk has from 1 byte to 64 TiB");
    }
    const auto format = probe_format(**file);
    if (!format) {
        return format.error();
    }
    if (*format != ImageFormat::raw) {
        return foreign_format(path, *format);
    }
    const auto stamp = (*file)->stamp();
    if (!stamp) {
        return stamp.error();
    }
    return Source{std::move(*file), *size, padded_size(*size), *stamp};
}

class RawImport {
  public:
    RawImport(FileSystem& files, Source source, std::string target, const ProgressCallback& progress)
        : files_(files), source_(std::move(source)), target_path_(std::move(target)), progress_(progress), buffer_(metadata_.block_size) {
        metadata_.virtual_disk_size = source_.virtual_size;
        plan_ = plan_vhdx(metadata_, vhdx_log_length_master);
        bat_.resize(BatGeometry(metadata_).entry_count());
    }

    Result<MasterIdentity> run() {
        if (auto room = check_space(); !room) {
            return room.error();
        }
        auto file = create_temporary(files_, target_path_);
        if (!file) {
            return file.error();
        }
        target_ = std::move(*file);
        auto identity = fill_and_publish();
        if (!identity) {
            discard_temporary(files_, target_path_);
        }
        return identity;
    }

  private:
    [[nodiscard]] std::uint64_t block_size() const { return metadata_.block_size; }

    /// Calls `visit(block)` for each block that holds data, as far as the file system can tell; stops at the first failure.
    template <class Visit> Result<void> each_data_block(Visit visit) {
        std::uint64_t offset = 0;
        while (offset < source_.size) {
            const auto stretch = source_.file->next_data(offset);
            if (!stretch) {
                return stretch.error();
            }
            if (!*stretch) {
                return {};
            }
            const std::uint64_t end = std::min((*stretch)->offset + (*stretch)->length, source_.size);
            std::uint64_t block = std::max((*stretch)->offset, offset) / block_size();
            for (; block * block_size() < end; ++block) {
                if (auto visited = visit(block); !visited) {
                    return visited;
                }
            }
            offset = block * block_size();
        }
        return {};
    }

    /// Reads a block into the buffer, with zeros behind the end of the source. Whether there is anything but zeros in it.
    Result<bool> read_block(std::uint64_t block) {
        const std::uint64_t offset = block * block_size();
        const std::size_t there = std::min(block_size(), source_.size - offset);
        const MutableBytes bytes = MutableBytes(buffer_).first(there);
        if (auto read = source_.file->read_at(offset, bytes); !read) {
            return read.error();
        }
        std::ranges::fill(MutableBytes(buffer_).subspan(there), std::uint8_t{0});
        return !is_zero(bytes);
    }

    /// First by what the source occupies. Only where that does not fit, its zeros are worth looking for: a second reading, but no wrong refusal.
    Result<void> check_space() {
        const std::filesystem::path parent = std::filesystem::path(target_path_).parent_path();
        const std::string directory = parent.empty() ? "." : parent.string();
        const auto space = files_.space(directory);
        if (!space) {
            return space.error();
        }
        std::uint64_t blocks = 0;
        auto counted = each_data_block([&](std::uint64_t) {
            ++blocks;
            return Result<void>();
        });
        if (counted && needed_bytes(blocks) > space->free_bytes) {
            blocks = 0;
            counted = each_data_block([&](std::uint64_t block) {
                const auto data = read_block(block);
                blocks += data && *data ? 1U : 0U;
                return data ? Result<void>() : Result<void>(data.error());
            });
        }
        if (!counted) {
            return counted;
        }
        if (needed_bytes(blocks) > space->free_bytes) {
            return make_error(std::errc::no_space_on_device, "the image needs " + format_size(needed_bytes(blocks)) + " in " + directory + ", where " +
                                                                 format_size(space->free_bytes) + " are free; make room there or choose another data directory");
        }
        return {};
    }
    [[nodiscard]] std::uint64_t needed_bytes(std::uint64_t blocks) const { return plan_.payload_offset + blocks * block_size(); }

    Result<MasterIdentity> fill_and_publish() {
        if (auto copied = copy_blocks(); !copied) {
            return copied.error();
        }
        if (auto same = check_source_unchanged(); !same) {
            return same.error();
        }
        const auto identity = write_structures();
        if (!identity) {
            return identity.error();
        }
        if (auto fixed = files_.make_read_only(target_->path()); !fixed) {
            return fixed.error();
        }
        if (auto published = publish_file(files_, *target_, target_path_); !published) {
            return published.error();
        }
        return *identity;
    }

    Result<void> copy_blocks() {
        if (auto go_on = report(0); !go_on) {
            return go_on;
        }
        auto copied = each_data_block([this](std::uint64_t block) { return copy_block(block); });
        return copied ? report(source_.size) : copied;
    }

    Result<void> copy_block(std::uint64_t block) {
        const auto data = read_block(block);
        if (!data) {
            return data.error();
        }
        if (*data) {
            const std::uint64_t offset = plan_.payload_offset + stored_;
            if (auto written = target_->write_at(offset, buffer_); !written) {
                return written;
            }
            bat_[BatGeometry(metadata_).payload_index(block)] = encode_entry(PayloadEntry{PayloadState::fully_present, offset});
            stored_ += block_size();
            if (stored_ % writeback_step == 0) {
                target_->start_writeback();
            }
        }
        if (clock_.now() - last_report_ < progress_interval) {
            return {};
        }
        return report(std::min((block + 1) * block_size(), source_.size));
    }

    Result<void> report(std::uint64_t done) {
        last_report_ = clock_.now();
        if (progress_ && !progress_({done, source_.size, stored_})) {
            return make_error(std::errc::operation_canceled, "the import of " + source_.file->path() + " was cancelled; nothing was kept");
        }
        return {};
    }

    Result<void> check_source_unchanged() {
        const auto now = source_.file->stamp();
        if (!now) {
            return now.error();
        }
        if (*now != source_.stamp) {
            return make_error(std::errc::device_or_resource_busy,
                              source_.file->path() + " was changed while it was read; stop what writes to it (a running virtual machine?) and import it again");
        }
        return {};
    }

    /// Payload first, then what names it: the temporary name makes the order a matter of taste, and so the table is written once.
    Result<MasterIdentity> write_structures() {
        const std::uint64_t file_size = plan_.payload_offset + stored_;
        if (auto sized = target_->resize(file_size); !sized) {
            return sized.error();
        }
        metadata_.virtual_disk_id = Guid::random(random_);
        VhdxHeader header;
        header.file_write_guid = Guid::random(random_);
        header.data_write_guid = Guid::random(random_);
        if (auto front = write_vhdx_front(*target_, plan_, metadata_, header); !front) {
            return front.error();
        }
        const Bytes table(reinterpret_cast<const std::uint8_t*>(bat_.data()), bat_.size() * bat_entry_size);
        if (auto written = target_->write_at(plan_.regions.bat.offset, table); !written) {
            return written.error();
        }
        return MasterIdentity{header.data_write_guid, source_.virtual_size, file_size};
    }

    FileSystem& files_;
    Source source_;
    std::string target_path_;
    const ProgressCallback& progress_;
    VhdxMetadata metadata_;
    VhdxPlan plan_;
    ByteVector buffer_;
    std::vector<le64> bat_;
    std::unique_ptr<File> target_;
    std::uint64_t stored_ = 0;
    SystemRandom random_;
    SystemClock clock_;
    TimePoint last_report_{};
};

} // namespace

Result<MasterIdentity> import_raw(FileSystem& files, const std::string& source, const std::string& target, const ProgressCallback& progress) {
    auto opened = open_source(files, source);
    if (!opened) {
        return opened.error();
    }
    return RawImport(files, std::move(*opened), target, progress).run();
}

} // namespace rootstock::images
