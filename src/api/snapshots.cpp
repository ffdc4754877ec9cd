// /api/v1/snapshots
#include "api/errors.hpp"
#include "api/limits.hpp"
#include "api/routes.hpp"
#include "boot/volume_access.hpp"
#include "images/layer_tree.hpp"
#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::api {

namespace {

using http::Method;
using http::Request;
using http::Response;
using images::DiskKind;
using images::DiskName;

json::object snapshot_json(const images::SnapshotInfo& snapshot) {
    const images::SnapshotRow& row = snapshot.row;
    const bool of_machine = row.disk.kind == DiskKind::machine;
    const json::value name(row.disk.name);
    return {{"machine", of_machine ? name : json::value(nullptr)},
            {"volume", of_machine ? json::value(nullptr) : name},
            {"name", row.name},
            {"image", row.image.empty() ? json::value(nullptr) : json::value(row.image)},
            {"version", row.image.empty() ? json::value(nullptr) : json::value(row.version)},
            {"size_bytes", snapshot.size_bytes},
            {"stored_bytes", snapshot.stored_bytes},
            {"files", snapshot.depth},
            {"file", snapshot.path},
            {"created", time_json(row.created)}};
}

Response list(const Api& api, const Request&) {
    const auto snapshots = api.parts.store.snapshots();
    if (!snapshots) {
        return error_answer(snapshots.error());
    }
    json::array all;
    for (const images::SnapshotInfo& snapshot : *snapshots) {
        all.push_back(snapshot_json(snapshot));
    }
    return json_response(json::object{{"snapshots", std::move(all)}});
}

/// The one of "machine" and "volume" that a body names.
Result<DiskName> disk_of(const json::object& body) {
    const auto machine = text_of(body, "machine");
    const auto volume = text_of(body, "volume");
    if (!machine || !volume) {
        return machine ? volume.error() : machine.error();
    }
    if (machine->has_value() == volume->has_value()) {
        return make_error(std::errc::invalid_argument,
                          R"(give "machine" or "volume"; example: {"machine": "lab1-07", "name": "before-update"})");
    }
    return *machine ? DiskName{DiskKind::machine, **machine} : DiskName{DiskKind::volume, **volume};
}

Response create(const Api& api, const Request& request) {
    const auto body = read_body(request, {"machine", "volume", "name"});
    if (!body) {
        return error_answer(body.error());
    }
    const auto disk = disk_of(*body);
    const auto name = text_of(*body, "name");
    if (!disk || !name) {
        return error_answer(disk ? name.error() : disk.error());
    }
    const auto taken = api.parts.store.create_snapshot(*disk, name->value_or(""));
    if (!taken) {
        return error_answer(taken.error());
    }
    api.parts.log.info("api.snapshot.created", {{"disk", images::in_words(*disk)}, {"snapshot", taken->name}, {"by", who(request)}});
    const auto all = api.parts.store.snapshots();
    if (!all) {
        return error_answer(all.error());
    }
    const auto at = std::find_if(all->begin(), all->end(), [&](const images::SnapshotInfo& info) {
        return info.row.disk == taken->disk && info.row.name == taken->name;
    });
    return at == all->end() ? not_found("snapshot", taken->name) : json_response(snapshot_json(*at), 201);
}

/// A snapshot that the address names: .../machine/lab1-07/before-update
struct Named {
    DiskName disk;
    std::string name;
};
Result<Named> named(const Request& request) {
    const std::string& kind = request.captures.at(0);
    if (kind != "machine" && kind != "volume") {
        return make_error(std::errc::no_such_file_or_directory, "snapshots are of a \"machine\" or of a \"volume\", not of a \"" + kind + "\"");
    }
    return Named{{kind == "machine" ? DiskKind::machine : DiskKind::volume, request.captures.at(1)}, request.captures.at(2)};
}

/// A disk whose sessions are over stays open for a while. One that has sessions: the store says what that means.
void let_go(const Api& api, const DiskName& disk) {
    if (disk.kind == DiskKind::machine) {
        static_cast<void>(api.parts.disks.release_machine_disk(disk.name));
    } else {
        static_cast<void>(api.parts.disks.release_volume(disk.name));
    }
}

/// What the machine is to boot next.
images::OverlayKind next_disk(const Api& api, const DiskName& disk) {
    const auto view = api.parts.registry.view();
    const fleet::Machine* machine = disk.kind == DiskKind::machine ? view->find(disk.name) : nullptr;
    return machine != nullptr && machine->mode == fleet::Mode::reset ? images::OverlayKind::reset : images::OverlayKind::persistent;
}

Response restore(const Api& api, const Request& request) {
    const auto snapshot = named(request);
    if (!snapshot) {
        return error_answer(snapshot.error());
    }
    let_go(api, snapshot->disk);
    const auto when = api.parts.store.restore_snapshot(snapshot->disk, snapshot->name, next_disk(api, snapshot->disk));
    if (!when) {
        return error_answer(when.error());
    }
    const char* word = *when == images::RestoreTime::now ? "now" : "next_boot";
    api.parts.log.info("api.snapshot.restored",
                       {{"disk", images::in_words(snapshot->disk)}, {"snapshot", snapshot->name}, {"when", word}, {"by", who(request)}});
    return json_response(json::object{{"restored", word}});
}

Response remove(const Api& api, const Request& request) {
    const auto snapshot = named(request);
    const auto removed = snapshot ? api.parts.store.remove_snapshot(snapshot->disk, snapshot->name) : Result<void>(snapshot.error());
    if (!removed) {
        return error_answer(removed.error());
    }
    api.parts.log.info("api.snapshot.removed", {{"disk", images::in_words(snapshot->disk)}, {"snapshot", snapshot->name}, {"by", who(request)}});
    return no_content();
}

/// The machine is there, boots from that image, and keeps its disk.
Result<void> clone_to_machine(const Api& api, const Named& snapshot, const std::string& machine) {
    const auto view = api.parts.registry.view();
    const fleet::Machine* found = view->find(machine);
    if (found == nullptr) {
        return make_error(std::errc::no_such_file_or_directory, "there is no machine " + machine + "; assign it first");
    }
    if (found->mode == fleet::Mode::reset) {
        return make_error(std::errc::operation_not_permitted,
                          "machine " + machine + " throws its disk away at each boot; make it persistent first, or make a version of the snapshot: " +
                              "rootstock image promote --machine MACHINE --snapshot " + snapshot.name);
    }
    return api.parts.store.clone_to_machine(snapshot.disk, snapshot.name, machine);
}

Result<void> clone_to_volume(Api& api, const Named& snapshot, const std::string& volume, std::vector<std::string> initiators) {
    for (const std::string& entry : initiators) {
        if (!boot::is_valid_initiator_entry(entry)) {
            return make_error(std::errc::invalid_argument, "\"" + entry + "\" is no initiator");
        }
    }
    const auto made = api.parts.store.clone_to_volume(snapshot.disk, snapshot.name, volume, std::move(initiators));
    if (!made) {
        return made.error();
    }
    auto refreshed = api.parts.disks.refresh_volumes();
    api.hub.volumes_changed();
    return refreshed;
}

Response clone(Api& api, const Request& request) {
    const auto snapshot = named(request);
    const auto body = read_body(request, {"machine", "volume", "initiators"});
    if (!snapshot || !body) {
        return error_answer(snapshot ? body.error() : snapshot.error());
    }
    const auto target = disk_of(*body);
    const auto initiators = texts_of(*body, "initiators", volume_initiators_max);
    if (!target || !initiators) {
        return error_answer(target ? initiators.error() : target.error());
    }
    const auto cloned = target->kind == DiskKind::machine
                            ? clone_to_machine(api, *snapshot, target->name)
                            : clone_to_volume(api, *snapshot, target->name, initiators->value_or(std::vector<std::string>{"*"}));
    if (!cloned) {
        return error_answer(cloned.error());
    }
    api.parts.log.info("api.snapshot.cloned", {{"disk", images::in_words(snapshot->disk)},
                                               {"snapshot", snapshot->name},
                                               {"to", images::in_words(*target)},
                                               {"by", who(request)}});
    return json_response(json::object{{"disk", images::in_words(*target)}}, 201);
}

Response flatten(Api& api, const Request& request) {
    const auto body = read_body(request, {"most_files"});
    const auto given = body ? number_of(*body, "most_files", 1, images::limits::chain_depth) : Result<std::optional<std::uint64_t>>(body.error());
    if (!given) {
        return error_answer(given.error());
    }
    const auto most = static_cast<std::size_t>(given->value_or(chain_files));
    auto stream = api.imports.start("flatten", [&api, most](const images::ProgressCallback& progress) -> Result<json::object> {
        const auto written = api.parts.store.flatten(most, progress);
        return written ? Result<json::object>(json::object{{"flattened", *written}}) : written.error();
    });
    if (!stream) {
        return error_answer(stream.error());
    }
    Response response = http::text_response(200, "application/x-ndjson", {});
    response.stream = std::move(*stream);
    return response;
}

} // namespace

void add_snapshots(http::Router& router, const SharedApi& api) {
    add_blocking(router, api, Method::get, "/api/v1/snapshots", list);
    add_blocking(router, api, Method::post, "/api/v1/snapshots", create);
    add_blocking(router, api, Method::post, "/api/v1/snapshots/flatten", flatten);
    add_blocking(router, api, Method::delete_, "/api/v1/snapshots/{kind}/{disk}/{name}", remove);
    add_blocking(router, api, Method::post, "/api/v1/snapshots/{kind}/{disk}/{name}/restore", restore);
    add_blocking(router, api, Method::post, "/api/v1/snapshots/{kind}/{disk}/{name}/clone", clone);
}

} // namespace rootstock::api
