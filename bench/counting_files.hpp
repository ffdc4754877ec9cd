// CountingFileSystem: a FileSystem that counts what is written through it, and how often something is made durable.
// Stores into mappings (the live map beside an open disk) are not seen: they are no calls. Threads: as FileSystem.
#pragma once

#include "images/file.hpp"

#include <atomic>

namespace rootstock::bench {

/// `syncs`: fdatasync and durable writes of files (before a pool joins those of many), and fsync of directories.
struct FileCounts {
    std::uint64_t writes = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t syncs = 0;
};
[[nodiscard]] inline FileCounts operator-(const FileCounts& now, const FileCounts& before) {
    return {now.writes - before.writes, now.written_bytes - before.written_bytes, now.syncs - before.syncs};
}

struct FileCounters {
    std::atomic<std::uint64_t> writes{0}, written_bytes{0}, syncs{0};
    [[nodiscard]] FileCounts now() const { return {writes.load(), written_bytes.load(), syncs.load()}; }
};

class CountingFile final : public images::File {
  public:
    CountingFile(std::unique_ptr<images::File> file, std::shared_ptr<FileCounters> counters) : file_(std::move(file)), counters_(std::move(counters)) {}

    [[nodiscard]] const std::string& path() const override { return file_->path(); }
    void note_path(const std::string& path) override { file_->note_path(path); }
    Result<void> read_at(std::uint64_t offset, MutableBytes out) override { return file_->read_at(offset, out); }
    Result<bool> try_read_at(std::uint64_t offset, MutableBytes out) override { return file_->try_read_at(offset, out); }
    Result<void> write_at(std::uint64_t offset, Bytes data) override {
        count_write(data);
        return file_->write_at(offset, data);
    }
    Result<void> write_durable_at(std::uint64_t offset, Bytes data) override {
        count_write(data);
        ++counters_->syncs;
        return file_->write_durable_at(offset, data);
    }
    Result<void> sync_data() override {
        ++counters_->syncs;
        return file_->sync_data();
    }
    Result<std::uint64_t> size() override { return file_->size(); }
    Result<void> resize(std::uint64_t size) override { return file_->resize(size); }
    Result<void> punch_hole(std::uint64_t offset, std::uint64_t length) override { return file_->punch_hole(offset, length); }
    Result<void> allocate(std::uint64_t offset, std::uint64_t length) override { return file_->allocate(offset, length); }
    void advise_random() override { file_->advise_random(); }
    void drop_cached(std::uint64_t offset, std::uint64_t length) override { file_->drop_cached(offset, length); }
    void start_writeback() override { file_->start_writeback(); }
    Result<std::optional<Stretch>> next_data(std::uint64_t offset) override { return file_->next_data(offset); }
    Result<std::uint64_t> allocated_bytes() override { return file_->allocated_bytes(); }
    Result<std::unique_ptr<images::Mapping>> map_read_only() override { return file_->map_read_only(); }
    Result<std::unique_ptr<images::Mapping>> map_shared(std::uint64_t size) override { return file_->map_shared(size); }
    Result<void> lock_exclusive() override { return file_->lock_exclusive(); }
    Result<Stamp> stamp() override { return file_->stamp(); }

  private:
    void count_write(Bytes data) {
        ++counters_->writes;
        counters_->written_bytes += data.size();
    }

    const std::unique_ptr<images::File> file_;
    const std::shared_ptr<FileCounters> counters_;
};

class CountingFileSystem final : public images::FileSystem {
  public:
    [[nodiscard]] FileCounts counts() const { return counters_->now(); }

    Result<std::unique_ptr<images::File>> open(const std::string& path, images::OpenMode mode) override {
        auto file = files_->open(path, mode);
        if (!file) {
            return file.error();
        }
        return std::unique_ptr<images::File>(std::make_unique<CountingFile>(std::move(*file), counters_));
    }
    Result<void> remove(const std::string& path) override { return files_->remove(path); }
    Result<void> rename(const std::string& from, const std::string& to) override { return files_->rename(from, to); }
    Result<void> sync_directory(const std::string& path) override {
        ++counters_->syncs;
        return files_->sync_directory(path);
    }
    Result<void> make_directories(const std::string& path) override { return files_->make_directories(path); }
    Result<void> make_read_only(const std::string& path) override { return files_->make_read_only(path); }
    [[nodiscard]] bool can_be_written(const std::string& path) override { return files_->can_be_written(path); }
    [[nodiscard]] bool exists(const std::string& path) override { return files_->exists(path); }
    Result<std::vector<std::string>> list(const std::string& directory) override { return files_->list(directory); }
    Result<Space> space(const std::string& path) override { return files_->space(path); }
    [[nodiscard]] Memory memory() override { return files_->memory(); }

  private:
    const std::unique_ptr<images::FileSystem> files_ = images::make_posix_file_system();
    const std::shared_ptr<FileCounters> counters_ = std::make_shared<FileCounters>();
};

} // namespace rootstock::bench
