#include "data/build/token_phase.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "data/build/set_aside.h"
#include "data/ordered_pool.h"
#include "data/shards/manifest.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;
constexpr size_t kJobBytes = size_t{256} << 10;

int64_t bytes_of(const Record& record) {
  size_t bytes = record.text.size();
  for (const auto& message : record.messages) bytes += message.content.size() + message.context.size();
  return static_cast<int64_t>(bytes);
}

std::filesystem::path refused_file(const std::filesystem::path& folder, size_t chunk) {
  return folder / fmt::format("part-{:05}.malformed", chunk);
}

std::filesystem::path dropped_file(const std::filesystem::path& folder, size_t chunk) {
  return folder / fmt::format("part-{:05}.dropped", chunk);
}

const char* rule_of(Corpus::Fate fate) {
  if (fate == Corpus::Fate::repeated) return "repeated";
  return fate == Corpus::Fate::exact ? "exact" : "near";
}

class ChunkTokeniser {
 public:
  ChunkTokeniser(const BuildRequest& request, const Tokenizer& tokenizer, const ChatTemplate& chat,
                 const Corpus& corpus, const HeldOut& held_out, size_t chunk, const std::filesystem::path& folder)
      : request_(request),
        tokenizer_(tokenizer),
        chat_(chat),
        corpus_(corpus),
        held_out_(held_out),
        chunk_(chunk),
        malformed_file_(refused_file(folder, chunk)),
        dropped_file_(dropped_file(folder, chunk)),
        kept_instead_(corpus.kept_instead(chunk)),
        source_(corpus.chunks()[chunk].source),
        format_(request.sources[source_].format),
        writer_(folder, {chunk, tokenizer.vocab_size(), request.sequence_length, request.packing, tokenizer.digest(),
                         any_chat(request)}) {}

  PartResult run(int threads) {
    auto& report = result_.report;
    const auto read = corpus_.counts(chunk_);
    report.documents = read.documents, report.malformed = read.malformed, report.filtered = read.filtered;
    report.personal = read.personal, report.contaminated = read.contaminated, report.empty = read.empty;
    OrderedPool<std::vector<Work>, Batch> pool(
        threads, [this](std::vector<Work>&& work) { return encode(std::move(work)); },
        [this](Batch&& batch) { commit(std::move(batch)); });
    std::vector<Work> job;
    int64_t job_bytes = 0;
    const auto push = [&](Work&& work) {
      job_bytes += bytes_of(work.record) + static_cast<int64_t>(work.dropped.size()) + 64;
      job.push_back(std::move(work));
      if (job_bytes >= static_cast<int64_t>(kJobBytes)) pool.submit(std::move(job)), job.clear(), job_bytes = 0;
    };
    corpus_.visit(chunk_, [&](StoredDocument&& document, Corpus::Fate fate) {
      Work work;
      work.origin = {document.file, document.line, source_};
      if (fate != Corpus::Fate::kept) return work.dropped = lost(document, fate), push(std::move(work));
      work.language = std::move(document.language), work.domain = std::move(document.domain);
      work.record = record_of(std::move(document), request_, corpus_);
      if (!held_out_.belongs(work.record, work.cut)) return void(++report.held_out);
      push(std::move(work));
    });
    pool.submit(std::move(job));
    pool.finish();
    for (auto* file : {&malformed_, &dropped_}) {
      if (*file) (*file)->commit();
    }
    result_.files = writer_.finish();
    result_.documents = static_cast<uint64_t>(writer_.documents()), result_.tokens = writer_.tokens();
    result_.rows = static_cast<uint64_t>(writer_.rows()), result_.spans = writer_.spans();
    report.tokens = static_cast<int64_t>(writer_.tokens());
    report.trained_tokens = report.ledger.trained;
    // Under concat rows cross parts: counted when all are together.
    report.ledger.positions = writer_.rows() * request_.sequence_length;
    report.ledger.padding = report.ledger.positions - writer_.positions();
    return std::move(result_);
  }

 private:
  struct Work {
    Record record;
    Origin origin;
    std::string language, domain;
    bool cut = false;     // the document goes on in the other part: no end token
    std::string dropped;  // its line of dropped.jsonl, instead of all else: lines keep the order of the documents
  };
  struct Done {
    Sample sample;
    Origin origin;
    std::string language, domain, where, refused;  // refused: why the tokenizer gave up
    std::string dropped;
    int64_t bytes = 0;
    bool empty = false;
  };
  struct Batch {
    std::vector<Done> done;
    EncodeCounts counts;
  };

  // Its line of dropped.jsonl.
  std::string lost(const StoredDocument& document, Corpus::Fate fate) {
    ++result_.report.duplicates;
    result_.exact += fate == Corpus::Fate::exact;
    result_.near += fate == Corpus::Fate::near;
    result_.repeated += fate == Corpus::Fate::repeated;
    auto dropped = dropped_at({document.file, document.line, source_}, rule_of(fate));
    if (fate != Corpus::Fate::repeated) {
      const auto& kept = kept_instead_.at(copies_++);
      const auto& file = corpus_.plan().files.at(kept.file);
      dropped.kept_source = source_name(request_.sources[file.source]);
      dropped.kept = place_name(file.name, kept.line);
    }
    return dropped.line();
  }

  std::string place_of(const Origin& origin) const {
    return place_name(corpus_.plan().files.at(origin.file).name, origin.line);
  }

  DroppedDocument dropped_at(const Origin& origin, const std::string& rule) const {
    return {source_name(request_.sources[source_]), place_of(origin), rule};
  }

  Batch encode(std::vector<Work>&& works) const {
    Batch batch;
    for (auto& work : works) {
      Done done;
      if (!work.dropped.empty()) {
        done.dropped = std::move(work.dropped);
        batch.done.push_back(std::move(done));
        continue;
      }
      done.origin = work.origin, done.where = work.record.where;
      done.language = std::move(work.language), done.domain = std::move(work.domain);
      done.bytes = bytes_of(work.record);
      done.empty = says_nothing(work.record.text, work.record.messages);  // what is left of it in this part
      if (!done.empty) {
        try {
          done.sample = make_sample(work.record, format_, tokenizer_, chat_, request_.loss_on, request_.special_in_text,
                                    &batch.counts);
        } catch (const TextRefused& error) {
          if (request_.strict) throw;
          done.refused = error.message();
        }
        if (work.cut && !done.sample.ids.empty()) done.sample.ids.pop_back(), done.sample.weight.pop_back();
        done.empty = done.sample.ids.size() < 2;
      }
      batch.done.push_back(std::move(done));
    }
    return batch;
  }

  void commit(Batch&& batch) {
    auto& report = result_.report;
    report.special_texts += batch.counts.special_texts;
    report.invalid_utf8 += batch.counts.invalid_bytes;
    std::string dropped, refused;
    for (auto& done : batch.done) {
      const auto length = static_cast<int64_t>(done.sample.ids.size());
      const bool too_long = length > request_.sequence_length && !(format_ == "text" && request_.packing == "concat");
      if (!done.dropped.empty()) {
        dropped += done.dropped;
      } else if (!done.refused.empty()) {
        ++report.malformed, ++result_.refused;
        refused += malformed_line(place_of(done.origin), done.refused);
      } else if (done.empty) {
        ++report.empty;
        dropped += dropped_at(done.origin, "empty").line();
      } else if (too_long && request_.too_long != "split") {
        if (request_.too_long == "error") {
          fail_input(done.where,
                     fmt::format("expected at most {} tokens (data.sequence_length), found {}",
                                 request_.sequence_length, length),
                     "data.too_long: drop counts such samples and leaves them out");
        }
        ++report.too_long;
        report.ledger.drop_too_long(length);
        auto longer = dropped_at(done.origin, "too_long");
        longer.found = length, longer.limit = request_.sequence_length;
        dropped += longer.line();
      } else {
        ++report.kept;
        report.split += too_long;
        report.bytes += done.bytes;
        report.ledger.keep(done.sample.weight);
        result_.shape.add(done.language, request_.sources[source_].language, done.domain, done.bytes, length);
        writer_.add(done.sample, done.origin, too_long);
      }
    }
    append_lines(malformed_, malformed_file_, refused);
    append_lines(dropped_, dropped_file_, dropped);
  }

  const BuildRequest& request_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_;
  const Corpus& corpus_;
  const HeldOut& held_out_;
  size_t chunk_;
  std::filesystem::path malformed_file_, dropped_file_;
  std::optional<core::AtomicFile> malformed_, dropped_;
  std::vector<StoredPlace> kept_instead_;  // of the copies in the chunk, in order
  size_t copies_ = 0;                      // that were met
  uint16_t source_;
  std::string format_;
  PartWriter writer_;
  PartResult result_;
};

}  // namespace

bool any_chat(const BuildRequest& request) {
  return std::any_of(request.sources.begin(), request.sources.end(), [](const auto& s) { return s.format != "text"; });
}

Record record_of(StoredDocument&& document, const BuildRequest& request, const Corpus& corpus) {
  const auto& file = corpus.plan().files.at(document.file);
  Record record;
  record.text = std::move(document.text), record.messages = std::move(document.messages);
  record.where = place_name(file.file.path.string(), document.line);
  record.id = content_id(source_name(request.sources[file.source]), record);
  return record;
}

HeldOut held_out(const BuildRequest& request, const Corpus& corpus) {
  const auto visit = [&](const std::function<void(const Record&)>& take) {
    for (size_t chunk = 0; chunk < corpus.chunks().size(); ++chunk) {
      corpus.visit(chunk, [&](StoredDocument&& document, Corpus::Fate fate) {
        if (fate == Corpus::Fate::kept) take(record_of(std::move(document), request, corpus));
      });
    }
  };
  return {request.validation_share, request.validation, !any_chat(request), corpus.survivors(), visit};
}

TokenPhase::TokenPhase(const BuildRequest& request, const Tokenizer& tokenizer, const ChatTemplate& chat,
                       const Corpus& corpus, std::filesystem::path folder, Meter& meter)
    : request_(request),
      tokenizer_(tokenizer),
      chat_(chat),
      corpus_(corpus),
      folder_(std::move(folder)),
      meter_(meter),
      held_out_(data::held_out(request, corpus)) {
  for (size_t chunk = 0; chunk < corpus.chunks().size(); ++chunk) {
    if (!request.only_source || corpus.chunks()[chunk].source == *request.only_source) chunks_.push_back(chunk);
  }
}

std::filesystem::path TokenPhase::file(size_t chunk) const { return folder_ / fmt::format("part-{:05}.json", chunk); }

void TokenPhase::tokenise(size_t chunk, int threads) const {
  const auto done = ChunkTokeniser(request_, tokenizer_, chat_, corpus_, held_out_, chunk, folder_).run(threads);
  core::write_text(file(chunk), done.json().dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  meter_.add(static_cast<uint64_t>(corpus_.counts(chunk).bytes));
}

PartResult TokenPhase::result(size_t chunk) const {
  return PartResult::from_json(core::parse_json_file(file(chunk)), file(chunk));
}

void TokenPhase::malformed(size_t chunk, const std::function<bool(const std::string& line)>& take) const {
  read_set_aside(refused_file(folder_, chunk), result(chunk).refused, take);
}

void TokenPhase::dropped(size_t chunk, const std::function<bool(const std::string& line)>& take) const {
  const auto report = result(chunk).report;
  const auto empty = report.empty - corpus_.counts(chunk).empty;  // the others fell in reading
  read_set_aside(dropped_file(folder_, chunk), report.duplicates + empty + report.too_long, take);
}

json PartResult::json() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& file : files) list.push_back({file.name, file.bytes, file.root, file.blocks});
  return {{"documents", documents}, {"tokens", tokens},        {"rows", rows},          {"spans", spans},
          {"files", list},          {"report", report.json()}, {"shape", shape.json()}, {"exact", exact},
          {"near", near},           {"repeated", repeated},    {"refused", refused}};
}

PartResult PartResult::from_json(const nlohmann::ordered_json& object, const std::string& where) {
  try {
    PartResult result;
    result.documents = object.at("documents").get<uint64_t>(), result.tokens = object.at("tokens").get<uint64_t>();
    result.rows = object.at("rows").get<uint64_t>(), result.spans = object.at("spans").get<uint64_t>();
    for (const auto& cells : object.at("files")) {
      result.files.push_back({cells.at(0).get<std::string>(), cells.at(1).get<uint64_t>(),
                              cells.at(2).get<std::string>(), cells.at(3).get<std::vector<uint64_t>>()});
    }
    result.report = BuildReport::from_json(object.at("report"), where);
    result.shape = Shape::from_json(object.at("shape"));
    result.exact = object.at("exact").get<int64_t>(), result.near = object.at("near").get<int64_t>();
    result.repeated = object.at("repeated").get<int64_t>();
    result.refused = object.at("refused").get<int64_t>();
    return result;
  } catch (const nlohmann::json::exception&) {
    fail_input(where, "damaged", "remove its folder and build again");
  }
}

}  // namespace plumb::data
