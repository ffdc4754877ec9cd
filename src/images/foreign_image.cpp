#include "images/foreign_image.hpp"

#include "core/text.hpp"
#include "core/wire_int.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

constexpr std::size_t sector = 512;
constexpr std::size_t descriptor_most_bytes = 64U << 10U; // a VMDK's; real ones have 20 lines

// qcow2 (docs/interop/qcow2.txt of QEMU), big-endian
constexpr std::size_t qcow2_version_offset = 4;
constexpr std::size_t qcow2_backing_offset = 8;
constexpr std::size_t qcow2_features_offset = 72;
constexpr std::uint64_t qcow2_external_data = 4;
// QED (docs/interop/qed_spec.txt of QEMU), little-endian
constexpr std::size_t qed_features_offset = 16;
constexpr std::uint64_t qed_backing = 1;
// VMDK sparse extent (VMware Virtual Disks 5.0), little-endian, in sectors
constexpr std::size_t vmdk_descriptor_offset = 28;
constexpr std::size_t vmdk_descriptor_size = 36;
constexpr std::string_view vmdk_sparse_magic = "KDMV";

/// The first `length` bytes at `offset`; zeros behind the end of the file.
Result<ByteVector> read_front(File& file, std::uint64_t offset, std::size_t length) {
    const auto size = file.size();
    if (!size) {
        return size.error();
    }
    ByteVector bytes(length);
    const std::uint64_t there = offset < *size ? std::min<std::uint64_t>(length, *size - offset) : 0;
    if (auto read = file.read_at(offset, MutableBytes(bytes).first(there)); there != 0 && !read) {
        return read.error();
    }
    return bytes;
}

template <class T> std::uint64_t number_at(Bytes bytes, std::size_t offset) { return from_bytes<T>(bytes.subspan(offset)); }

Error needs_other_file(const std::string& path, const std::string& what) {
    return make_error(std::errc::not_supported,
                      path + " " + what + "; make it one file first, on the machine that it comes from: qemu-img convert -p -O qcow2 '" + path + "' whole.qcow2");
}

/// The text that describes a VMDK's extents: a file of its own, or within its first sparse extent.
Result<std::string> vmdk_descriptor(File& file, Bytes front) {
    std::uint64_t offset = 0;
    std::uint64_t size = descriptor_most_bytes;
    if (as_text(front.first(vmdk_sparse_magic.size())) == vmdk_sparse_magic) {
        offset = number_at<le64>(front, vmdk_descriptor_offset);
        size = number_at<le64>(front, vmdk_descriptor_size);
        if (offset > (std::uint64_t{1} << 40U) || offset == 0) {
            return std::string();
        }
        offset *= sector;
        size = std::min<std::uint64_t>(size, descriptor_most_bytes / sector) * sector;
    }
    const auto text = read_front(file, offset, size);
    if (!text) {
        return text.error();
    }
    const std::string_view all = as_text(*text);
    return std::string(all.substr(0, all.find('\0')));
}

/// `RW 83886080 FLAT "disk-flat.vmdk" 0`: the quoted name; none: the extent has no file (ZERO).
std::string_view quoted(std::string_view line) {
    const std::size_t from = line.find('"');
    const std::size_t to = from == line.npos ? line.npos : line.find('"', from + 1);
    return to == line.npos ? std::string_view() : line.substr(from + 1, to - from - 1);
}

Result<void> check_vmdk(File& file, Bytes front) {
    const auto descriptor = vmdk_descriptor(file, front);
    if (!descriptor) {
        return descriptor.error();
    }
    for (const std::string_view raw : split(*descriptor, '\n')) {
        const std::string_view line = trim(raw);
        if (line.starts_with("parentFileNameHint")) {
            return needs_other_file(file.path(), "is a VMDK that stands on another one, " + std::string(quoted(line)));
        }
        const bool extent = line.starts_with("RW ") || line.starts_with("RDONLY ") || line.starts_with("NOACCESS ");
        if (extent && quoted(line).find_first_of("/\\:") != std::string_view::npos) {
            return needs_other_file(file.path(), "is a VMDK whose data lies outside its directory, in " + std::string(quoted(line)));
        }
    }
    return {};
}

} // namespace

bool is_foreign(ImageFormat format) {
    switch (format) {
    case ImageFormat::qcow2:
    case ImageFormat::qed:
    case ImageFormat::vmdk:
    case ImageFormat::vdi: return true;
    default: return false;
    }
}

Result<void> check_self_contained(File& file, ImageFormat format) {
    const auto front = read_front(file, 0, sector);
    if (!front) {
        return front.error();
    }
    if (format == ImageFormat::vmdk) {
        return check_vmdk(file, *front);
    }
    const bool qcow2 = format == ImageFormat::qcow2;
    const bool qcow2_v3 = qcow2 && number_at<be32>(*front, qcow2_version_offset) >= 3;
    if ((qcow2 && number_at<be64>(*front, qcow2_backing_offset) != 0) ||
        (format == ImageFormat::qed && (number_at<le64>(*front, qed_features_offset) & qed_backing) != 0)) {
        return needs_other_file(file.path(), "is a " + std::string(format_name(format)) + " image that stands on a backing file");
    }
    if (qcow2_v3 && (number_at<be64>(*front, qcow2_features_offset) & qcow2_external_data) != 0) {
        return needs_other_file(file.path(), "is a qcow2 image whose data lies in another file");
    }
    return {};
}

} // namespace rootstock::images
