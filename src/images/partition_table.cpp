#include "images/partition_table.hpp"

#include "core/crc32.hpp"
#include "core/unicode.hpp"
#include "core/wire_int.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace rootstock::images {
namespace {

/// UEFI 5.2.1: a partition record of an MBR.
struct MbrRecord {
    std::uint8_t boot_indicator;
    std::array<std::uint8_t, 3> starting_chs;
    std::uint8_t os_type;
    std::array<std::uint8_t, 3> ending_chs;
    le32 starting_lba;
    le32 size_in_lba;
};
static_assert(sizeof(MbrRecord) == 16 && std::is_trivially_copyable_v<MbrRecord>);

/// UEFI 5.2.1: the first sector.
struct Mbr {
    std::array<std::uint8_t, 446> boot_code;
    std::array<MbrRecord, 4> records;
    le16 signature;
};
static_assert(sizeof(Mbr) == 512 && std::is_trivially_copyable_v<Mbr>);

/// UEFI 5.3.2.
struct GptHeader {
    std::array<char, 8> signature;
    le32 revision;
    le32 header_size;
    le32 header_crc32;
    le32 reserved;
    le64 my_lba;
    le64 alternate_lba;
    le64 first_usable_lba;
    le64 last_usable_lba;
    std::array<std::uint8_t, 16> disk_guid;
    le64 partition_entry_lba;
    le32 number_of_partition_entries;
    le32 size_of_partition_entry;
    le32 partition_entry_array_crc32;
};
static_assert(sizeof(GptHeader) == 92 && std::is_trivially_copyable_v<GptHeader>);

/// UEFI 5.3.3.
struct GptEntry {
    std::array<std::uint8_t, 16> partition_type_guid;
    std::array<std::uint8_t, 16> unique_partition_guid;
    le64 starting_lba;
    le64 ending_lba;
    le64 attributes;
    std::array<std::uint8_t, 72> partition_name;
};
static_assert(sizeof(GptEntry) == 128 && std::is_trivially_copyable_v<GptEntry>);

constexpr std::uint16_t mbr_signature = 0xaa55;
constexpr std::uint8_t protective_type = 0xee;
constexpr std::array<std::uint8_t, 3> extended_types = {0x05, 0x0f, 0x85};
constexpr std::uint32_t header_bytes_max = 4096;

struct MbrType {
    std::uint8_t type;
    std::string_view name;
};
constexpr std::array mbr_types = {
    MbrType{0x01, "FAT12"}, MbrType{0x04, "FAT16"}, MbrType{0x06, "FAT16"},      MbrType{0x07, "NTFS"},      MbrType{0x0b, "FAT32"}, MbrType{0x0c, "FAT32"},
    MbrType{0x0e, "FAT16"}, MbrType{0x27, "Windows recovery"}, MbrType{0x82, "Linux swap"}, MbrType{0x83, "Linux"}, MbrType{0x8e, "Linux LVM"},
    MbrType{0xef, "EFI system"}, MbrType{0xfd, "Linux RAID"},
};

struct GptType {
    std::string_view guid;
    std::string_view name;
};
constexpr std::array gpt_types = {
    GptType{"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system"},
    GptType{"e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved"},
    GptType{"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft basic data"},
    GptType{"de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery"},
    GptType{"21686148-6449-6e6f-744e-656564454649", "BIOS boot"},
    GptType{"0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux"},
    GptType{"4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root"},
    GptType{"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"},
    GptType{"e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM"},
    GptType{"a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID"},
};

std::string mbr_type_name(std::uint8_t type) {
    const auto at = std::find_if(mbr_types.begin(), mbr_types.end(), [type](const MbrType& known) { return known.type == type; });
    constexpr std::string_view digits = "0123456789abcdef";
    return at != mbr_types.end() ? std::string(at->name) : std::string("type ") + digits[type >> 4U] + digits[type & 0xfU];
}

std::string gpt_type_name(const Guid& type) {
    const std::string text = type.text();
    const auto at = std::find_if(gpt_types.begin(), gpt_types.end(), [&](const GptType& known) { return known.guid == text; });
    return at != gpt_types.end() ? std::string(at->name) : text;
}

/// What a guest called it, as it may be shown: up to the first NUL, without control characters.
std::string name_of(const std::array<std::uint8_t, 72>& utf16) {
    std::size_t end = 0;
    while (end < utf16.size() && (utf16[end] != 0 || utf16[end + 1] != 0)) {
        end += 2;
    }
    std::string name = utf8_from_utf16le(Bytes(utf16).first(end)).value_or("");
    std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
    return name;
}

class TableReader {
  public:
    TableReader(const ReadDisk& read, std::uint64_t size_bytes, std::uint32_t sector_size)
        : read_(read), size_bytes_(size_bytes), sector_size_(sector_size) {}

    PartitionTable read() {
        const auto first = sector(0);
        if (!first || from_bytes<Mbr>(*first).signature != mbr_signature) {
            return {};
        }
        const Mbr mbr = from_bytes<Mbr>(*first);
        const bool protective = std::any_of(mbr.records.begin(), mbr.records.end(), [](const MbrRecord& record) { return record.os_type == protective_type; });
        if (protective && size_bytes_ / sector_size_ > 1 && (read_gpt(1) || read_gpt(size_bytes_ / sector_size_ - 1))) {
            table_.scheme = PartitionScheme::gpt;
        } else {
            table_.scheme = PartitionScheme::mbr;
            read_mbr(mbr);
        }
        std::stable_sort(table_.partitions.begin(), table_.partitions.end(), [](const Partition& a, const Partition& b) { return a.offset < b.offset; });
        return std::move(table_);
    }

  private:
    /// Its first 512 bytes: MBR and GPT header lie in them also where sectors have 4096.
    std::optional<ByteVector> sector(std::uint64_t lba) { return bytes_at(lba, sizeof(Mbr)); }

    std::optional<ByteVector> bytes_at(std::uint64_t lba, std::uint64_t count) {
        if (lba >= size_bytes_ / sector_size_ || count > size_bytes_ - lba * sector_size_) {
            return std::nullopt;
        }
        const std::uint64_t whole = (count + sector_size_ - 1) / sector_size_ * sector_size_;
        ByteVector bytes(std::min(whole, size_bytes_ - lba * sector_size_));
        return read_(lba * sector_size_, bytes) ? std::optional(std::move(bytes)) : std::nullopt;
    }

    void add(std::uint32_t number, std::uint64_t lba, std::uint64_t sectors, std::string type, std::string name = {}) {
        const std::uint64_t disk_sectors = size_bytes_ / sector_size_;
        if (sectors != 0 && lba < disk_sectors && sectors <= disk_sectors - lba) {
            table_.partitions.push_back({number, lba * sector_size_, sectors * sector_size_, std::move(type), std::move(name)});
        }
    }

    static bool is_extended(const MbrRecord& record) {
        return std::find(extended_types.begin(), extended_types.end(), record.os_type) != extended_types.end();
    }

    void read_mbr(const Mbr& mbr) {
        std::uint32_t number = 0;
        for (const MbrRecord& record : mbr.records) {
            ++number;
            if (is_extended(record)) {
                read_logical(record.starting_lba);
            } else if (record.os_type != 0) {
                add(number, record.starting_lba, record.size_in_lba, mbr_type_name(record.os_type));
            }
        }
    }

    /// Each record of the chain has one partition, relative to itself, and the next record, relative to the first.
    void read_logical(std::uint64_t first) {
        std::uint64_t lba = first;
        for (std::uint32_t count = 0; count < logical_partitions_max; ++count) {
            const auto bytes = sector(lba);
            if (!bytes || from_bytes<Mbr>(*bytes).signature != mbr_signature) {
                return;
            }
            const Mbr record = from_bytes<Mbr>(*bytes);
            if (record.records[0].os_type != 0) {
                add(5 + count, lba + record.records[0].starting_lba, record.records[0].size_in_lba, mbr_type_name(record.records[0].os_type));
            }
            if (!is_extended(record.records[1]) || record.records[1].starting_lba == 0) {
                return;
            }
            lba = first + record.records[1].starting_lba;
        }
    }

    /// False: there is no sound GPT whose header is at `lba`.
    bool read_gpt(std::uint64_t lba) {
        const auto bytes = sector(lba);
        if (!bytes || !is_sound(*bytes)) {
            return false;
        }
        const auto header = from_bytes<GptHeader>(*bytes);
        const std::uint32_t entry_bytes = header.size_of_partition_entry;
        const std::uint32_t entries = header.number_of_partition_entries;
        if (entry_bytes < sizeof(GptEntry) || entry_bytes > header_bytes_max || entries > gpt_entries_max) {
            return false;
        }
        const auto array = bytes_at(header.partition_entry_lba, std::uint64_t{entry_bytes} * entries);
        if (!array || crc32(Bytes(*array).first(std::size_t{entry_bytes} * entries)) != header.partition_entry_array_crc32) {
            return false;
        }
        for (std::uint32_t index = 0; index < entries; ++index) {
            add_gpt_entry(index + 1, from_bytes<GptEntry>(Bytes(*array).subspan(std::size_t{index} * entry_bytes, sizeof(GptEntry))));
        }
        return true;
    }

    static bool is_sound(Bytes sector) {
        auto header = from_bytes<GptHeader>(sector);
        const std::uint32_t size = header.header_size;
        if (std::memcmp(header.signature.data(), "EFI PART", header.signature.size()) != 0 || size < sizeof(GptHeader) || size > sector.size()) {
            return false;
        }
        const std::uint32_t expected = header.header_crc32;
        header.header_crc32 = 0;
        ByteVector whole(sector.begin(), sector.begin() + size);
        std::memcpy(whole.data(), &header, sizeof(header));
        return crc32(whole) == expected;
    }

    void add_gpt_entry(std::uint32_t number, const GptEntry& entry) {
        const Guid type = Guid{entry.partition_type_guid};
        if (type.is_nil() || entry.ending_lba < entry.starting_lba || entry.ending_lba == ~std::uint64_t{0}) {
            return;
        }
        add(number, entry.starting_lba, entry.ending_lba - entry.starting_lba + 1, gpt_type_name(type), name_of(entry.partition_name));
    }

    const ReadDisk& read_;
    const std::uint64_t size_bytes_;
    const std::uint32_t sector_size_;
    PartitionTable table_;
};

} // namespace

PartitionTable read_partition_table(const ReadDisk& read, std::uint64_t size_bytes, std::uint32_t sector_size) {
    return TableReader(read, size_bytes, sector_size).read();
}

} // namespace rootstock::images
