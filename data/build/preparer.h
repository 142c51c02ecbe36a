// From a row of a source to a document that may be stored: cleaned, redacted, held against the evaluation sets,
// fingerprinted. Thread-safe; what comes out depends on nothing but the row and the settings.
#pragma once

#include <string>
#include <vector>

#include "data/build/counts.h"
#include "data/build/set_aside.h"
#include "data/build/stored.h"
#include "data/clean/cleaner.h"
#include "data/decontaminate/contamination.h"
#include "data/dedup/fingerprint.h"
#include "data/dedup/substring.h"
#include "data/privacy/redactor.h"

namespace plumb::data {

// Documents of some rows, as they are stored, with what became of the others.
struct Prepared {
  std::string documents;  // append_document's
  std::string places;     // append_place's, of the same documents; with fingerprints alone
  std::string dropped;    // lines of dropped.jsonl
  std::vector<Fingerprint> fingerprints;
  std::vector<nlohmann::ordered_json> contaminated;  // ContaminatedDocument's
  ReadCounts counts;
};

class Preparer {
 public:
  explicit Preparer(const BuildRequest&);
  nlohmann::ordered_json identity() const;  // what is off is left out
  const Fingerprinter& fingerprinter() const { return fingerprinter_; }
  const Contamination& contamination() const { return contamination_; }
  // Where a row comes from: its source's name, and the file as it is numbered and called in Plan::files.
  struct Origin {
    const std::string& source;
    uint32_t file = 0;
    const std::string& file_name;
    bool whole_file = false;  // the file is the document
  };
  void prepare(Record&& record, const Origin& origin, Prepared& out) const;

 private:
  std::vector<NamedTexts> as_documents(std::vector<NamedTexts> sets) const;
  bool keep_text(StoredDocument& document, const Origin& origin, Prepared& out) const;
  bool keep_messages(StoredDocument& document, const Origin& origin, Prepared& out) const;
  bool keep_checked(Contamination::Outcome outcome, std::vector<Hit>&& hits, const StoredDocument& document,
                    const Origin& origin, Prepared& out) const;

  static bool drop(DroppedDocument&& why, const StoredDocument& document, const Origin& origin, Prepared& out);

  Cleaner cleaner_;
  Redactor redactor_;
  Contamination contamination_;
  Fingerprinter fingerprinter_;
  nlohmann::ordered_json substring_;
};

// All that is said in a document: what its fingerprint is made of.
std::string whole_text(const StoredDocument& document);

}  // namespace plumb::data
