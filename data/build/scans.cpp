#include "data/build/scans.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "data/ordered_pool.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;

// A file whose time is this young when it is hashed could still change within the same tick of the clock.
constexpr int64_t kSettled = 2'000'000'000;  // ns

struct Known {
  FileStamp stamp;
  FileScan scan;
};
using Table = std::map<std::string, Known>;

// One line a file: stamp, digest, number of ranges, begin and first line of each, path. Whatever does not read as such
// is as if it were not there.
bool parse_line(const std::string& line, std::string& name, Known& known) {
  std::istringstream words(line);
  size_t ranges = 0;
  auto& stamp = known.stamp;
  words >> stamp.bytes >> stamp.inode >> stamp.device >> stamp.modified >> stamp.changed >> known.scan.sha256 >> ranges;
  if (!words || known.scan.sha256.size() != 64 || ranges == 0 || ranges > line.size()) return false;
  known.scan.ranges.resize(ranges);
  for (size_t i = 0; i < ranges; ++i) {
    words >> known.scan.ranges[i].begin >> known.scan.ranges[i].first_line;
    if (i > 0) known.scan.ranges[i - 1].end = known.scan.ranges[i].begin;
  }
  return words && words.get() == ' ' && std::getline(words, name);
}

void load_table(const fs::path& path, Table& table) {
  std::error_code code;
  if (!fs::exists(path, code)) return;
  std::istringstream lines(core::read_text(path));
  std::string name;
  for (std::string line; std::getline(lines, line);) {
    Known known;
    if (parse_line(line, name, known)) table[name] = std::move(known);
  }
}

void save_table(const fs::path& path, const Table& table) {
  std::string text;
  for (const auto& [name, known] : table) {
    if (name.find('\n') != std::string::npos) continue;
    const auto& [stamp, scan] = known;
    text += fmt::format("{} {} {} {} {} {} {}", stamp.bytes, stamp.inode, stamp.device, stamp.modified, stamp.changed,
                        scan.sha256, scan.ranges.size());
    for (const auto& range : scan.ranges) text += fmt::format(" {} {}", range.begin, range.first_line);
    text += " " + name + "\n";
  }
  fs::create_directories(path.parent_path());
  core::write_text(path, text);
}

int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

class Scanner {
 public:
  Scanner(const fs::path& folder, const std::string& list, const std::vector<SourceFile>& files, uint64_t range_bytes,
          int threads, Meter& meter)
      : folder_(folder), files_(files), range_bytes_(range_bytes), threads_(threads), meter_(meter) {
    for (const auto& file : files) {
      const bool local = file.version.empty();
      names_.push_back(local ? fs::absolute(file.path).lexically_normal().string() : file.path.string());
      stamps_.push_back(local ? stamp_of(names_.back()) : FileStamp{.bytes = file.bytes});
    }
    table_file_ = folder_ / (core::sha256(list + fmt::format(" {}", range_bytes_)).substr(0, 16) + ".txt");
    load_table(table_file_, table_);
    for (size_t i = 0; i < files_.size(); ++i) {
      const auto known = table_.find(names_[i]);
      // Of an object in a store nothing is read: there is nothing worth remembering.
      if (files_[i].version.empty() && known != table_.end() && known->second.stamp == stamps_[i]) continue;
      missing_.push_back(i), missing_bytes_ += stamps_[i].bytes;
    }
  }

  bool complete() const { return missing_.empty(); }
  uint64_t missing_bytes() const { return missing_bytes_; }

  void run(Crew::Options crew) {
    if (complete()) return;
    const int64_t before = now();
    if (crew.parts == 1)
      take(scan_share(0, 1));
    else
      scan_with_others(crew);
    Table settled = table_;
    std::erase_if(settled, [&](const auto& entry) {
      const auto& stamp = entry.second.stamp;
      return std::max(stamp.modified, stamp.changed) > before - kSettled;
    });
    save_table(table_file_, settled);
  }

  std::vector<ScannedFile> scans() const {
    std::vector<ScannedFile> scans;
    for (size_t i = 0; i < files_.size(); ++i) {
      const auto found = table_.find(names_[i]);
      const bool local = files_[i].version.empty();
      if (found == table_.end() || (local && stamp_of(names_[i]) != stamps_[i])) {
        fail_changed(files_[i].path);
      }
      scans.push_back({found->second.scan, stamps_[i]});
    }
    return scans;
  }

 private:
  void take(Table&& found) {
    for (auto& [name, known] : found) table_[name] = std::move(known);
  }

  // The missing files whose place in the list is `first` modulo `step`.
  Table scan_share(size_t first, size_t step) {
    Table done;
    using Result = std::pair<size_t, FileScan>;
    OrderedPool<size_t, Result> pool(
        threads_, [&](size_t&& at) { return Result(at, scan_file(files_[at], range_bytes_)); },
        [&](Result&& result) {
          meter_.add(stamps_[result.first].bytes * step);
          done[names_[result.first]] = {stamps_[result.first], std::move(result.second)};
        });
    for (size_t i = first; i < missing_.size(); i += step) pool.submit(size_t{missing_[i]});
    pool.finish();
    return done;
  }

  void scan_with_others(Crew::Options options) {
    std::string list;
    for (const size_t at : missing_) {
      const auto& stamp = stamps_[at];
      list += fmt::format("{} {} {} {} {}\n", names_[at], stamp.bytes, stamp.modified, stamp.changed, stamp.inode);
    }
    const auto work = folder_ / fmt::format("{}-{}", core::sha256(list).substr(0, 16), options.parts);
    fs::create_directories(work);
    const auto parts = static_cast<size_t>(options.parts);
    const auto file = [&](size_t part) { return work / fmt::format("share-{}", part); };
    {
      Crew crew(work / "crew", options);
      crew.share(
          parts, [&](size_t part) { return fs::exists(file(part)); },
          [&](const Crew::Tasks& tasks) {
            for (const size_t part : tasks) save_table(file(part), scan_share(part, parts));
          });
    }
    for (size_t part = 0; part < parts; ++part) load_table(file(part), table_);
    core::remove_leftovers(work, "");
  }

  fs::path folder_, table_file_;
  const std::vector<SourceFile>& files_;
  uint64_t range_bytes_;
  int threads_;
  Meter& meter_;
  std::vector<std::string> names_;
  std::vector<FileStamp> stamps_;
  std::vector<size_t> missing_;
  uint64_t missing_bytes_ = 0;
  Table table_;
};

}  // namespace

FileStamp stamp_of(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) fail_input(file, std::string("cannot be read: ") + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail_input(file, "expected a regular file, found something else");
  const auto ns = [](const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
  return {static_cast<uint64_t>(status.st_size), status.st_ino, status.st_dev, ns(status.st_mtim), ns(status.st_ctim)};
}

void fail_changed(const fs::path& file) {
  fail_input(file, "changed while it was read", "build again when it is complete");
}

std::vector<std::vector<ScannedFile>> scan_files(const fs::path& cache, const std::vector<FileList>& lists,
                                                 uint64_t range_bytes, Crew::Options crew, int threads, Meter& meter) {
  const auto folder = cache / ".digests";
  std::vector<Scanner> scanners;
  for (const auto& [name, files] : lists) scanners.emplace_back(folder, name, files, range_bytes, threads, meter);
  uint64_t bytes = 0;
  for (const auto& scanner : scanners) bytes += scanner.missing_bytes();
  const bool complete =
      std::all_of(scanners.begin(), scanners.end(), [](const Scanner& scanner) { return scanner.complete(); });
  if (!complete) meter.start("hashing", bytes, "bytes");
  std::vector<std::vector<ScannedFile>> scans;
  for (auto& scanner : scanners) scanner.run(crew), scans.push_back(scanner.scans());
  if (!complete) meter.finish();
  core::remove_leftovers(folder, "");
  return scans;
}

}  // namespace plumb::data
