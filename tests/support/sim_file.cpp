#include "support/sim_file.hpp"

#include "support/sim_content.hpp"

#include <algorithm>

namespace rootstock::test {
namespace {

struct Change {
    SimAction action{};
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::shared_ptr<const ByteVector> data = nullptr;
    bool survives = false; // a power loss, whatever is behind it

    void apply(SimContent& content) const {
        switch (action) {
        case SimAction::write: content.write(offset, *data); break;
        case SimAction::resize: content.resize(offset); break;
        case SimAction::punch: content.punch(offset, length); break;
        case SimAction::allocate: content.allocate(offset, length); break;
        default: RS_ASSERT(false);
        }
    }
};

constexpr std::ptrdiff_t most_unsynced = 4096; // changes of a file

struct Inode {
    std::uint64_t number = 0;
    SimContent current;
    SimContent durable;
    std::vector<Change> unsynced;
    std::shared_ptr<ByteVector> mapping; // once mapped shared, the contents are here
    std::shared_ptr<SimCopy> copy;       // of `current`, for who only reads
    bool read_only = false;
    bool locked = false;

    [[nodiscard]] std::uint64_t size() const { return mapping ? mapping->size() : current.size(); }
    void read(std::uint64_t offset, MutableBytes out) const {
        if (mapping) {
            std::memcpy(out.data(), mapping->data() + offset, out.size());
        } else {
            current.read(offset, out);
        }
    }
    void change(Change what) {
        what.apply(current);
        copy.reset();
        if (mapping && what.action == SimAction::write) {
            std::memcpy(mapping->data() + what.offset, what.data->data(), what.data->size());
        }
        unsynced.push_back(std::move(what));
        if (unsynced.size() == 2 * most_unsynced) {
            write_back();
        }
    }
    /// A kernel does not wait for a sync for ever: the older half reaches the disk.
    void write_back() {
        for (std::size_t at = 0; at < most_unsynced; ++at) {
            unsynced[at].apply(durable);
        }
        unsynced.erase(unsynced.begin(), unsynced.begin() + most_unsynced);
    }
    void sync() {
        if (mapping) {
            current.write(0, *mapping);
        }
        durable = current;
        unsynced.clear();
    }
    /// RWF_DSYNC: the data of this write and the journal, with all sizes and holes; no other data.
    void sync_last_write() {
        for (Change& change : unsynced) {
            change.survives = change.survives || change.action != SimAction::write;
        }
        unsynced.back().survives = true;
    }
};
using InodePtr = std::shared_ptr<Inode>;
using Names = std::map<std::string, InodePtr>;

Error sim_error(std::errc code, const std::string& path, const char* what) {
    return make_error(code, path + ": " + what);
}

} // namespace

struct SimState {
    mutable std::mutex mutex;
    Names names;
    Names durable_names;
    std::vector<std::function<void(Names&)>> unsynced_names;
    std::set<std::string> directories;
    std::string boot_id = "00000000-0000-4000-8000-000000000001";
    std::uint64_t next_inode = 1;
    std::vector<SimOperation> operations;
    std::function<void(const SimOperation&)> hook;
    std::function<std::optional<Error>(const SimOperation&)> failure;

    /// Before every change, outside of the lock: the hook may copy the whole state.
    Result<void> announce(const SimOperation& operation) {
        if (hook) {
            hook(operation);
        }
        std::lock_guard lock(mutex);
        if (failure) {
            if (std::optional<Error> error = failure(operation)) {
                return *error;
            }
        }
        operations.push_back(operation);
        return {};
    }
    void change_names(std::function<void(Names&)> change) {
        change(names);
        unsynced_names.push_back(std::move(change));
    }
};

namespace {

/// Shared by all who map a file that has not changed since the first of them did.
class SimCopyMapping final : public images::Mapping {
  public:
    explicit SimCopyMapping(std::shared_ptr<SimCopy> copy) : copy_(std::move(copy)) {}
    MutableBytes bytes() override { return copy_->bytes(); }

  private:
    std::shared_ptr<SimCopy> copy_;
};

class SimMapping final : public images::Mapping {
  public:
    explicit SimMapping(std::shared_ptr<ByteVector> memory) : memory_(std::move(memory)) {}
    MutableBytes bytes() override { return *memory_; }

  private:
    std::shared_ptr<ByteVector> memory_;
};

class SimFile final : public images::File {
  public:
    SimFile(SimState& state, InodePtr inode, std::string path, bool writable)
        : state_(state), inode_(std::move(inode)), path_(std::move(path)), writable_(writable) {}
    ~SimFile() override {
        std::lock_guard lock(state_.mutex);
        if (holds_lock_) {
            inode_->locked = false;
        }
    }

    const std::string& path() const override { return path_; }
    void note_path(const std::string& path) override { path_ = path; }

    Result<void> read_at(std::uint64_t offset, MutableBytes out) override {
        std::lock_guard lock(state_.mutex);
        if (!range_fits(offset, out.size(), inode_->size())) {
            return sim_error(std::errc::io_error, path_, "read beyond the end of the file");
        }
        inode_->read(offset, out);
        return {};
    }
    Result<bool> try_read_at(std::uint64_t offset, MutableBytes out) override {
        Result<void> read = read_at(offset, out);
        if (!read) {
            return read.error();
        }
        return true;
    }
    Result<void> write_at(std::uint64_t offset, Bytes data) override { return write(SimAction::write, offset, data); }
    Result<void> write_durable_at(std::uint64_t offset, Bytes data) override {
        Result<void> written = write(SimAction::durable_write, offset, data);
        if (written) {
            std::lock_guard lock(state_.mutex);
            inode_->sync_last_write();
        }
        return written;
    }
    Result<void> sync_data() override {
        if (Result<void> ready = state_.announce({SimAction::sync, path_, 0, 0}); !ready) {
            return ready;
        }
        std::lock_guard lock(state_.mutex);
        inode_->sync();
        return {};
    }
    Result<std::uint64_t> size() override {
        std::lock_guard lock(state_.mutex);
        return inode_->size();
    }
    Result<void> resize(std::uint64_t size) override { return change({SimAction::resize, size, 0, nullptr}); }
    Result<void> punch_hole(std::uint64_t offset, std::uint64_t length) override {
        return change({SimAction::punch, offset, length, nullptr});
    }
    Result<void> allocate(std::uint64_t offset, std::uint64_t length) override {
        return change({SimAction::allocate, offset, length, nullptr});
    }
    Result<std::optional<Stretch>> next_data(std::uint64_t offset) override {
        std::lock_guard lock(state_.mutex);
        if (inode_->mapping) {
            inode_->current.write(0, *inode_->mapping);
        }
        return inode_->current.next_data(offset);
    }
    Result<std::uint64_t> allocated_bytes() override {
        std::lock_guard lock(state_.mutex);
        return inode_->current.allocated();
    }
    Result<std::unique_ptr<images::Mapping>> map_read_only() override {
        std::lock_guard lock(state_.mutex);
        if (inode_->mapping) {
            inode_->current.write(0, *inode_->mapping);
            inode_->copy.reset();
        }
        if (!inode_->copy) {
            inode_->copy = std::make_shared<SimCopy>(inode_->current);
        }
        return std::make_unique<SimCopyMapping>(inode_->copy);
    }
    Result<std::unique_ptr<images::Mapping>> map_shared(std::uint64_t size) override {
        std::lock_guard lock(state_.mutex);
        if (!inode_->mapping) {
            auto memory = std::make_shared<ByteVector>(static_cast<std::size_t>(inode_->current.size()));
            inode_->current.read(0, *memory);
            inode_->mapping = std::move(memory);
        }
        if (size > inode_->mapping->size()) {
            return sim_error(std::errc::invalid_argument, path_, "mapping beyond the end of the file");
        }
        return std::make_unique<SimMapping>(inode_->mapping);
    }
    Result<void> lock_exclusive() override {
        std::lock_guard lock(state_.mutex);
        if (inode_->locked && !holds_lock_) {
            return sim_error(std::errc::resource_unavailable_try_again, path_, "another process has it open");
        }
        inode_->locked = holds_lock_ = true;
        return {};
    }
    Result<Stamp> stamp() override {
        std::lock_guard lock(state_.mutex);
        return Stamp{1, inode_->number, inode_->size(), 0};
    }

  private:
    Result<void> write(SimAction action, std::uint64_t offset, Bytes data) {
        if (!writable_) {
            return sim_error(std::errc::bad_file_descriptor, path_, "opened read-only");
        }
        if (Result<void> ready = state_.announce({action, path_, offset, data.size()}); !ready) {
            return ready;
        }
        std::lock_guard lock(state_.mutex);
        inode_->change({SimAction::write, offset, data.size(), std::make_shared<ByteVector>(data.begin(), data.end())});
        return {};
    }
    Result<void> change(Change what) {
        if (Result<void> ready = state_.announce({what.action, path_, what.offset, what.length}); !ready) {
            return ready;
        }
        std::lock_guard lock(state_.mutex);
        RS_ASSERT(!inode_->mapping || what.action == SimAction::allocate); // our code never resizes or punches what it has mapped
        inode_->change(std::move(what));
        return {};
    }

    SimState& state_;
    InodePtr inode_;
    std::string path_;
    bool writable_;
    bool holds_lock_ = false;
};

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

/// Copies what has reached the disk: chosen pieces of writes in any order, sizes and holes in order up to a random point.
SimContent torn_content(const Inode& inode, const PowerCut& cut, SeededRandom& random) {
    SimContent content = inode.durable;
    const auto chosen = [&] { return random.u32() % 100 < cut.kept_percent; };
    bool journal_open = true;
    for (const Change& change : inode.unsynced) {
        if (change.action != SimAction::write) {
            journal_open = change.survives || (journal_open && chosen());
            if (journal_open) {
                change.apply(content);
            }
            continue;
        }
        for (std::uint64_t done = 0; done < change.length;) {
            const std::uint64_t at = change.offset + done;
            const std::uint64_t count = std::min(change.length - done, cut.tear_bytes - at % cut.tear_bytes);
            if (change.survives || chosen()) {
                content.write(at, Bytes(*change.data).subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count)));
            }
            done += count;
        }
    }
    return content;
}

InodePtr copy_inode(const Inode& inode) {
    auto copy = std::make_shared<Inode>(inode);
    copy->locked = false;
    if (inode.mapping) {
        copy->mapping = std::make_shared<ByteVector>(*inode.mapping);
    }
    return copy;
}

InodePtr inode_after_power_loss(const Inode& inode, const PowerCut& cut, SeededRandom& random) {
    auto copy = std::make_shared<Inode>();
    copy->number = inode.number;
    copy->read_only = inode.read_only;
    copy->current = torn_content(inode, cut, random);
    if (inode.mapping && random.u32() % 2 == 0) {
        copy->current.write(0, *inode.mapping); // the kernel may have written any page of a mapping at any time
    }
    copy->durable = copy->current;
    return copy;
}

} // namespace

SimFileSystem::SimFileSystem() : state_(std::make_unique<SimState>()) {}
SimFileSystem::SimFileSystem(std::unique_ptr<SimState> state) : state_(std::move(state)) {}
SimFileSystem::~SimFileSystem() = default;

Result<std::unique_ptr<images::File>> SimFileSystem::open(const std::string& path, images::OpenMode mode) {
    if (mode == images::OpenMode::create_new) {
        if (exists(path)) {
            return sim_error(std::errc::file_exists, path, "exists already");
        }
        if (Result<void> ready = state_->announce({SimAction::create, path, 0, 0}); !ready) {
            return ready.error();
        }
        std::lock_guard lock(state_->mutex);
        auto inode = std::make_shared<Inode>();
        inode->number = state_->next_inode++;
        state_->change_names([path, inode](Names& names) { names[path] = inode; });
        return std::make_unique<SimFile>(*state_, inode, path, true);
    }
    std::lock_guard lock(state_->mutex);
    const auto found = state_->names.find(path);
    if (found == state_->names.end()) {
        return sim_error(std::errc::no_such_file_or_directory, path, "no such file");
    }
    return std::make_unique<SimFile>(*state_, found->second, path, mode == images::OpenMode::read_write);
}

Result<void> SimFileSystem::remove(const std::string& path) {
    if (!exists(path)) {
        return {};
    }
    if (Result<void> ready = state_->announce({SimAction::remove, path, 0, 0}); !ready) {
        return ready;
    }
    std::lock_guard lock(state_->mutex);
    state_->change_names([path](Names& names) { names.erase(path); });
    return {};
}

Result<void> SimFileSystem::rename(const std::string& from, const std::string& to) {
    if (!exists(from)) {
        return sim_error(std::errc::no_such_file_or_directory, from, "no such file");
    }
    if (Result<void> ready = state_->announce({SimAction::rename, from, 0, 0}); !ready) {
        return ready;
    }
    std::lock_guard lock(state_->mutex);
    const InodePtr inode = state_->names.at(from);
    state_->change_names([from, to, inode](Names& names) {
        names.erase(from);
        names[to] = inode;
    });
    return {};
}

Result<void> SimFileSystem::sync_directory(const std::string& path) {
    if (Result<void> ready = state_->announce({SimAction::sync_directory, path, 0, 0}); !ready) {
        return ready;
    }
    std::lock_guard lock(state_->mutex);
    state_->durable_names = state_->names;
    state_->unsynced_names.clear();
    return {};
}

Result<void> SimFileSystem::make_directories(const std::string& path) {
    std::lock_guard lock(state_->mutex);
    for (std::string directory = path; !directory.empty(); directory = directory_of(directory)) {
        state_->directories.insert(directory);
    }
    return {};
}

Result<void> SimFileSystem::make_read_only(const std::string& path) {
    std::lock_guard lock(state_->mutex);
    const auto found = state_->names.find(path);
    if (found == state_->names.end()) {
        return sim_error(std::errc::no_such_file_or_directory, path, "no such file");
    }
    found->second->read_only = true;
    return {};
}

bool SimFileSystem::exists(const std::string& path) {
    std::lock_guard lock(state_->mutex);
    return state_->names.contains(path) || state_->directories.contains(path);
}

Result<std::vector<std::string>> SimFileSystem::list(const std::string& directory) {
    std::lock_guard lock(state_->mutex);
    std::set<std::string> found;
    const auto note = [&](const std::string& path) {
        if (directory_of(path) == directory) {
            found.insert(path.substr(directory.size() + 1));
        }
    };
    for (const auto& [path, inode] : state_->names) {
        note(path);
    }
    std::for_each(state_->directories.begin(), state_->directories.end(), note);
    return std::vector<std::string>(found.begin(), found.end());
}

Result<images::FileSystem::Space> SimFileSystem::space(const std::string&) {
    return Space{std::uint64_t{1} << 40U, std::uint64_t{1} << 40U};
}

std::string SimFileSystem::boot_id() const { return state_->boot_id; }

std::unique_ptr<SimFileSystem> SimFileSystem::after_process_death() const {
    std::lock_guard lock(state_->mutex);
    auto copy = std::make_unique<SimState>();
    copy->directories = state_->directories;
    copy->boot_id = state_->boot_id;
    copy->next_inode = state_->next_inode;
    for (const auto& [path, inode] : state_->names) {
        copy->names[path] = copy_inode(*inode);
    }
    copy->durable_names = copy->names;
    return std::unique_ptr<SimFileSystem>(new SimFileSystem(std::move(copy)));
}

std::unique_ptr<SimFileSystem> SimFileSystem::after_power_loss(const PowerCut& cut) const {
    std::lock_guard lock(state_->mutex);
    SeededRandom random(cut.seed);
    auto copy = std::make_unique<SimState>();
    copy->directories = state_->directories;
    copy->boot_id = "00000000-0000-4000-8000-" + std::to_string(100000000000 + cut.seed % 1000000);
    copy->next_inode = state_->next_inode;
    Names names = state_->durable_names;
    for (const auto& change : state_->unsynced_names) {
        if (random.u32() % 100 >= cut.kept_percent) {
            break;
        }
        change(names);
    }
    for (const auto& [path, inode] : names) {
        copy->names[path] = inode_after_power_loss(*inode, cut, random);
    }
    copy->durable_names = copy->names;
    return std::unique_ptr<SimFileSystem>(new SimFileSystem(std::move(copy)));
}

void SimFileSystem::before_change(std::function<void(const SimOperation&)> hook) { state_->hook = std::move(hook); }

void SimFileSystem::fail_when(std::function<std::optional<Error>(const SimOperation&)> predicate) {
    std::lock_guard lock(state_->mutex);
    state_->failure = std::move(predicate);
}

std::vector<SimOperation> SimFileSystem::take_operations() {
    std::lock_guard lock(state_->mutex);
    return std::exchange(state_->operations, {});
}

} // namespace rootstock::test
