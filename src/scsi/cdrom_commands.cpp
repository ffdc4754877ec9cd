// What a CD drive has besides a disk's reading commands (MMC-6 section 6): one session with one data track that is the whole ISO image.
#include "core/wire_int.hpp"
#include "scsi/device_server.hpp"
#include "scsi/handlers.hpp"

#include <algorithm>
#include <span>

namespace rootstock::scsi::cdrom {
namespace {

constexpr std::uint8_t data_track = 0x14; // ADR 1, CONTROL 4: data, uninterrupted
constexpr std::uint8_t first_track = 1;
constexpr std::uint8_t lead_out_track = 0xaa;
constexpr std::uint32_t frames_per_second = 75;
constexpr std::uint32_t seconds_per_minute = 60;

/// Longer than a CD of 80 minutes: a DVD.
bool is_dvd(const Context& c) { return c.unit.block_count() > 80 * seconds_per_minute * frames_per_second; }

/// Minute, second and frame, two seconds of which lie before LBA 0 (MMC-6 table 577); or the LBA itself.
void append_address(ByteWriter& out, std::uint64_t lba, bool in_msf) {
    if (!in_msf) {
        return out.write(be32(static_cast<std::uint32_t>(lba)));
    }
    const std::uint64_t frames = lba + 2 * frames_per_second;
    const std::uint64_t minutes = std::min<std::uint64_t>(frames / frames_per_second / seconds_per_minute, 0xff); // of a DVD, more than fit
    out.byte(0);
    out.byte(static_cast<std::uint8_t>(minutes));
    out.byte(static_cast<std::uint8_t>(frames / frames_per_second % seconds_per_minute));
    out.byte(static_cast<std::uint8_t>(frames % frames_per_second));
}

void append_track(ByteWriter& out, std::uint8_t track, std::uint64_t lba, bool in_msf) {
    out.byte(0);
    out.byte(data_track);
    out.byte(track);
    out.byte(0);
    append_address(out, lba, in_msf);
}

/// DATA LENGTH counts what follows it.
Outcome finish(const Context& c, ByteVector data) {
    ByteWriter(data).patch(0, be16(static_cast<std::uint16_t>(data.size() - 2)));
    return data_in(std::move(data), c.cdb.u16(7));
}

/// A feature descriptor (MMC-6 section 5.3).
struct Feature {
    std::uint16_t code;
    std::uint8_t version;
    bool persistent;
    std::span<const std::uint8_t> data;
};

constexpr std::uint16_t profile_list = 0x0000;
constexpr std::uint16_t random_readable = 0x0010;
constexpr std::uint16_t cd_read = 0x001e;
constexpr std::uint16_t dvd_read = 0x001f;
constexpr std::uint16_t cd_rom_profile = 0x0008;
constexpr std::uint16_t dvd_rom_profile = 0x0010;

constexpr std::array<std::uint8_t, 8> profiles{0, dvd_rom_profile, 0, 0, 0, cd_rom_profile, 0, 0}; // which of them is current is filled in
constexpr std::array<std::uint8_t, 4> core_data{0, 0, 0, 1};               // physical interface: SCSI
constexpr std::array<std::uint8_t, 4> morphing_data{0, 0, 0, 0};           // events are polled
constexpr std::array<std::uint8_t, 4> removable_medium_data{0x29, 0, 0, 0}; // tray, ejects, locks
constexpr std::array<std::uint8_t, 8> random_readable_data{0, 0, 0x08, 0, 0, 1, 0, 0}; // blocks of 2048, one at a time
constexpr std::array<std::uint8_t, 4> cd_read_data{};

constexpr std::array<Feature, 9> features{{
    {profile_list, 0, true, profiles},
    {0x0001, 0, true, core_data},
    {0x0002, 0, true, morphing_data},
    {0x0003, 0, true, removable_medium_data},
    {random_readable, 0, false, random_readable_data},
    {cd_read, 0, false, cd_read_data},
    {dvd_read, 0, false, {}},
    {0x0100, 0, true, {}}, // power management
    {0x0105, 0, true, {}}, // time-out
}};

/// The profile of the medium; 0: there is none.
std::uint16_t current_profile(const Context& c) {
    if (!c.unit.loaded()) {
        return 0;
    }
    return is_dvd(c) ? dvd_rom_profile : cd_rom_profile;
}

bool is_current(const Feature& feature, std::uint16_t profile) {
    switch (feature.code) {
    case random_readable: return profile != 0;
    case cd_read: return profile == cd_rom_profile;
    case dvd_read: return profile == dvd_rom_profile;
    default: return true;
    }
}

void append_feature(ByteVector& data, const Feature& feature, std::uint16_t profile) {
    ByteWriter out(data);
    out.write(be16(feature.code));
    out.byte(static_cast<std::uint8_t>(feature.version << 2U | (feature.persistent ? 2U : 0U) | (is_current(feature, profile) ? 1U : 0U)));
    out.byte(static_cast<std::uint8_t>(feature.data.size()));
    const std::size_t begin = data.size();
    out.append(feature.data);
    if (feature.code == profile_list) {
        data[begin + 2] = profile == dvd_rom_profile ? 1 : 0;
        data[begin + 6] = profile == cd_rom_profile ? 1 : 0;
    }
}

} // namespace

Outcome synchronize_cache(const Context&) { return good(); }

/// 6.25. Formats 0 (tracks) and 1 (sessions).
Outcome read_toc(const Context& c) {
    const bool in_msf = c.cdb.bit(1, 1);
    const std::uint8_t format = (c.cdb[2] & 0x0fU) != 0 ? c.cdb[2] & 0x0fU : c.cdb[9] >> 6U;
    const std::uint8_t starting_track = c.cdb[6];
    ByteVector data;
    ByteWriter out(data);
    out.fill(2);
    out.byte(first_track); // the first and the last track, or session
    out.byte(first_track);
    if (format == 1) {
        append_track(out, first_track, 0, in_msf);
        return finish(c, std::move(data));
    }
    if (format != 0) {
        return invalid_field_in_cdb(2, 3);
    }
    if (starting_track > first_track && starting_track != lead_out_track) {
        return invalid_field_in_cdb(6);
    }
    if (starting_track <= first_track) {
        append_track(out, first_track, 0, in_msf);
    }
    append_track(out, lead_out_track, c.unit.block_count(), in_msf);
    return finish(c, std::move(data));
}

/// 6.6: the features from a number on: all, only the current ones, or one.
Outcome get_configuration(const Context& c) {
    enum class Requested : std::uint8_t { all = 0, current = 1, one = 2 };
    const std::uint8_t requested = c.cdb[1] & 0x03U;
    if (requested > static_cast<std::uint8_t>(Requested::one)) {
        return invalid_field_in_cdb(1, 1);
    }
    const std::uint16_t starting_feature = c.cdb.u16(2);
    const std::uint16_t profile = current_profile(c);
    ByteVector data;
    ByteWriter out(data);
    out.fill(6);
    out.write(be16(profile));
    for (const Feature& feature : features) {
        const bool wanted = static_cast<Requested>(requested) == Requested::one ? feature.code == starting_feature : feature.code >= starting_feature;
        if (wanted && (static_cast<Requested>(requested) != Requested::current || is_current(feature, profile))) {
            append_feature(data, feature, profile);
        }
    }
    out.patch(0, be32(static_cast<std::uint32_t>(data.size() - 4)));
    return data_in(std::move(data), c.cdb.u16(7));
}

/// 6.7, polled. Only the media class has events; each nexus is told each once.
Outcome get_event_status_notification(const Context& c) {
    constexpr std::uint8_t media_class = 4;
    constexpr std::uint8_t no_event_available = 0x80;
    constexpr std::uint8_t medium_present = 0x02;
    constexpr std::uint8_t tray_open = 0x01;
    if (!c.cdb.bit(1, 0)) { // asynchronous
        return invalid_field_in_cdb(1, 0);
    }
    const bool wants_media = c.cdb.bit(4, media_class);
    ByteVector data;
    ByteWriter out(data);
    out.fill(2);
    out.byte(wants_media ? media_class : no_event_available);
    out.byte(1U << media_class);
    if (wants_media) {
        out.byte(static_cast<std::uint8_t>(c.nexus.media_event().exchange(MediaEvent::none)));
        out.byte(c.unit.loaded() ? medium_present : tray_open);
        out.fill(2); // slots
    }
    return finish(c, std::move(data));
}

/// 6.21, the standard information: a finished disc of one session and one track.
Outcome read_disc_information(const Context& c) {
    constexpr std::uint8_t complete = 0x0e;          // the last session, and the disc
    constexpr std::uint8_t unrestricted_use = 0x20;
    if ((c.cdb[1] & 0x07U) != 0) {
        return invalid_field_in_cdb(1, 2);
    }
    ByteVector data;
    ByteWriter out(data);
    out.fill(2);
    out.byte(complete);
    out.byte(first_track);
    out.byte(1); // sessions
    out.byte(first_track); // of the last session
    out.byte(first_track);
    out.byte(unrestricted_use);
    out.fill(34 - data.size());
    return finish(c, std::move(data));
}

/// 6.26: there is one track, whether it is asked for by address, by its number or by its session's.
Outcome read_track_information(const Context& c) {
    enum class By : std::uint8_t { lba = 0, track = 1, session = 2 };
    const std::uint8_t by = c.cdb[1] & 0x03U;
    const std::uint32_t which = c.cdb.u32(2);
    if (by > static_cast<std::uint8_t>(By::session)) {
        return invalid_field_in_cdb(1, 1);
    }
    if (static_cast<By>(by) == By::lba ? which >= c.unit.block_count() : which != first_track) {
        return invalid_field_in_cdb(2);
    }
    ByteVector data;
    ByteWriter out(data);
    out.fill(2);
    out.byte(first_track);
    out.byte(1); // session
    out.byte(0);
    out.byte(0x04); // TRACK MODE: data
    out.byte(0x01); // DATA MODE 1
    out.fill(17);   // not blank, not packets; begins at 0; nothing can be written
    out.write(be32(static_cast<std::uint32_t>(c.unit.block_count())));
    out.fill(8);
    return finish(c, std::move(data));
}

/// 6.14: a drive without a changer.
Outcome mechanism_status(const Context& c) {
    constexpr std::uint8_t door_open = 0x10;
    ByteVector data(8);
    data[1] = c.unit.loaded() ? 0 : door_open;
    return data_in(std::move(data), c.cdb.u16(8));
}

} // namespace rootstock::scsi::cdrom
