#include "images/trace_recorder.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

using block::IoError;
using block::ReadSink;
using block::TryRead;
using block::TryStatus;
using block::TryWrite;

class RecordedMaster final : public Master {
  public:
    RecordedMaster(std::shared_ptr<Master> master, std::shared_ptr<TraceRecorder> recorder)
        : master_(std::move(master)), recorder_(std::move(recorder)) {}
    RecordedMaster(const RecordedMaster&) = delete;
    RecordedMaster& operator=(const RecordedMaster&) = delete;
    ~RecordedMaster() override { recorder_->close(); }

    const MasterIdentity& identity() const override { return master_->identity(); }
    const std::string& path() const override { return master_->path(); }
    block::Geometry geometry() const override { return master_->geometry(); }

    /// What must wait comes again, or as read(): it is counted then.
    TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, ReadSink& sink) override {
        TryRead answer = master_->try_read(offset, length, mapping_allowed, sink);
        if (answer.status == TryStatus::done && recorder_->active()) {
            recorder_->note_read(*master_, offset, length);
        }
        return answer;
    }
    Result<void, IoError> read(std::uint64_t offset, MutableBytes out) override {
        auto answer = master_->read(offset, out);
        if (answer && recorder_->active()) {
            recorder_->note_read(*master_, offset, out.size());
        }
        return answer;
    }

    TryWrite try_write(std::uint64_t offset, Bytes data) override { return master_->try_write(offset, data); }
    Result<void, IoError> write(std::uint64_t offset, Bytes data, bool fua) override { return master_->write(offset, data, fua); }
    Result<void, IoError> flush() override { return master_->flush(); }
    Result<void, IoError> discard(std::uint64_t offset, std::uint64_t length) override { return master_->discard(offset, length); }
    Extent extent(std::uint64_t offset, std::uint64_t length) override { return master_->extent(offset, length); }
    Place place_of(std::uint64_t offset, std::uint64_t length) override { return master_->place_of(offset, length); }
    std::set<FileChunk> chunks_of(std::uint64_t offset, std::uint64_t length) override { return master_->chunks_of(offset, length); }
    std::vector<MasterIdentity> chain() const override { return master_->chain(); }
    bool is_recorded() const override { return recorder_->active(); }
    LayerHealth health() const override { return master_->health(); }
    void refresh() override { master_->refresh(); }

  private:
    const std::shared_ptr<Master> master_;
    const std::shared_ptr<TraceRecorder> recorder_;
};

} // namespace

/// Zeros that are in no file cost nothing and are not counted.
void TraceRecorder::note_read(Master& master, std::uint64_t offset, std::uint64_t length) {
    bool counted = false;
    const std::lock_guard lock(mutex_);
    while (length != 0) {
        const Master::Place place = master.place_of(offset, length);
        if (place.file != nullptr) {
            marks_.add(offset, place.length);
            counted = true;
        }
        offset += place.length;
        length -= place.length;
    }
    if (counted) {
        marks_.count_read();
    }
}

std::uint64_t TraceRecorder::pages() {
    const std::lock_guard lock(mutex_);
    return marks_.pages();
}

BootTrace TraceRecorder::finish() {
    active_.store(false, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    BootTrace trace = marks_.trace();
    marks_ = {};
    return trace;
}

std::shared_ptr<Master> recorded_master(std::shared_ptr<Master> master, std::shared_ptr<TraceRecorder> recorder) {
    return std::make_shared<RecordedMaster>(std::move(master), std::move(recorder));
}

void BootTraces::expect(const std::string& machine) {
    const std::lock_guard lock(mutex_);
    expected_.insert(machine);
}

bool BootTraces::is_wanted(const OverlayRow& row) {
    const auto known = catalogue_.traces().all();
    if (!known || std::ranges::any_of(*known, [&](const auto& trace) { return trace.image == row.image && trace.version == row.version; })) {
        return false; // the database's failure is told by those who cannot do without
    }
    const auto versions = catalogue_.versions();
    const auto writers = catalogue_.maintenance();
    const auto stands_on_it = [&](const ImageVersion& version) {
        return version.image == row.image && version.number == row.version && version.file == row.layer;
    };
    return versions && writers && std::ranges::any_of(*versions, stands_on_it) &&
           std::ranges::none_of(*writers, [&](const Maintenance& writer) { return writer.machine == row.machine; });
}

std::shared_ptr<Master> BootTraces::watch(const OverlayRow& row, std::shared_ptr<Master> master) {
    {
        const std::lock_guard lock(mutex_);
        if (expected_.erase(row.machine) == 0) {
            return master;
        }
    }
    if (!is_wanted(row)) {
        return master;
    }
    const std::lock_guard lock(mutex_);
    std::erase_if(recordings_, [](const Recording& other) { return other.recorder->is_closed() && !other.recorder->is_running(); });
    if (std::ranges::any_of(recordings_, [&](const Recording& other) { return other.image == row.image && other.version == row.version; })) {
        return master;
    }
    auto recorder = std::make_shared<TraceRecorder>();
    recordings_.push_back({row.image, row.version, row.machine, recorder, TraceWatch(clock_.now())});
    return recorded_master(std::move(master), std::move(recorder));
}

void BootTraces::note_running(const std::string& machine) {
    const std::lock_guard lock(mutex_);
    for (const Recording& recording : recordings_) {
        if (recording.machine == machine && !recording.recorder->is_closed()) {
            recording.recorder->note_running();
        }
    }
}

bool BootTraces::review() {
    std::vector<std::pair<Recording, TraceVerdict>> over;
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(recordings_, [&](Recording& recording) {
            TraceRecorder& recorder = *recording.recorder;
            const TraceVerdict verdict = recording.watch.look(clock_.now(), recorder.is_running(), recorder.is_closed(), recorder.pages());
            if (verdict != TraceVerdict::goes_on) {
                over.emplace_back(recording, verdict);
            }
            return verdict != TraceVerdict::goes_on;
        });
    }
    for (const auto& [recording, verdict] : over) {
        end(recording, verdict);
    }
    return !over.empty();
}

void BootTraces::end(const Recording& recording, TraceVerdict verdict) {
    BootTrace trace = recording.recorder->finish();
    if (verdict == TraceVerdict::aborted) {
        log_.info("images.trace.dropped", {{"image", recording.image}, {"version", recording.version}, {"machine", recording.machine},
                                           {"reason", "the boot did not come as far as a running system, or read nothing of the version"}});
        return;
    }
    trace.facts.machine = recording.machine;
    trace.facts.recorded = clock_.wall();
    if (const auto kept = catalogue_.traces().put(recording.image, recording.version, trace); !kept) {
        log_.warning("images.trace.dropped", {{"image", recording.image}, {"version", recording.version}, {"machine", recording.machine},
                                              {"reason", kept.error().what}});
        return;
    }
    log_.info("images.trace.recorded", {{"image", recording.image}, {"version", recording.version}, {"machine", recording.machine},
                                        {"reads", trace.facts.reads}, {"bytes", trace.facts.bytes}});
}

} // namespace rootstock::images
