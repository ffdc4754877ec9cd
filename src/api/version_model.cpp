// Model, the versions of images: who stands on them, who gets them, and how they do.
#include "api/model.hpp"

#include <algorithm>

namespace rootstock::api {

namespace {

std::string_view scheme_name(images::PartitionScheme scheme) {
    switch (scheme) {
    case images::PartitionScheme::none:
        return "none";
    case images::PartitionScheme::mbr:
        return "mbr";
    case images::PartitionScheme::gpt:
        return "gpt";
    }
    return "none";
}

json::object changes_json(const images::DiskChanges& changes) {
    json::array partitions;
    for (const images::PartitionChange& change : changes.partitions) {
        const images::Partition& partition = change.partition;
        partitions.push_back(json::object{{"number", partition.number},
                                          {"type", partition.type},
                                          {"name", partition.name},
                                          {"offset", partition.offset},
                                          {"size_bytes", partition.size_bytes},
                                          {"changed_bytes", change.changed_bytes}});
    }
    return {{"written_bytes", changes.written_bytes},
            {"changed_bytes", changes.changed_bytes},
            {"scheme", scheme_name(changes.scheme)},
            {"partitions", std::move(partitions)},
            {"outside_bytes", changes.outside_bytes}};
}

json::value trace_json(const std::optional<images::TraceFacts>& trace) {
    return trace ? json::value{{"reads", trace->reads},
                               {"bytes", trace->bytes},
                               {"block_bytes", trace->block_count * images::trace_block_bytes},
                               {"machine", trace->machine},
                               {"recorded", time_json(trace->recorded)}}
                 : json::value(nullptr);
}

} // namespace

json::object Model::warm_json(const images::WarmState& warm) {
    return {{"bytes", warm.bytes}, {"resident_bytes", warm.resident_bytes}, {"pinned_bytes", warm.pinned_bytes}};
}

json::array Model::versions_json(const std::string& image) const {
    json::array array;
    const auto uses = parts_.store.version_uses(image);
    if (!uses) {
        return array;
    }
    for (const images::VersionUse& use : *uses) {
        array.push_back(json::object{{"number", use.version.number},
                                     {"current", use.version.current},
                                     {"created", time_json(use.version.created)},
                                     {"size_bytes", use.version.identity.virtual_size},
                                     {"stored_bytes", use.stored_bytes},
                                     {"files", use.files},
                                     {"file", parts_.store.file_path(use.version.file)},
                                     {"machines", text_array(use.machines)},
                                     {"needed_by", text_array(use.needed_by)},
                                     {"trace", trace_json(use.trace)},
                                     {"warm", use.warm ? json::value(warm_json(*use.warm)) : json::value(nullptr)}});
    }
    return array;
}

json::object Model::release_json(const images::Release& release) const {
    const boot::BootCount count = parts_.versions.boots_of(release);
    return {{"id", release.id},
            {"version", release.version},
            {"previous", release.previous},
            {"audience", images::audience_name(release.audience)},
            {"percent", release.percent},
            {"machines", text_array(release.machines)},
            {"starts", time_json(release.starts)},
            {"created", time_json(release.created)},
            {"watch", release.watch.enabled},
            {"minimum_boots", release.watch.minimum_boots},
            {"minimum_share", release.watch.minimum_share},
            {"state", images::state_name(release.state)},
            {"detail", release.detail},
            {"boots", json::object{{"good", count.good}, {"bad", count.bad}}}};
}

json::array Model::releases_json(const std::string& image) const {
    json::array array;
    const auto releases = parts_.versions.releases();
    if (!releases) {
        return array;
    }
    for (const images::Release& release : *releases) {
        if (release.image == image) {
            array.push_back(release_json(release));
        }
    }
    return array;
}

json::value Model::maintenance_json(const std::string& image) const {
    const auto rows = parts_.store.maintenance();
    if (rows) {
        for (const images::Maintenance& row : *rows) {
            if (row.image == image) {
                return json::object{{"machine", row.machine}, {"since", time_json(row.since)}};
            }
        }
    }
    return nullptr;
}

json::object Model::publication_json(const boot::Publication& publication) const {
    return {{"image", publication.release.image},
            {"version", publication.release.version},
            {"machine", publication.machine},
            {"base", publication.base},
            {"changes", changes_json(publication.changes)},
            {"release", release_json(publication.release)},
            {"at_next_boot", text_array(publication.moves.at_next_boot)},
            {"stay", text_array(publication.moves.stay)},
            {"not_meant", text_array(publication.moves.not_meant)}};
}

} // namespace rootstock::api
