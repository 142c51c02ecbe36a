// Stored documents to parts of a dataset, chunk by chunk: part-NNNNN.json says that the files of part NNNNN are whole.
// part-NNNNN.malformed has those that the tokenizer gave up on, part-NNNNN.dropped what deduplication, emptiness or
// length took out, if there are any.
#pragma once

#include "data/build/corpus.h"
#include "data/held_out.h"
#include "data/shards/writer.h"

namespace plumb::data {

struct PartResult {
  uint64_t documents = 0, tokens = 0, rows = 0, spans = 0;
  std::vector<HashedFile> files;
  BuildReport report;
  Shape shape;
  int64_t exact = 0, near = 0, repeated = 0;  // of report.duplicates
  int64_t refused = 0;                        // of report.malformed: by the tokenizer
  nlohmann::ordered_json json() const;
  static PartResult from_json(const nlohmann::ordered_json&, const std::string& where);
};

class TokenPhase {
 public:
  TokenPhase(const BuildRequest&, const Tokenizer&, const ChatTemplate&, const Corpus&, std::filesystem::path folder,
             Meter&);
  // The chunks that the dataset is made of, in order: numbers in corpus.chunks().
  const std::vector<size_t>& chunks() const { return chunks_; }
  std::filesystem::path file(size_t chunk) const;
  bool done(size_t chunk) const { return std::filesystem::exists(file(chunk)); }
  void tokenise(size_t chunk, int threads) const;
  PartResult result(size_t chunk) const;
  // Until `take` gives false: the documents of a chunk that the tokenizer gave up on as lines of quarantine.jsonl, and
  // those that fell to a rule here as lines of dropped.jsonl.
  void malformed(size_t chunk, const std::function<bool(const std::string& line)>& take) const;
  void dropped(size_t chunk, const std::function<bool(const std::string& line)>& take) const;
  const HeldOut& held_out() const { return held_out_; }

 private:
  const BuildRequest& request_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_;
  const Corpus& corpus_;
  std::filesystem::path folder_;
  Meter& meter_;
  HeldOut held_out_;
  std::vector<size_t> chunks_;
};

bool any_chat(const BuildRequest& request);
// The rule of a request for the documents of its corpus.
HeldOut held_out(const BuildRequest& request, const Corpus& corpus);
Record record_of(StoredDocument&& document, const BuildRequest& request, const Corpus& corpus);

}  // namespace plumb::data
