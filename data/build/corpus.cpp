#include "data/build/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/build/preparer.h"
#include "data/build/read_phase.h"
#include "data/build/set_aside.h"
#include "data/ordered_pool.h"
#include "data/source/documents.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;
constexpr int kDocumentsVersion = 4;

json identity_of(const BuildRequest& request, const Plan& plan, const Preparer& preparer) {
  json id{{"version", kDocumentsVersion}, {"unit_bytes", plan.unit_bytes}, {"rules", preparer.identity()}};
  id["sources"] = json::array();
  for (const auto& source : request.sources) {
    json entry{{"name", source_name(source)}, {"format", source.format}, {"fields", source.fields}};
    if (source.max_documents) entry["max_documents"] = *source.max_documents;
    id["sources"].push_back(std::move(entry));
  }
  const auto pdf = [](const PlannedFile& file) { return file.file.container == Container::pdf; };
  if (std::any_of(plan.files.begin(), plan.files.end(), pdf)) id["pdf_reader"] = pdf_reader();
  core::Sha256 files;
  for (const auto& file : plan.files) {
    files.update(json{file.source, file.name, file.file.bytes, file.sha256}.dump(-1, ' ', false,
                                                                                 json::error_handler_t::replace));
  }
  id["files_sha256"] = files.hex();
  return id;
}

}  // namespace

Corpus Corpus::build(const BuildRequest& request, const fs::path& cache, Meter& meter) {
  Corpus corpus;
  corpus.plan_ = make_plan(request, cache, meter);
  const Preparer preparer(request);
  corpus.identity_ = identity_of(request, corpus.plan_, preparer);
  if (preparer.contamination().active()) corpus.contamination_ = preparer.contamination().summary();
  corpus.key_ = core::sha256(corpus.identity_.dump(-1, ' ', false, json::error_handler_t::replace)).substr(0, 32);
  corpus.folder_ = fs::absolute(cache) / ("documents-" + corpus.key_);
  const auto complete = corpus.folder_ / "documents.json";
  std::optional<BuildLock> lock;
  if (!fs::exists(complete) && request.crew.parts == 1) {
    lock.emplace(fs::absolute(cache) / (".documents-" + corpus.key_ + ".lock"),
                 [&] { meter.start("waiting for another process that reads the same documents", 0, ""); });
  }
  const bool read_already = fs::exists(complete);
  if (!read_already) {
    fs::create_directories(corpus.folder_);
    corpus.read(request, meter);
  }
  corpus.list_chunks();
  corpus.find_duplicates(request, meter);
  corpus.find_repeated_passages(request, meter);
  if (!read_already) {
    core::write_text(complete, json{{"identity", corpus.identity_}, {"chunks", corpus.chunks_.size()}}.dump() + "\n");
  }
  core::remove_leftovers(corpus.folder_, "");  // of builds that were killed, each under a name of its own
  return corpus;
}

void Corpus::read(const BuildRequest& request, Meter& meter) {
  const Preparer preparer(request);
  meter.start("reading", plan_.bytes, "bytes");
  const ReadPhase phase(request, plan_, preparer, folder_, meter);
  Crew crew(folder_ / "crew", request.crew);
  crew.share(
      plan_.units.size(), [&](size_t unit) { return phase.done(unit) || fs::exists(folder_ / "documents.json"); },
      [&](const Crew::Tasks& tasks) {
        // Units side by side as far as there are any; threads that are left prepare rows of the same unit.
        const int lanes = std::max(1, std::min(request.threads, static_cast<int>(tasks.size())));
        OrderedPool<size_t, int> pool(
            lanes, [&](size_t&& unit) { return phase.read(unit, std::max(1, request.threads / lanes)), 0; },
            [](int&&) {});
        for (const size_t unit : tasks) pool.submit(size_t{unit});
        pool.finish();
      });
  meter.finish();
}

void Corpus::list_chunks() {
  for (size_t unit = 0; unit < plan_.units.size(); ++unit) {
    const auto path = unit_file(folder_, unit);
    const auto found = core::parse_json_file(path);
    const auto count = found.value("chunks", uint64_t{0});
    if (count == 0 || count > 1'000'000) fail_input(path, "damaged", "remove its folder and build again");
    for (size_t number = 0; number < count; ++number) chunks_.push_back({unit, number, plan_.units[unit].source});
  }
}

template <typename Read>
auto Corpus::from_counts(size_t chunk, const Read& read) const {
  const auto path = chunk_files(folder_, chunks_.at(chunk).unit, chunks_[chunk].number).counts;
  try {
    return read(core::parse_json_file(path));
  } catch (const nlohmann::json::exception&) {
    fail_input(path, "damaged", "remove its folder and build again");
  }
}

ReadCounts Corpus::counts(size_t chunk) const {
  return from_counts(chunk, [](const json& found) { return ReadCounts::from_json(found.at("counts")); });
}

std::vector<json> Corpus::contaminated(size_t chunk) const {
  return from_counts(chunk, [](const json& found) { return found.at("contaminated").get<std::vector<json>>(); });
}

void Corpus::malformed(size_t chunk, const std::function<bool(const std::string& line)>& take) const {
  read_set_aside(chunk_files(folder_, chunks_[chunk].unit, chunks_[chunk].number).malformed, counts(chunk).malformed,
                 take);
}

void Corpus::dropped(size_t chunk, const std::function<bool(const std::string& line)>& take) const {
  const auto read = counts(chunk);
  read_set_aside(chunk_files(folder_, chunks_[chunk].unit, chunks_[chunk].number).dropped,
                 read.filtered + read.personal + read.contaminated + read.empty, take);
}

void Corpus::find_duplicates(const BuildRequest& request, Meter& meter) {
  const Fingerprinter fingerprinter(request.dedup);
  if (!fingerprinter.active()) {
    for (size_t chunk = 0; chunk < chunks_.size(); ++chunk) survivors_ += counts(chunk).stored;
    return;
  }
  Deduplicator::Plan plan;
  for (const auto& chunk : chunks_) {
    plan.fingerprints.push_back(chunk_files(folder_, chunk.unit, chunk.number).fingerprints);
  }
  plan.folder = folder_, plan.part = request.crew.part, plan.parts = request.crew.parts, plan.threads = request.threads;
  duplicates_ = std::make_shared<Deduplicator>(request.dedup, plan);
  if (!duplicates_->finished()) {
    meter.start("deduplicating", 1000, "");
    const auto progress = [&](double share, const std::string& what) {
      meter.set(static_cast<uint64_t>(share * 1000), what);
    };
    Crew crew(folder_ / "crew", request.crew);
    const auto marker = [&](size_t part) { return folder_ / fmt::format("passes-{}-of-{}", part, crew.parts()); };
    crew.share(
        static_cast<size_t>(crew.parts()),
        [&](size_t part) { return duplicates_->finished() || fs::exists(marker(part)); },
        [&](const Crew::Tasks& parts) {
          for (const size_t part : parts) {
            plan.part = static_cast<int>(part);
            Deduplicator(request.dedup, plan).passes(progress);
            core::write_text(marker(part), "");
          }
        });
    crew.lead([&] { return duplicates_->finished(); }, [&] { duplicates_->finish(progress); });
    meter.finish();
  }
  survivors_ = duplicates_->report().kept;
}

void Corpus::find_repeated_passages(const BuildRequest& request, Meter& meter) {
  passages_ = std::make_shared<SubstringDeduplicator>(request.dedup, folder_);
  if (!passages_->active()) return passages_.reset();
  if (passages_->finished()) return;
  meter.start("looking for repeated passages", 1000, "");
  const auto find = [&] {
    auto passages = std::exchange(passages_, nullptr);  // so that visit() gives whole texts
    for (size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
      passages->begin_unit();
      visit(chunk, [&](StoredDocument&& document, Fate fate) {
        if (fate == Fate::kept) passages->add(document.messages.empty() ? document.text : "");
      });
    }
    passages->finish(
        [&](double share, const std::string& what) { meter.set(static_cast<uint64_t>(share * 1000), what); });
    passages_ = std::move(passages);
  };
  Crew crew(folder_ / "crew", request.crew);
  crew.lead([&] { return passages_->finished(); }, find);
  meter.finish();
}

void Corpus::visit(size_t chunk, const std::function<void(StoredDocument&&, Fate)>& take) const {
  const auto path = chunk_files(folder_, chunks_.at(chunk).unit, chunks_[chunk].number).documents;
  StoredReader reader(path);
  std::vector<Verdict> verdicts;
  std::vector<std::vector<RepeatedSpan>> spans;
  if (duplicates_) verdicts = duplicates_->verdicts(static_cast<int64_t>(chunk));
  if (passages_) spans = passages_->spans(static_cast<int64_t>(chunk));
  StoredDocument document;
  size_t survivor = 0;
  for (size_t i = 0;; ++i) {
    const auto verdict = i < verdicts.size() ? verdicts[i] : Verdict::keep;
    if (verdict != Verdict::keep) {
      if (!reader.skip(document)) break;
      StoredDocument copy;
      copy.file = document.file, copy.line = document.line;
      take(std::move(copy), verdict == Verdict::exact ? Fate::exact : Fate::near);
      continue;
    }
    if (!reader.next(document)) break;
    if (duplicates_ && i >= verdicts.size()) fail_input(path, "has more documents than were compared");
    Fate fate = Fate::kept;
    if (passages_) {
      if (survivor >= spans.size()) fail_input(path, "has more documents than were looked at for passages");
      const auto& cut = spans[survivor++];
      if (!cut.empty()) {
        document.text = without_spans(document.text, cut);
        if (blank(document.text)) fate = Fate::repeated;
      }
    }
    take(std::move(document), fate);
  }
}

// Chunk by chunk of those that are kept, so that each file is opened once; of a file only the pages that are asked for
// are read.
std::vector<StoredPlace> Corpus::kept_instead(size_t chunk) const {
  if (!duplicates_) return {};
  const auto survivors = duplicates_->survivors(static_cast<int64_t>(chunk));
  std::vector<size_t> order(survivors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(survivors[a].unit, survivors[a].index, a) < std::tie(survivors[b].unit, survivors[b].index, b);
  });
  std::vector<StoredPlace> places(survivors.size());
  std::optional<PlaceReader> reader;
  int64_t open = -1;
  for (const size_t i : order) {
    const auto& survivor = survivors[i];
    if (survivor.unit != open) {
      const auto& of = chunks_.at(static_cast<size_t>(survivor.unit));
      reader.emplace(chunk_files(folder_, of.unit, of.number).places);
      open = survivor.unit;
    }
    places[i] = reader->at(static_cast<uint64_t>(survivor.index));
  }
  return places;
}

void Corpus::name_places(size_t chunk, std::map<size_t, std::string>& documents) const {
  StoredReader reader(chunk_files(folder_, chunks_.at(chunk).unit, chunks_[chunk].number).documents);
  StoredDocument document;
  size_t at = 0;
  for (auto& [number, place] : documents) {
    while (at < number && reader.skip(document)) ++at;
    if (!reader.next(document)) return;
    ++at;
    place = place_name(plan_.files.at(document.file).name, document.line);
  }
}

std::optional<DedupReport> Corpus::duplicates() const {
  return duplicates_ ? std::optional(duplicates_->report()) : std::nullopt;
}

std::optional<SubstringCounts> Corpus::repeated_passages() const {
  return passages_ ? std::optional(passages_->counts()) : std::nullopt;
}

}  // namespace plumb::data
