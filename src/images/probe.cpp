#include "images/probe.hpp"

#include <algorithm>
#include <array>

namespace rootstock::images {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t sector = 512;

/// What stands where in a file of each format.
struct Magic {
    ImageFormat format;
    std::size_t offset;
    std::string_view bytes;
};
constexpr std::array magics{
    Magic{ImageFormat::vhdx, 0, "vhdxfile"sv},                // [MS-VHDX] 2.2.1
    Magic{ImageFormat::vhd, 0, "conectix"sv},                 // dynamic and differencing: a copy of the footer comes first
    Magic{ImageFormat::qcow2, 0, "QFI\xfb"sv},
    Magic{ImageFormat::qed, 0, "QED\0"sv},
    Magic{ImageFormat::vmdk, 0, "KDMV"sv},                    // sparse extent
    Magic{ImageFormat::vmdk, 0, "COWD"sv},                    // the same of older ESX
    Magic{ImageFormat::vmdk, 0, "# Disk DescriptorFile"sv},   // descriptor of a flat one
    Magic{ImageFormat::vdi, 64, "\x7f\x10\xda\xbe"sv},
    Magic{ImageFormat::gzip, 0, "\x1f\x8b\x08"sv},           // RFC 1952 section 2.3.1
    Magic{ImageFormat::xz, 0, "\xfd" "7zXZ\0"sv},
    Magic{ImageFormat::zstd, 0, "\x28\xb5\x2f\xfd"sv},      // RFC 8878 section 3.1.1
    Magic{ImageFormat::bzip2, 0, "BZh"sv},
    Magic{ImageFormat::zip, 0, "PK\3\4"sv},
    Magic{ImageFormat::tar, 257, "ustar"sv},
};
/// A fixed VHD is raw but for its footer, which old Microsoft software cut to 511 bytes.
constexpr std::string_view vhd_footer = "conectix";
constexpr std::array<std::size_t, 2> vhd_footer_sizes{512, 511};

bool stands_at(Bytes bytes, std::size_t offset, std::string_view magic) {
    return bytes.size() >= offset + magic.size() && as_text(bytes.subspan(offset, magic.size())) == magic;
}

} // namespace

std::string_view format_name(ImageFormat format) {
    switch (format) {
    case ImageFormat::raw: return "raw";
    case ImageFormat::vhd: return "VHD";
    case ImageFormat::vhdx: return "VHDX";
    case ImageFormat::qcow2: return "qcow2";
    case ImageFormat::qed: return "QED";
    case ImageFormat::vmdk: return "VMDK";
    case ImageFormat::vdi: return "VDI";
    case ImageFormat::gzip: return "gzip";
    case ImageFormat::xz: return "xz";
    case ImageFormat::zstd: return "zstd";
    case ImageFormat::bzip2: return "bzip2";
    case ImageFormat::tar: return "tar";
    case ImageFormat::zip: return "ZIP";
    }
    return "";
}

Result<ImageFormat> probe_format(File& file) {
    const auto size = file.size();
    if (!size) {
        return size.error();
    }
    ByteVector front(std::min<std::uint64_t>(*size, sector));
    if (auto read = file.read_at(0, front); !read) {
        return read.error();
    }
    for (const Magic& magic : magics) {
        if (stands_at(front, magic.offset, magic.bytes)) {
            return magic.format;
        }
    }
    ByteVector back(std::min<std::uint64_t>(*size, sector));
    if (auto read = file.read_at(*size - back.size(), back); !read) {
        return read.error();
    }
    const bool fixed_vhd = std::ranges::any_of(vhd_footer_sizes, [&](std::size_t footer) {
        return back.size() >= footer && stands_at(back, back.size() - footer, vhd_footer);
    });
    return fixed_vhd ? ImageFormat::vhd : ImageFormat::raw;
}

} // namespace rootstock::images
