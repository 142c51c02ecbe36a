#include "data/build/preparer.h"

#include "data/source/source.h"

namespace plumb::data {

Preparer::Preparer(const BuildRequest& request)
    : cleaner_(request.clean),
      redactor_(request.privacy),
      contamination_(request.decontaminate, as_documents(request.evaluation_texts)),
      fingerprinter_(request.dedup) {
  const SubstringDeduplicator substring(request.dedup, "");
  if (substring.active()) substring_ = substring.identity();
}

// Items as they would stand in a document that is stored: in the same normal form, with the same values taken out. Else
// what is in both would not be equal.
std::vector<NamedTexts> Preparer::as_documents(std::vector<NamedTexts> sets) const {
  CleanCounts repairs;
  PrivacyCounts values;
  for (auto& set : sets) {
    for (auto& text : set.texts) {
      if (cleaner_.active()) cleaner_.normalize(text, repairs);
      if (std::string redacted = text; redactor_.active() && redactor_.redact(redacted, values)) text.swap(redacted);
    }
  }
  return sets;
}

nlohmann::ordered_json Preparer::identity() const {
  nlohmann::ordered_json id = nlohmann::ordered_json::object();
  if (cleaner_.active()) id["clean"] = cleaner_.identity();
  if (redactor_.active()) id["privacy"] = redactor_.identity();
  if (contamination_.active()) id["decontaminate"] = contamination_.identity();
  if (fingerprinter_.active()) id["dedup"] = fingerprinter_.identity();
  if (!substring_.is_null()) id["repeated_passages"] = substring_;
  return id;
}

bool Preparer::keep_text(StoredDocument& document, const Origin& origin, Prepared& out) const {
  auto& counts = out.counts;
  if (cleaner_.active()) {
    auto result = cleaner_.clean(document.text, counts.clean);
    if (!result.kept) {
      ++counts.filtered;
      return drop({"", "", std::move(result.rule), std::move(result.found), std::move(result.limit)}, document, origin,
                  out);
    }
    document.language = std::move(result.language);
  }
  std::string kind;
  if (redactor_.active() && !redactor_.redact(document.text, counts.privacy, &kind)) {
    ++counts.personal;
    return drop({"", "", "privacy." + kind}, document, origin, out);
  }
  if (!contamination_.active()) return true;
  std::vector<Hit> hits;
  const auto outcome = contamination_.check(document.text, origin.source, counts.contamination, hits);
  return keep_checked(outcome, std::move(hits), document, origin, out);
}

bool Preparer::keep_messages(StoredDocument& document, const Origin& origin, Prepared& out) const {
  auto& counts = out.counts;
  std::vector<std::string*> texts;
  for (auto& message : document.messages) texts.push_back(&message.content), texts.push_back(&message.context);
  if (cleaner_.active()) {
    for (auto* text : texts) cleaner_.normalize(*text, counts.clean);
  }
  std::string kind;
  if (redactor_.active() && !redactor_.redact(texts, counts.privacy, &kind)) {
    ++counts.personal;
    return drop({"", "", "privacy." + kind}, document, origin, out);
  }
  if (!contamination_.active()) return true;
  std::vector<std::string_view> views;
  for (const auto* text : texts) views.push_back(*text);
  std::vector<Hit> hits;
  const auto outcome =
      contamination_.check(std::span<const std::string_view>(views), origin.source, counts.contamination, hits);
  return keep_checked(outcome, std::move(hits), document, origin, out);
}

bool Preparer::keep_checked(Contamination::Outcome outcome, std::vector<Hit>&& hits, const StoredDocument& document,
                            const Origin& origin, Prepared& out) const {
  if (outcome == Contamination::Outcome::clean) return true;
  out.contaminated.push_back(
      contamination_.describe(place_name(origin.file_name, document.line), origin.source, outcome, std::move(hits))
          .json());
  if (outcome != Contamination::Outcome::dropped) return true;
  ++out.counts.contaminated;
  return drop({"", "", "contaminated"}, document, origin, out);
}

// Always false: what is dropped is not kept.
bool Preparer::drop(DroppedDocument&& why, const StoredDocument& document, const Origin& origin, Prepared& out) {
  why.source = origin.source, why.where = place_name(origin.file_name, document.line);
  out.dropped += why.line();
  return false;
}

void Preparer::prepare(Record&& record, const Origin& origin, Prepared& out) const {
  auto& counts = out.counts;
  ++counts.documents;
  for (const auto& [kind, bytes] : record.left_out) counts.left_out[kind] += bytes;
  if (record.invalid_utf8 && counts.first_invalid_utf8.empty()) {
    counts.first_invalid_utf8 = origin.file_name + ", byte " + std::to_string(*record.invalid_utf8);
  }
  StoredDocument document;
  document.file = origin.file;
  document.line = origin.whole_file ? 0 : static_cast<uint64_t>(record.line);
  document.domain = registrable_domain(record.url);
  document.text = std::move(record.text), document.messages = std::move(record.messages);
  counts.bytes += static_cast<int64_t>(document.text.size());
  for (const auto& message : document.messages) {
    counts.bytes += static_cast<int64_t>(message.content.size() + message.context.size());
  }
  const bool kept = document.messages.empty() ? keep_text(document, origin, out) : keep_messages(document, origin, out);
  if (!kept) return;
  // Blank documents would be copies of one another.
  if (says_nothing(document.text, document.messages)) {
    ++counts.empty;
    drop({"", "", "empty"}, document, origin, out);
    return;
  }
  ++counts.stored;
  if (fingerprinter_.active()) {
    out.fingerprints.push_back(fingerprinter_.of(whole_text(document)));
    append_place(out.places, {document.file, document.line});
  }
  append_document(out.documents, document);
}

std::string place_name(const std::string& file, uint64_t line) {
  return line == 0 ? file : file + ":" + std::to_string(line);
}

std::string whole_text(const StoredDocument& document) {
  if (document.messages.empty()) return document.text;
  std::string text;
  for (const auto& message : document.messages) {
    for (const auto* part : {&message.content, &message.context}) {
      if (part->empty()) continue;
      text += (text.empty() ? "" : "\n") + message.role + "\n" + *part;
    }
  }
  return text;
}

}  // namespace plumb::data
