#include "data/dedup/deduplicator.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/dedup/band_pass.h"
#include "data/dedup/clusters.h"
#include "data/dedup/fingerprint_file.h"
#include "data/dedup/word_file.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int64_t most_memory = int64_t{4} << 30, least_memory = 4096;

uint64_t joined_hash(uint64_t hash, uint64_t value) { return core::xxh3(std::as_bytes(std::span(&value, 1)), hash); }

}  // namespace

struct Deduplicator::State {
  config::DedupSection section;
  Plan plan;
  Fingerprinter fingerprinter;
  DedupInput input;

  State(const config::DedupSection& from, Plan wanted) : section(from), plan(std::move(wanted)), fingerprinter(from) {
    if (plan.parts < 1 || plan.part < 0 || plan.part >= plan.parts || plan.threads < 1)
      fail_internal("deduplication with part, parts or threads out of range");
    input.fingerprinter = &fingerprinter;
    input.files = plan.fingerprints;
    input.first.push_back(0);
    input.identity = joined_hash(fingerprinter.identity_hash(), input.files.size());
    for (const auto& file : input.files) {
      const FingerprintReader reader(file, fingerprinter);
      const auto documents = static_cast<uint64_t>(reader.documents());
      input.first.push_back(input.first.back() + documents);
      input.identity = joined_hash(joined_hash(input.identity, documents), reader.content_hash());
    }
  }

  int64_t passes() const { return (section.exact ? 1 : 0) + fingerprinter.bands(); }
  int64_t band_of(int64_t pass) const { return pass - (section.exact ? 1 : 0); }  // -1: exact hashes
  std::string pass_name(int64_t pass) const { return fmt::format("dedup-pass-{}.edges", pass); }
  fs::path pass_file(int64_t pass) const { return plan.folder / pass_name(pass); }
  bool pass_done(int64_t pass) const { return WordReader::made_from(pass_file(pass), WordKind::edges, input.identity); }
  uint64_t memory() const {
    const int64_t free = std::min(most_memory, core::available_memory() / 4);
    return static_cast<uint64_t>(std::max(section.memory.value_or(free), least_memory));
  }
  ClusterFiles cluster_files() const { return {&input, plan.folder}; }
  DedupReport joined(const DedupProgress& progress) const;
};

Deduplicator::Deduplicator(const config::DedupSection& section, Plan plan)
    : state_(std::make_unique<State>(section, std::move(plan))) {}

Deduplicator::~Deduplicator() = default;

void Deduplicator::passes(const DedupProgress& progress) {
  const State& s = *state_;
  std::vector<int64_t> own;
  for (int64_t pass = s.plan.part; pass < s.passes(); pass += s.plan.parts)
    if (!s.pass_done(pass)) own.push_back(pass);
  if (own.empty()) return;
  const auto threads = std::min(static_cast<size_t>(s.plan.threads), own.size());
  const uint64_t memory = s.memory() / threads;
  std::atomic<size_t> next{0}, done{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (size_t i; !stop && (i = next.fetch_add(1)) < own.size();) {
        core::remove_leftovers(s.plan.folder, s.pass_name(own[i]));
        BandPass{&s.input, s.band_of(own[i]), s.section.verify, memory, s.plan.folder, s.pass_file(own[i]), &stop}
            .run();
        const std::lock_guard lock(mutex);
        ++done;
        if (progress && !stop)
          progress(static_cast<double>(done) / static_cast<double>(own.size()), "finding duplicates");
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      stop = true;
    }
  };
  std::vector<std::thread> pool;
  for (size_t i = 1; i < threads; ++i) pool.emplace_back(work);
  work();
  for (auto& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

bool Deduplicator::passes_done() const {
  for (int64_t pass = 0; pass < state_->passes(); ++pass)
    if (!state_->pass_done(pass)) return false;
  return true;
}

DedupReport Deduplicator::State::joined(const DedupProgress& progress) const {
  Clusters clusters(input.documents());
  int64_t no_words = 0;
  std::vector<uint64_t> words;
  for (int64_t pass = 0; pass < passes(); ++pass) {
    if (progress) progress(0.5 * static_cast<double>(pass) / static_cast<double>(passes()), "joining clusters");
    WordReader edges(pass_file(pass), WordKind::edges, input.identity);
    if (band_of(pass) == 0) no_words = static_cast<int64_t>(edges.note());
    while (edges.next(words)) {
      for (size_t i = 0; i + 1 < words.size(); i += 2) {
        if (words[i] >= words[i + 1] || words[i + 1] >= input.documents())
          fail_input(pass_file(pass).string(), "it names documents that are not there",
                     "remove the file; the build makes it again");
        clusters.join(words[i], words[i + 1], band_of(pass) < 0);
      }
    }
  }
  clusters.settle();
  DedupReport report = cluster_files().write(clusters, memory(), progress);
  report.no_words = no_words;
  return report;
}

DedupReport Deduplicator::finish(const DedupProgress& progress) {
  if (finished()) return report();
  const fs::path out = state_->plan.folder / "dedup.json";
  for (const char* name : {"dedup-verdicts-", "dedup-survivors-", "dedup-clusters", "dedup.json"})
    core::remove_leftovers(state_->plan.folder, name);
  const DedupReport report = state_->joined(progress);
  ordered_json json = report.json();
  json["identity"] = fmt::format("{:016x}", state_->input.identity);
  core::write_text(out, json.dump(2) + "\n");
  return report;
}

bool Deduplicator::finished() const {
  const fs::path file = state_->plan.folder / "dedup.json";
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return false;
  const auto json = core::parse_json_file(file);
  return json.is_object() && json.value("identity", "") == fmt::format("{:016x}", state_->input.identity);
}

DedupReport Deduplicator::report() const {
  const fs::path file = state_->plan.folder / "dedup.json";
  if (!finished()) fail_input(file.string(), "expected the result of deduplication, found none for these documents");
  return DedupReport::from_json(core::parse_json_file(file));
}

std::vector<Verdict> Deduplicator::verdicts(int64_t unit) const { return state_->cluster_files().verdicts(unit); }

std::vector<DocumentPlace> Deduplicator::survivors(int64_t unit) const {
  return state_->cluster_files().survivors(unit);
}

void Deduplicator::each_duplicate(const std::function<void(DocumentPlace, DocumentPlace, Verdict)>& f) const {
  state_->cluster_files().each_duplicate(f);
}

}  // namespace plumb::data
