// From sources to numbered rows of tokens: build once (cached by content), then read any row at any time.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/config/config.h"
#include "core/error.h"
#include "data/batch.h"
#include "data/build/crew.h"
#include "data/chat_template.h"
#include "data/decontaminate/contamination.h"
#include "data/row_stream.h"
#include "data/token_ledger.h"
#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

struct BuildReport {  // counts that balance: read = kept + each kind of loss
  int64_t documents = 0, kept = 0, held_out = 0, malformed = 0, empty = 0, too_long = 0;
  int64_t filtered = 0, personal = 0, contaminated = 0;  // dropped by data.clean, data.privacy, data.decontaminate
  int64_t duplicates = 0;                                // dropped by data.dedup
  int64_t bytes = 0, tokens = 0, trained_tokens = 0, special_texts = 0, invalid_utf8 = 0;
  int64_t split = 0;        // documents longer than a sequence that were cut into several (too_long: split)
  std::string held_out_by;  // "" none; "hash"; "rank of hash" or "tail of each document" below 20 documents
  std::vector<std::string> first_malformed;  // "file:line: reason" of the first few
  std::string first_invalid_utf8;            // "file, byte N" of the first one read; "" none
  TokenLedger ledger;
  nlohmann::ordered_json json() const;
  static BuildReport from_json(const nlohmann::ordered_json&, const std::string& where);
};

// One part of the data with its own documents: "train", "validation", "replay".
struct BuildRequest {
  std::vector<config::Source> sources;
  int64_t sequence_length = 0;
  std::string packing;          // concat best_fit none
  std::string too_long;         // drop error split
  std::string loss_on;          // answers last_answer all (text sources always train on all)
  double validation_share = 0;  // documents held out by hash
  bool validation = false;      // build the held-out part instead of the rest
  bool strict = false;
  SpecialInText special_in_text = SpecialInText::text;
  config::CleanSection clean;
  config::PrivacySection privacy;
  config::DedupSection dedup;
  config::DecontaminateSection decontaminate;
  std::vector<NamedTexts> evaluation_texts;  // what decontamination looks for
  // The documents of this source alone; deduplicated and held out as among all sources.
  std::optional<size_t> only_source = {};
  int threads = 1;
  uint64_t unit_bytes = uint64_t{64} << 20;  // of input (and of stored text) that a process takes on at a time
  Crew::Options crew = {};                   // which of several processes this is
};

// Tokens of one document or sample, before packing. weight[i] is the loss weight of predicting ids[i] (0 for a prompt;
// always 0 for ids[0], which nothing precedes: the sum of the weights is the number of trained tokens).
struct Sample {
  std::vector<int32_t> ids;
  std::vector<float> weight;
  uint64_t id = 0;
};
uint64_t tokens_hash(const Sample&);  // of ids and weights, as the document table keeps it

struct BuildProgress {
  std::string phase;
  int64_t done = 0, total = 0;  // total 0: unknown
  std::string unit, note;
};
using Progress = std::function<void(const BuildProgress&)>;

// Immutable folder of hashed shards with a document table, here or in an object store (s3://). Opening verifies the
// manifest; blocks are verified on first use; a flipped byte is an Error(bad_input) naming the file and offset.
class Dataset {
 public:
  static std::shared_ptr<const Dataset> open(const std::filesystem::path& folder);
  // Builds into cache/<digest>/ if missing; what a killed build left is used. Every process of request.crew calls it
  // and gets the same folder; several builders of the same content do not disturb each other.
  static std::filesystem::path build(const BuildRequest&, const Tokenizer&, const ChatTemplate&,
                                     const std::filesystem::path& cache, const Progress& = {});
  // Where the documents that were held out of a dataset lie, once that part is built too: beside it. Empty if none
  // were.
  static std::filesystem::path held_out_of(const std::filesystem::path& folder);

  virtual ~Dataset() = default;
  virtual std::string digest() const = 0;
  virtual std::filesystem::path folder() const = 0;  // or s3://bucket/folder
  virtual int64_t sequence_length() const = 0;
  virtual std::string packing() const = 0;
  virtual std::string tokenizer_digest() const = 0;
  virtual int64_t documents() const = 0;
  virtual int64_t tokens() const = 0;
  virtual int64_t rows() const = 0;                   // packed rows of one epoch; 0 is an error at build
  virtual bool has_prompts() const { return false; }  // samples of which not every token has a loss may be in it
  virtual BuildReport report() const = 0;
  virtual Sample sample(int64_t document) const = 0;  // inspection and evaluation
  virtual int64_t document_tokens(int64_t document) const = 0;
  virtual uint64_t document_id(int64_t document) const = 0;
  virtual std::string document_source(int64_t document) const = 0;  // name of its source
  // "file:line" or "file", the file named as it is called below its source's path.
  virtual std::string document_where(int64_t document) const { return document_source(document); }
  // Documents of that id, or at that "file:line"; equal texts of a source share an id.
  virtual std::vector<int64_t> documents_with_id(uint64_t id) const;
  virtual std::vector<int64_t> documents_at(const std::string& where) const;
  // The whole of sources.jsonl, report.json, quarantine.jsonl, dropped.jsonl or a file of the tokenizer, verified.
  virtual std::string text_file(const std::string& name) const;
  virtual TokenizerPtr tokenizer() const;  // that made it
  virtual void verify() const {}           // every byte of every file
  // Its tokens and weights hashed again: Error(bad_input) if they are not those that were stored as this document.
  virtual void verify_document(int64_t) const {}
  // Tokens [begin, begin + ids.size()) of a document; weights may be empty (not wanted) or as long as ids.
  virtual void read(int64_t document, int64_t begin, std::span<int32_t> ids, std::span<float> weights) const = 0;
  // Documents in a packed row (before shuffling), for inspection and lineage.
  struct Span {
    int64_t document;
    int64_t begin, end;
  };  // token range inside the document
  virtual std::vector<Span> row(int64_t row) const = 0;
  // Its inverse: the rows that hold tokens of a document, ascending.
  virtual std::vector<int64_t> rows_of(int64_t document) const;
};
using DatasetPtr = std::shared_ptr<const Dataset>;

// Reads records of one source in order. Malformed rows are given to `on_malformed`, or fatal when strict.
struct Record {
  uint64_t id = 0;                // content hash of (source name, text)
  std::string text;               // format text
  std::vector<Message> messages;  // other formats
  nlohmann::json fields;          // the raw row (evaluation needs choices and labels), where it was asked for
  std::string where = {};         // "file:line", for messages
  std::string key = {};           // the row's own id (column `id`, or what fields maps to id); may be empty
  std::string url = {};           // the same of `url`
  uint32_t file = 0;              // index into source_files(source)
  int64_t line = 1;               // where the row starts: line, parquet row, 1 for a document
  uint64_t offset = 0;            // its first byte in the (decompressed) file; 0 where the container has none
  // What the reader left out on the way to text, in bytes by kind ("html.boilerplate", "pdf.repeated_lines").
  std::map<std::string, int64_t> left_out = {};
  std::optional<uint64_t> invalid_utf8 = {};  // place in the (decompressed) file of the first bytes that are no UTF-8
};
using RecordSink = std::function<void(Record&&)>;
using MalformedSink = std::function<void(const std::string& where, const std::string& reason)>;
void read_source(const config::Source&, bool strict, const RecordSink&, const MalformedSink&);

// The tokenizer gave up on a text (no end to a pattern, a character without a token): where it stands, and why.
class TextRefused : public Error {
 public:
  using Error::Error;
};

// What is trained on: ids and weights of one record under template and loss_on (tune's masks are decided here once).
// Throws Error(bad_input) when nothing would be trained. `text`: all tokens and the end token; nothing where the
// tokenizer makes no token of it.
Sample make_sample(const Record&, const std::string& format, const Tokenizer&, const ChatTemplate&,
                   const std::string& loss_on, SpecialInText, EncodeCounts*);

}  // namespace plumb::data
