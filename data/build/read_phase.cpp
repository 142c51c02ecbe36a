#include "data/build/read_phase.h"

#include <fmt/format.h>

#include <optional>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "data/dedup/fingerprint_file.h"
#include "data/ordered_pool.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;
constexpr size_t kJobBytes = size_t{256} << 10;
constexpr size_t kMostContaminated = 1000;  // documents that are named, of a chunk

json position_json(const Position& at) { return {at.stretch, at.taken, at.rows, at.offset, at.line}; }

Position position_from(const json& cells) {
  return {cells.at(0).get<size_t>(), cells.at(1).get<int64_t>(), cells.at(2).get<int64_t>(),
          cells.at(3).get<uint64_t>(), cells.at(4).get<int64_t>()};
}

// Rows that are prepared together. They are cut by the rows alone, and a chunk ends only where a job does: so a reader
// that starts behind a chunk makes the same jobs as one that came from the beginning.
struct Job {
  std::vector<std::pair<uint32_t, Record>> records;  // with the file
  std::string malformed;                             // lines of quarantine.jsonl
  int64_t malformed_rows = 0;
  size_t bytes = 0;
  Position after;
};

struct Result {
  Prepared prepared;
  std::string malformed;
  Position after;
};

class UnitReading {
 public:
  UnitReading(const BuildRequest& request, const Plan& plan, const Preparer& preparer,
              const std::filesystem::path& folder, size_t unit, Meter& meter)
      : plan_(plan),
        unit_(plan.units[unit]),
        source_(request.sources[unit_.source]),
        strict_(request.strict),
        preparer_(preparer),
        folder_(folder),
        number_(unit),
        meter_(meter),
        name_(source_name(source_)) {}

  void run(int threads) {
    resume();
    OrderedPool<Job, Result> pool(
        threads, [this](Job&& job) { return prepare(std::move(job)); },
        [this](Result&& done) { take(std::move(done)); });
    const size_t first = at_.stretch;
    for (size_t s = first; s < unit_.stretches.size(); ++s) {
      if (s > first) at_.stretch = s, at_.rows = 0, at_.offset = 0, at_.line = 0;
      submit_full(pool);
      read_stretch(pool);
    }
    at_.stretch = unit_.stretches.size();
    submit(pool);
    pool.finish();
    if (chunk_counts_.documents > 0 || chunk_ == 0) close_chunk(at_);
    core::write_text(unit_file(folder_, number_), json{{"chunks", chunk_}}.dump() + "\n");
  }

 private:
  // Behind the chunks that are there already.
  void resume() {
    for (;; ++chunk_) {
      const auto counts = chunk_files(folder_, number_, chunk_).counts;
      if (!std::filesystem::exists(counts)) return;
      at_ = position_from(core::parse_json_file(counts).at("after"));
      chunk_stretch_ = at_.stretch;
      meter_.add(std::min(unit_.bytes, at_.offset));
    }
  }

  void read_stretch(OrderedPool<Job, Result>& pool) {
    const auto& stretch = unit_.stretches[at_.stretch];
    const auto& planned = plan_.files[stretch.file];
    if (source_.max_documents && at_.taken >= *source_.max_documents) return;
    FileRange range = stretch.range;
    int64_t skip = at_.rows;
    if (at_.offset > 0 && planned.file.container == Container::json_lines) {
      range.begin = at_.offset + 1, range.first_line = at_.line + 1, skip = 0;
    }
    Visit visit;
    visit.strict = strict_;
    if (source_.max_documents) visit.most = *source_.max_documents - at_.taken + skip;
    uint64_t seen = 0;
    const bool whole = stretch.range.whole();
    visit.progress = [&](uint64_t bytes) {
      if (whole && bytes > seen) meter_.add(bytes - seen), seen = bytes;
    };
    visit.take = [&](Record&& record) {
      if (skip-- > 0) return true;
      ++at_.taken, ++at_.rows;
      at_.offset = record.offset, at_.line = record.line;
      record.key = {}, record.where = {};
      job_.bytes += record.text.size() + record.url.size() + 64;
      for (const auto& message : record.messages) job_.bytes += message.content.size() + message.context.size();
      job_.records.emplace_back(stretch.file, std::move(record));
      submit_full(pool);
      return true;
    };
    const std::string path = planned.file.path.string();
    visit.on_malformed = [&](const Malformed& found) {
      if (skip-- > 0) return;
      ++at_.taken, ++at_.rows;
      // Under the name that does not depend on where the source lies.
      const auto where = found.where.starts_with(path) ? planned.name + found.where.substr(path.size()) : found.where;
      job_.malformed += malformed_line(where, found.reason);
      ++job_.malformed_rows;
      job_.bytes += where.size() + found.reason.size() + 64;
      if (!found.row) return;  // of damage there is no place behind which reading could go on
      at_.offset = found.offset, at_.line = found.line;
      submit_full(pool);
    };
    visit_file(source_, planned.file, planned.index, range, visit);
    meter_.add(whole ? planned.file.bytes - std::min(planned.file.bytes, seen) : unit_.bytes);
  }

  void submit_full(OrderedPool<Job, Result>& pool) {
    if (job_.bytes >= std::min<uint64_t>(kJobBytes, plan_.unit_bytes)) submit(pool);
  }

  void submit(OrderedPool<Job, Result>& pool) {
    job_.after = at_;
    pool.submit(std::move(job_));
    job_ = {};
  }

  Result prepare(Job&& job) const {
    Result result;
    result.after = job.after;
    result.malformed = std::move(job.malformed);
    result.prepared.counts.documents = result.prepared.counts.malformed = job.malformed_rows;
    for (auto& [file, record] : job.records) {
      const auto& planned = plan_.files[file];
      preparer_.prepare(std::move(record), {name_, file, planned.name, is_document(planned.file.container)},
                        result.prepared);
    }
    return result;
  }

  void take(Result&& done) {
    if (!documents_) open_chunk();
    auto& prepared = done.prepared;
    documents_->write(prepared.documents);
    for (const auto& fingerprint : prepared.fingerprints) fingerprints_->add(fingerprint);
    if (places_) places_->write(prepared.places);
    chunk_counts_ += prepared.counts;
    const auto files = chunk_files(folder_, number_, chunk_);
    append_lines(malformed_, files.malformed, done.malformed);
    append_lines(dropped_, files.dropped, prepared.dropped);
    contaminated_.insert(contaminated_.end(), prepared.contaminated.begin(), prepared.contaminated.end());
    if (contaminated_.size() >= 2 * kMostContaminated) keep_largest(contaminated_, kMostContaminated);
    chunk_bytes_ += prepared.documents.size() + done.malformed.size() + prepared.dropped.size();
    if (chunk_bytes_ >= plan_.unit_bytes) close_chunk(done.after);
  }

  void open_chunk() {
    const auto files = chunk_files(folder_, number_, chunk_);
    documents_.emplace(files.documents);
    if (!preparer_.fingerprinter().active()) return;
    fingerprints_.emplace(files.fingerprints, preparer_.fingerprinter());
    places_.emplace(files.places);
  }

  // What stands in a chunk is what was hashed, or the chunk does not come to be: the name of its folder says so.
  void check_unchanged(const Position& after) {
    for (; chunk_stretch_ < unit_.stretches.size(); ++chunk_stretch_) {
      const auto& planned = plan_.files[unit_.stretches[chunk_stretch_].file];
      const auto path = planned.file.path.string();
      if (planned.file.version.empty() && stamp_of(path) != planned.stamp) fail_changed(path);
      if (chunk_stretch_ == after.stretch) return;
    }
  }

  void close_chunk(const Position& after) {
    check_unchanged(after);
    if (!documents_) open_chunk();
    documents_->commit();
    if (fingerprints_) fingerprints_->commit();
    for (auto* file : {&places_, &malformed_, &dropped_}) {
      if (*file) (*file)->commit();
      file->reset();
    }
    documents_.reset(), fingerprints_.reset();
    keep_largest(contaminated_, kMostContaminated);
    const json counts{
        {"after", position_json(after)}, {"counts", chunk_counts_.json()}, {"contaminated", contaminated_}};
    core::write_text(chunk_files(folder_, number_, chunk_).counts,
                     counts.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
    ++chunk_;
    chunk_counts_ = {}, chunk_bytes_ = 0, contaminated_.clear();
  }

  const Plan& plan_;
  const Unit& unit_;
  const config::Source& source_;
  bool strict_;
  const Preparer& preparer_;
  const std::filesystem::path& folder_;
  size_t number_;
  Meter& meter_;
  std::string name_;

  Job job_;
  Position at_;
  size_t chunk_ = 0, chunk_bytes_ = 0;
  size_t chunk_stretch_ = 0;  // the first whose rows may stand in this chunk
  ReadCounts chunk_counts_;
  std::optional<core::AtomicFile> places_, malformed_, dropped_;
  std::vector<json> contaminated_;
  std::optional<StoredWriter> documents_;
  std::optional<FingerprintWriter> fingerprints_;
};

}  // namespace

ChunkFiles chunk_files(const std::filesystem::path& folder, size_t unit, size_t chunk) {
  const auto stem = fmt::format("docs-{:05}-{:03}", unit, chunk);
  const auto file = [&](const char* kind) { return folder / (stem + kind); };
  return {file(".zst"), file(".fingerprints"), file(".places"), file(".malformed"), file(".dropped"), file(".json")};
}

std::filesystem::path unit_file(const std::filesystem::path& folder, size_t unit) {
  return folder / fmt::format("unit-{:05}.json", unit);
}

void ReadPhase::read(size_t unit, int threads) const {
  UnitReading(request_, plan_, preparer_, folder_, unit, meter_).run(threads);
}

}  // namespace plumb::data
