// Drives deduplication for scripts/bench and tests/oracle/test_dedup.py. Documents come as JSON lines {"text": ...}.
//
//   plumb_dedup_driver words                          a JSON array of simplified words for each document
//   plumb_dedup_driver run FOLDER TURNS [verify]      fingerprints of all documents TURNS times (seconds of each, one
//                                                     thread, file included), then the numbers of the documents kept
#include <time.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "data/dedup/deduplicator.h"
#include "data/dedup/fingerprint_file.h"
#include "data/dedup/simple_words.h"

namespace plumb::data {
namespace {

using nlohmann::ordered_json;

std::vector<std::string> read_documents() {
  std::vector<std::string> documents;
  for (std::string line; std::getline(std::cin, line);)
    documents.push_back(core::parse_json(line, "standard input").at("text").get<std::string>());
  return documents;
}

double processor_seconds() {
  timespec now;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

ordered_json run(const std::filesystem::path& folder, int turns, double verify) {
  const auto documents = read_documents();
  config::DedupSection section;
  section.minhash = true, section.verify = verify;
  const Fingerprinter fingerprinter(section);
  fingerprinter.of("tables are made once");
  const auto file = folder / "unit-0.fingerprints";
  std::vector<double> seconds;
  for (int turn = 0; turn < turns; ++turn) {
    const double start = processor_seconds();
    FingerprintWriter out(file, fingerprinter);
    for (const auto& text : documents) out.add(fingerprinter.of(text));
    out.commit();
    seconds.push_back(processor_seconds() - start);
  }
  const double start = processor_seconds();
  Deduplicator dedup(section, {.fingerprints = {file}, .folder = folder});
  dedup.passes();
  const auto report = dedup.finish();
  const double clusters = processor_seconds() - start;
  ordered_json kept = ordered_json::array();
  const auto verdicts = dedup.verdicts(0);
  for (size_t i = 0; i < verdicts.size(); ++i)
    if (verdicts[i] == Verdict::keep) kept.push_back(i);
  return {{"seconds", seconds}, {"cluster_seconds", clusters}, {"kept", kept}, {"report", report.json()}};
}

}  // namespace
}  // namespace plumb::data

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 1 && words[0] == "words") {
      for (const auto& text : plumb::data::read_documents())
        std::cout << plumb::data::ordered_json(plumb::data::simple_words(text)).dump() << "\n";
      return 0;
    }
    if (words.size() >= 3 && words[0] == "run") {
      std::cout << plumb::data::run(words[1], std::stoi(words[2]), words.size() > 3 ? std::stod(words[3]) : 0).dump()
                << "\n";
      return 0;
    }
    std::cerr << "usage: plumb_dedup_driver words | run FOLDER TURNS [verify]\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
