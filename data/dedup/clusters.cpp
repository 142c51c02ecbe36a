#include "data/dedup/clusters.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <tuple>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "data/dedup/external_sort.h"
#include "data/dedup/word_file.h"

namespace plumb::data {
namespace {

constexpr uint64_t verdicts_a_word = 32;  // 2 bits each
constexpr size_t most_largest = 20, most_members = 5;

struct Member {
  uint64_t survivor, document;
  bool operator<(const Member& o) const { return std::tie(survivor, document) < std::tie(o.survivor, o.document); }
};

// Takes the duplicates in the order of their survivors; counts cluster sizes and keeps the largest clusters.
class ReportMaker {
 public:
  ReportMaker(DedupReport& report, std::function<DocumentPlace(uint64_t)> place)
      : report_(report), place_(std::move(place)) {}

  void add(const Member& member) {
    if (now_.size == 0 || survivor_ != member.survivor) {
      end();
      survivor_ = member.survivor;
      now_ = {.size = 1, .survivor = place_(member.survivor), .members = {}};
    }
    ++now_.size;
    if (now_.members.size() < most_members) now_.members.push_back(place_(member.document));
  }

  void end() {
    if (now_.size == 0) return;
    ++report_.clusters;
    ++report_.sizes[static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(now_.size)))];
    auto& largest = report_.largest;
    // Clusters come in the order of their survivors: of equally large ones the earlier stays before the later.
    const auto at = std::find_if(largest.begin(), largest.end(), [&](const auto& o) { return o.size < now_.size; });
    largest.insert(at, std::exchange(now_, {}));
    if (largest.size() > most_largest) largest.pop_back();
  }

 private:
  DedupReport& report_;
  std::function<DocumentPlace(uint64_t)> place_;
  uint64_t survivor_ = 0;
  DedupReport::Cluster now_;
};

uint64_t checked_documents(uint64_t documents) {
  const auto free = static_cast<uint64_t>(core::available_memory());
  if (documents > free / 9)
    throw Error(ExitCode::out_of_resources,
                fmt::format("{} documents need {} to be joined into clusters, {} are free",
                            core::with_commas(static_cast<int64_t>(documents)),
                            core::human_bytes(static_cast<double>(documents) * 8.2),
                            core::human_bytes(static_cast<double>(free))),
                "data.dedup", "build on a machine with more memory, or deduplicate parts of the corpus on their own");
  return documents;
}

}  // namespace

Clusters::Clusters(uint64_t documents) : parent_(checked_documents(documents)), exact_(documents) {
  std::iota(parent_.begin(), parent_.end(), uint64_t{0});
}

uint64_t Clusters::root(uint64_t document) {
  while (parent_[document] != document) {
    parent_[document] = parent_[parent_[document]];
    document = parent_[document];
  }
  return document;
}

void Clusters::join(uint64_t earlier, uint64_t later, bool exact) {
  if (exact) exact_[later] = true;
  const uint64_t a = root(earlier), b = root(later);
  if (a != b) parent_[std::max(a, b)] = std::min(a, b);
}

void Clusters::settle() {
  for (uint64_t i = 0; i < parent_.size(); ++i) parent_[i] = parent_[parent_[i]];  // parents come before children
}

Verdict Clusters::verdict(uint64_t document) const {
  if (parent_[document] == document) return Verdict::keep;
  return exact_[document] ? Verdict::exact : Verdict::near;
}

std::filesystem::path ClusterFiles::verdict_file(int64_t unit) const {
  return folder / fmt::format("dedup-verdicts-{}", unit);
}

std::filesystem::path ClusterFiles::survivor_file(int64_t unit) const {
  return folder / fmt::format("dedup-survivors-{}", unit);
}

void ClusterFiles::check(int64_t unit) const {
  if (unit < 0 || static_cast<size_t>(unit) >= input->files.size())
    fail_internal("verdicts of a unit that is not there");
}

uint64_t ClusterFiles::unit_identity(int64_t unit) const {
  return input->identity + (static_cast<uint64_t>(unit) + 1) * 0x9E3779B97F4A7C15;
}

DocumentPlace ClusterFiles::place(uint64_t document) const {
  const size_t unit = input->unit_of(document);
  return {static_cast<int64_t>(unit), static_cast<int64_t>(document - input->first[unit])};
}

DedupReport ClusterFiles::write(const Clusters& clusters, uint64_t memory, const DedupProgress& progress) const {
  DedupReport report;
  report.documents = static_cast<int64_t>(clusters.documents());
  ExternalSorter<Member> members(folder, memory, clusters.documents());
  for (size_t unit = 0; unit < input->files.size(); ++unit) {
    const uint64_t begin = input->first[unit], end = input->first[unit + 1];
    const auto number = static_cast<int64_t>(unit);
    WordWriter out(verdict_file(number), WordKind::verdicts, unit_identity(number));
    WordWriter survivors(survivor_file(number), WordKind::survivors, unit_identity(number));
    uint64_t word = 0;
    for (uint64_t i = begin; i < end; ++i) {
      const Verdict verdict = clusters.verdict(i);
      word |= static_cast<uint64_t>(verdict) << (2 * ((i - begin) % verdicts_a_word));
      if ((i - begin + 1) % verdicts_a_word == 0) out.add(std::exchange(word, 0));
      report.kept += verdict == Verdict::keep;
      report.exact += verdict == Verdict::exact;
      report.near += verdict == Verdict::near;
      if (verdict == Verdict::keep) continue;
      members.add({clusters.survivor(i), i});
      survivors.add(clusters.survivor(i));
    }
    if ((end - begin) % verdicts_a_word != 0) out.add(word);
    out.commit(end - begin);
    survivors.commit();
    if (progress)
      progress(0.5 + 0.4 * static_cast<double>(unit) / static_cast<double>(input->files.size()), "writing verdicts");
  }
  WordWriter out(folder / "dedup-clusters", WordKind::clusters, input->identity);
  ReportMaker maker(report, [this](uint64_t document) { return place(document); });
  members.each([&](const Member& member) {
    maker.add(member);
    out.add(member.survivor);
    out.add(member.document << 2 | static_cast<uint64_t>(clusters.verdict(member.document)));
  });
  maker.end();
  out.commit();
  return report;
}

std::vector<Verdict> ClusterFiles::verdicts(int64_t unit) const {
  check(unit);
  const auto u = static_cast<size_t>(unit);
  const uint64_t documents = input->first[u + 1] - input->first[u];
  const auto file = verdict_file(unit);
  WordReader in(file, WordKind::verdicts, unit_identity(unit));
  const auto damaged = [&] {
    fail_input(file.string(), fmt::format("expected verdicts of {} documents", documents),
               "remove dedup.json; the build makes them again");
  };
  if (in.note() != documents || in.words() != (documents + verdicts_a_word - 1) / verdicts_a_word) damaged();
  std::vector<Verdict> all;
  all.reserve(static_cast<size_t>(documents));
  for (std::vector<uint64_t> words; in.next(words);) {
    for (const uint64_t word : words) {
      for (uint64_t i = 0; i < verdicts_a_word && all.size() < documents; ++i) {
        const uint64_t verdict = word >> (2 * i) & 3;
        if (verdict > 2) damaged();
        all.push_back(static_cast<Verdict>(verdict));
      }
    }
  }
  return all;
}

std::vector<DocumentPlace> ClusterFiles::survivors(int64_t unit) const {
  check(unit);
  const auto file = survivor_file(unit);
  WordReader in(file, WordKind::survivors, unit_identity(unit));
  std::vector<DocumentPlace> all;
  for (std::vector<uint64_t> words; in.next(words);) {
    for (const uint64_t document : words) {
      if (document >= input->documents())
        fail_input(file.string(), "it names documents that are not there",
                   "remove dedup.json; the build makes it again");
      all.push_back(place(document));
    }
  }
  return all;
}

void ClusterFiles::each_duplicate(const std::function<void(DocumentPlace, DocumentPlace, Verdict)>& f) const {
  const auto file = folder / "dedup-clusters";
  WordReader in(file, WordKind::clusters, input->identity);
  for (std::vector<uint64_t> words; in.next(words);) {
    for (size_t i = 0; i + 1 < words.size(); i += 2) {
      const uint64_t survivor = words[i], document = words[i + 1] >> 2, verdict = words[i + 1] & 3;
      if (survivor >= document || document >= input->documents() || verdict == 0 || verdict > 2)
        fail_input(file.string(), "it names documents that are not there",
                   "remove dedup.json; the build makes it again");
      f(place(survivor), place(document), static_cast<Verdict>(verdict));
    }
  }
}

}  // namespace plumb::data
