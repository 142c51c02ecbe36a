// Dataset::build: from sources to a folder of shards, once per content.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/build/commit.h"
#include "data/build/passed_over.h"
#include "data/ordered_pool.h"
#include "data/store/store.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

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
  if (request.sources.empty()) fail_input("data.sources", "found no sources");
  if (request.only_source && *request.only_source >= request.sources.size()) fail_internal("only_source");
  if (request.too_long == "split" && any_chat(request)) {
    fail_input("data.too_long", "split is for sources of format text: half a conversation teaches a wrong ending",
               "too_long: drop counts what it leaves out");
  }
}

// Everything that decides the bytes of the dataset; options that have no effect on them are left out.
json identity_of(const BuildRequest& request, const Tokenizer& tokenizer, const ChatTemplate& chat,
                 const Corpus& corpus) {
  json id{{"version", kDatasetVersion},
          {"documents_key", corpus.key()},
          {"tokenizer_digest", tokenizer.digest()},
          {"sequence_length", request.sequence_length},
          {"packing", request.packing}};
  const bool texts_fit = request.packing == "concat" && !any_chat(request);
  if (!texts_fit) id["too_long"] = request.too_long;
  if (any_chat(request)) {
    id["loss_on"] = request.loss_on;
    id["template"] = {{"name", chat.name()}, {"sha256", core::sha256(chat.jinja())}};
  }
  id["special_in_text"] = request.special_in_text == SpecialInText::token ? "token" : "text";
  id["validation_share"] = request.validation_share;
  id["part"] = request.validation_share == 0 ? "all" : request.validation ? "validation" : "train";
  if (request.only_source) id["only_source"] = *request.only_source;
  id["corpus"] = corpus.identity();
  id["sources"] = json::array();
  for (const auto& source : request.sources) {
    id["sources"].push_back({{"name", source_name(source)},
                             {"license", source.license},
                             {"language", source.language},
                             {"synthetic", source.synthetic}});
  }
  return id;
}

fs::path folder_of(const fs::path& cache, const json& identity) {
  return cache / core::sha256(identity.dump(-1, ' ', false, json::error_handler_t::replace)).substr(0, 32);
}

void check_strict(const BuildRequest& request, const BuildReport& report) {
  if (!request.strict || report.malformed == 0) return;
  fail_input(report.first_malformed.empty() ? "data.sources" : report.first_malformed[0],
             fmt::format("{} malformed rows (data.strict: true)", report.malformed),
             "data.strict: false sets malformed rows aside and counts them");
}

class Builder {
 public:
  Builder(const BuildRequest& request, const Tokenizer& tokenizer, const ChatTemplate& chat, const Corpus& corpus,
          json identity, fs::path final_name, Meter& meter)
      : request_(request),
        tokenizer_(tokenizer),
        chat_(chat),
        corpus_(corpus),
        identity_(std::move(identity)),
        final_(std::move(final_name)),
        building_(final_.parent_path() / (".building-" + final_.filename().string())),
        meter_(meter) {}

  void run() {
    std::optional<BuildLock> lock;
    if (request_.crew.parts == 1) {
      lock.emplace(final_.parent_path() / ("." + final_.filename().string() + ".lock"),
                   [&] { meter_.start("waiting for another process that builds the same dataset", 0, ""); });
    }
    if (complete()) return;
    try {
      build();
    } catch (const std::exception& error) {
      // Another builder of the same content was faster, and the folder moved to its final name under our feet.
      if (complete()) return;
      std::error_code code;
      const auto* ours = dynamic_cast<const Error*>(&error);
      const bool useless = ours && ours->code() == ExitCode::bad_input && request_.crew.parts == 1;
      if (useless) fs::remove_all(building_, code);
      throw;
    }
  }

 private:
  bool complete() const { return fs::exists(final_ / "manifest.json"); }

  void build() {
    std::error_code code;
    fs::create_directories(building_, code);
    if (code) fail_input(building_, "cannot be created: " + code.message());
    const TokenPhase phase(request_, tokenizer_, chat_, corpus_, building_, meter_);
    uint64_t bytes = 0;
    const auto& chunks = phase.chunks();
    for (const size_t chunk : chunks) bytes += static_cast<uint64_t>(corpus_.counts(chunk).bytes);
    meter_.start("tokenising", bytes, "bytes");
    Crew crew(final_.parent_path() / (".crew-" + final_.filename().string()), request_.crew);
    crew.share(
        chunks.size(), [&](size_t task) { return phase.done(chunks[task]) || complete(); },
        [&](const Crew::Tasks& tasks) {
          const int lanes = std::max(1, std::min(request_.threads, static_cast<int>(tasks.size())));
          OrderedPool<size_t, int> pool(
              lanes, [&](size_t&& chunk) { return phase.tokenise(chunk, std::max(1, request_.threads / lanes)), 0; },
              [](int&&) {});
          for (const size_t task : tasks) pool.submit(size_t{chunks[task]});
          pool.finish();
        });
    crew.lead([&] { return complete(); },
              [&] {
                clear_leftover();
                commit_dataset(building_, final_, assemble(request_, tokenizer_, corpus_, phase), request_, tokenizer_,
                               corpus_, phase, identity_);
              });
    meter_.finish();
  }

  // A folder of the final name without a manifest is nothing that could be used, and in the way. Other builders may
  // finish at any moment: what is taken away is looked at again before it goes.
  void clear_leftover() const {
    core::remove_leftovers(final_.parent_path(), final_.filename().string());
    if (!fs::exists(final_) || complete()) return;
    const fs::path aside = core::temporary_beside(final_);
    std::error_code code;
    fs::rename(final_, aside, code);
    if (code) return;
    if (fs::exists(aside / "manifest.json"))
      fs::rename(aside, final_, code);
    else
      fs::remove_all(aside, code);
  }

  const BuildRequest& request_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_;
  const Corpus& corpus_;
  json identity_;
  fs::path final_, building_;
  Meter& meter_;
};

}  // namespace

fs::path Dataset::build(const BuildRequest& request, const Tokenizer& tokenizer, const ChatTemplate& chat,
                        const fs::path& cache, const Progress& progress) {
  check(request);
  Meter meter(progress);
  const auto corpus = Corpus::build(request, cache, meter);
  json identity = identity_of(request, tokenizer, chat, corpus);
  const fs::path folder = folder_of(fs::absolute(cache), identity);
  if (!fs::exists(folder / "manifest.json")) {
    Builder(request, tokenizer, chat, corpus, std::move(identity), folder, meter).run();
  }
  if (request.crew.part == 0) write_passed_over(folder, request, corpus.plan());
  check_strict(request, Dataset::open(folder)->report());
  return folder;
}

// The manifest begins with the identity, and the other part's differs from it in what it holds alone.
fs::path Dataset::held_out_of(const fs::path& folder) {
  const auto file = local_file((folder / "manifest.json").string());
  const json manifest = core::parse_json_file(file.path());
  json identity = json::object();
  for (const auto& [key, value] : manifest.at("content").items()) {
    if (key == "vocab_size") break;
    if (key != "only_source") identity[key] = value;
  }
  if (identity.value("part", "") != "train") return {};
  identity["part"] = "validation";
  const fs::path named = is_remote(folder.string()) ? folder : fs::absolute(folder).lexically_normal();
  return folder_of((named.has_filename() ? named : named.parent_path()).parent_path(), identity);
}

}  // namespace plumb::data
