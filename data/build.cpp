// Dataset::build: from sources to a folder of shards, once per content.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "data/held_out.h"
#include "data/ordered_pool.h"
#include "data/shards/build_folder.h"
#include "data/shards/reader.h"
#include "data/shards/writer.h"
#include "data/source/source.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr size_t kJobBytes = size_t{256} << 10;
constexpr size_t kMostQuarantined = 10000, kFirstMalformed = 3;

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

bool any_chat(const BuildRequest& request) {
  return std::any_of(request.sources.begin(), request.sources.end(), [](const auto& s) { return s.format != "text"; });
}

void check(const BuildRequest& request) {
  const auto one_of = [](const std::string& key, const std::string& value, std::vector<std::string> words) {
    if (std::find(words.begin(), words.end(), value) == words.end()) {
      fail_input(key, "expected one of " + fmt::format("{}", fmt::join(words, " ")) + ", found \"" + value + "\"");
    }
  };
  one_of("data.packing", request.packing, {"concat", "best_fit", "none"});
  one_of("data.too_long", request.too_long, {"drop", "error", "split"});
  one_of("method.loss_on", request.loss_on, {"answers", "last_answer", "all"});
  if (request.sequence_length < 2 || request.sequence_length > (int64_t{1} << 30)) {
    fail_input("data.sequence_length", "expected 2 to 1073741824, found " + std::to_string(request.sequence_length));
  }
  if (request.tokens_per_shard < 8 || request.tokens_per_shard % 8 != 0) fail_internal("tokens_per_shard");
  if (request.sources.empty()) fail_input("data.sources", "found no sources");
  if (request.too_long == "split" && any_chat(request)) {
    fail_input("data.too_long", "split is for sources of format text: half a conversation teaches a wrong ending",
               "too_long: drop counts what it leaves out");
  }
}

// Everything that decides the bytes of the dataset; options that have no effect on them are left out.
json identity(const BuildRequest& request, const Tokenizer& tokenizer, const ChatTemplate& chat,
              const Progress& progress) {
  json id{{"version", kDatasetVersion},
          {"tokenizer_digest", tokenizer.digest()},
          {"sequence_length", request.sequence_length},
          {"packing", request.packing},
          {"tokens_per_shard", request.tokens_per_shard}};
  const bool texts_fit = request.packing == "concat" && !any_chat(request);
  if (!texts_fit) id["too_long"] = request.too_long;
  if (any_chat(request)) {
    id["loss_on"] = request.loss_on;
    id["template"] = {{"name", chat.name()}, {"sha256", core::sha256(chat.jinja())}};
  }
  id["special_in_text"] = request.special_in_text == SpecialInText::token ? "token" : "text";
  id["validation_share"] = request.validation_share;
  id["part"] = request.validation_share == 0 ? "all" : request.validation ? "validation" : "train";
  id["sources"] = json::array();
  for (const auto& source : request.sources) {
    json entry{{"name", source_name(source)}, {"format", source.format}, {"fields", source.fields}};
    if (source.max_documents) entry["max_documents"] = *source.max_documents;
    entry["files"] = json::array();
    for (const auto& file : source_files(source)) {
      if (progress) progress(0, "hashing " + file.path.filename().string());
      entry["files"].push_back({{"name", file.path.filename().string()},
                                {"bytes", fs::file_size(file.path)},
                                {"sha256", core::sha256_file(file.path)}});
    }
    id["sources"].push_back(std::move(entry));
  }
  return id;
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

class Builder {
 public:
  Builder(const BuildRequest& request, const Tokenizer& tokenizer, const ChatTemplate& chat, const Progress& progress)
      : request_(request), tokenizer_(tokenizer), chat_(chat), progress_(progress), held_out_(request) {}

  void run(const fs::path& folder, const json& id) {
    writer_ = std::make_unique<ShardWriter>(
        folder, ShardWriter::Options{tokenizer_.vocab_size(), request_.sequence_length,
                                     static_cast<uint64_t>(request_.tokens_per_shard), request_.packing,
                                     tokenizer_.digest(), any_chat(request_)});
    report_.held_out_by = held_out_.rule();
    quarantine_.open(folder / "quarantine.jsonl", std::ios::binary);
    read_all(id);
    const auto files = writer_->finish();
    quarantine_.close();
    report_.tokens = static_cast<int64_t>(writer_->tokens());
    if (writer_->rows() == 0) fail_empty();
    core::write_text(folder / "tokenizer.json", tokenizer_.json());
    json content = id;
    content["vocab_size"] = tokenizer_.vocab_size();
    content["token_bytes"] = writer_->token_bytes();
    content["weights"] = any_chat(request_);
    content["documents"] = writer_->documents();
    content["tokens"] = writer_->tokens();
    content["rows"] = writer_->rows();
    content["report"] = report_.json();
    write_manifest(folder, std::move(content), files);
  }

 private:
  struct Work {
    Record record;
    uint32_t source;
    bool cut;  // the document goes on in the other part: no end token
  };
  struct Done {
    Sample sample;
    uint32_t source = 0;
    size_t bytes = 0;
    std::string where;
    bool empty = false;
  };
  struct Batch {
    std::vector<Done> done;
    EncodeCounts counts;
  };

  void read_all(const json& id) {
    OrderedPool<std::vector<Work>, Batch> pool(
        std::max(1, request_.threads), [this](std::vector<Work>&& work) { return encode(std::move(work)); },
        [this](Batch&& batch) { commit(std::move(batch)); });
    double total = 0, before = 0;
    for (const auto& source : id["sources"]) {
      for (const auto& file : source["files"]) total += file["bytes"].get<double>();
    }
    std::vector<Work> job;
    size_t job_bytes = 0;
    for (uint32_t s = 0; s < request_.sources.size(); ++s) {
      const auto& source = request_.sources[s];
      const auto report_progress = [&](uint64_t bytes) {
        if (progress_)
          progress_((before + static_cast<double>(bytes)) / std::max(total, 1.0), "tokenising " + source_name(source));
      };
      visit_source(
          source, request_.strict,
          [&](Record&& record) {
            ++report_.documents;
            bool cut = false;
            if (!held_out_.belongs(record, cut)) return ++report_.held_out, true;
            job_bytes += record.text.size() + 64;
            for (const auto& message : record.messages) job_bytes += message.content.size() + message.context.size();
            record.fields = nullptr;  // only evaluation needs the raw row
            job.push_back({std::move(record), s, cut});
            if (job_bytes >= kJobBytes) pool.submit(std::move(job)), job.clear(), job_bytes = 0;
            return true;
          },
          [&](const std::string& where, const std::string& reason) { set_aside(where, reason); }, report_progress);
      for (const auto& file : id["sources"][s]["files"]) before += file["bytes"].get<double>();
    }
    pool.submit(std::move(job));
    pool.finish();
    if (progress_) progress_(1, "tokenising");
  }

  void set_aside(const std::string& where, const std::string& reason) {
    ++report_.documents;
    if (static_cast<size_t>(++report_.malformed) <= kMostQuarantined) {
      quarantine_ << dump({{"where", where}, {"reason", reason}}) << "\n";
    }
    if (report_.first_malformed.size() < kFirstMalformed) report_.first_malformed.push_back(where + ": " + reason);
  }

  Batch encode(std::vector<Work>&& works) const {
    Batch batch;
    for (auto& work : works) {
      const auto& format = request_.sources[work.source].format;
      Done done;
      done.source = work.source, done.where = work.record.where;
      done.bytes = work.record.text.size();
      bool answers = false, answered = false;
      for (const auto& message : work.record.messages) {
        done.bytes += message.content.size() + message.context.size();
        if (message.role == "assistant") answers = true, answered |= !blank(message.content);
      }
      done.empty = format == "text" ? blank(work.record.text) : answers && !answered;
      if (!done.empty) {
        done.sample = make_sample(work.record, format, tokenizer_, chat_, request_.loss_on, request_.special_in_text,
                                  &batch.counts);
        if (work.cut) done.sample.ids.pop_back(), done.sample.weight.pop_back();
        done.empty = done.sample.ids.size() < 2;
      }
      batch.done.push_back(std::move(done));
    }
    return batch;
  }

  void commit(Batch&& batch) {
    report_.special_texts += batch.counts.special_texts;
    report_.invalid_utf8 += batch.counts.invalid_bytes;
    for (auto& done : batch.done) {
      const auto length = static_cast<int64_t>(done.sample.ids.size());
      const bool text = request_.sources[done.source].format == "text";
      const bool too_long = length > request_.sequence_length && !(text && request_.packing == "concat");
      if (done.empty) {
        ++report_.empty;
      } else if (too_long && request_.too_long != "split") {
        if (request_.too_long == "error") {
          fail_input(done.where,
                     fmt::format("expected at most {} tokens (data.sequence_length), found {}",
                                 request_.sequence_length, length),
                     "data.too_long: drop counts such samples and leaves them out");
        }
        ++report_.too_long;
      } else {
        ++report_.kept;
        report_.split += too_long;
        report_.bytes += static_cast<int64_t>(done.bytes);
        for (const float weight : done.sample.weight) report_.trained_tokens += weight > 0;
        writer_->add(done.sample, done.source, too_long);
      }
    }
  }

  [[noreturn]] void fail_empty() const {
    std::string message =
        fmt::format("no sequence came out of {} documents: {} held out, {} malformed, {} empty, {} too long",
                    report_.documents, report_.held_out, report_.malformed, report_.empty, report_.too_long);
    if (!report_.first_malformed.empty()) message += "; first malformed: " + report_.first_malformed[0];
    std::string hint = "check data.sources (path, format, fields)";
    if (report_.too_long > 0)
      hint = "a longer data.sequence_length, packing: concat, or too_long: split for texts";
    else if (request_.validation && report_.held_out > 0)
      hint = "a larger data.validation_share";
    fail_input(request_.validation ? "data.validation_share" : "data.sources", message, hint);
  }

  const BuildRequest& request_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_;
  const Progress& progress_;
  HeldOut held_out_;
  BuildReport report_;
  std::unique_ptr<ShardWriter> writer_;
  std::ofstream quarantine_;
};

void check_strict(const BuildRequest& request, const fs::path& folder) {
  if (!request.strict) return;
  const auto report = Dataset::open(folder)->report();
  if (report.malformed == 0) return;
  fail_input(report.first_malformed.empty() ? folder.string() : report.first_malformed[0],
             fmt::format("{} malformed rows (data.strict: true)", report.malformed),
             "data.strict: false sets malformed rows aside and counts them");
}

}  // namespace

fs::path Dataset::build(const BuildRequest& request, const Tokenizer& tokenizer, const ChatTemplate& chat,
                        const fs::path& cache, const Progress& progress) {
  check(request);
  const json id = identity(request, tokenizer, chat, progress);
  const std::string key = core::sha256(dump(id)).substr(0, 32);
  const fs::path folder = fs::absolute(cache) / key;
  if (fs::exists(folder / "manifest.json")) return check_strict(request, folder), folder;
  const BuildFolder building(folder, [&] {
    if (progress) progress(0, "waiting for another process that builds it");
  });
  if (fs::exists(folder / "manifest.json")) return check_strict(request, folder), folder;
  Builder(request, tokenizer, chat, progress).run(building.temporary(), id);
  building.commit();
  return folder;
}

}  // namespace plumb::data
