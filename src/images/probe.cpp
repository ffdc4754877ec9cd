#include "images/probe.hpp"

#include <algorithm>
#include <array>
#include <cctype>

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

/// What the end of a name promises.
struct Suffix {
    std::string_view text;
    ImageFormat format;
};
constexpr std::array suffixes{
    Suffix{".vhdx", ImageFormat::vhdx}, Suffix{".avhdx", ImageFormat::vhdx}, Suffix{".vhd", ImageFormat::vhd},   Suffix{".avhd", ImageFormat::vhd},
    Suffix{".qcow2", ImageFormat::qcow2}, Suffix{".qed", ImageFormat::qed},  Suffix{".vdi", ImageFormat::vdi},
};

bool stands_at(Bytes bytes, std::size_t offset, std::string_view magic) {
    return bytes.size() >= offset + magic.size() && as_text(bytes.subspan(offset, magic.size())) == magic;
}

bool ends_in(std::string_view name, std::string_view suffix) {
    return name.size() >= suffix.size() && std::ranges::equal(name.substr(name.size() - suffix.size()), suffix, {}, [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
}

Result<ImageFormat> raw_unless_named(const std::string& path) {
    const auto suffix = std::ranges::find_if(suffixes, [&](const Suffix& known) { return ends_in(path, known.text); });
    if (suffix == suffixes.end()) {
        return ImageFormat::raw;
    }
    return make_error(std::errc::illegal_byte_sequence, path + " is damaged: it is named as a " + std::string(format_name(suffix->format)) +
                                                            " image and does not have its mark; restore it from a copy, or, if it is a raw disk, rename it");
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
    return fixed_vhd ? Result<ImageFormat>(ImageFormat::vhd) : raw_unless_named(file.path());
}

} // namespace rootstock::images
