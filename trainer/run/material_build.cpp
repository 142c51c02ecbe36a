// The part of run/material.h that one process does before the others start: tokenizer and datasets.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/progress.h"
#include "data/store/store.h"
#include "data/tokenizer/extend.h"
#include "data/training_texts.h"
#include "trainer/evaluate/sets.h"
#include "trainer/run/material.h"

namespace plumb::run {

namespace fs = std::filesystem;

namespace {

data::SpecialTokens special_tokens(const config::TokenizerSection& section) {
  data::SpecialTokens specials;
  const auto take = [&](const char* key) {
    const auto found = section.special_tokens.find(key);
    return found == section.special_tokens.end() ? std::string() : found->second;
  };
  specials.bos = take("bos");
  specials.eos = take("eos");
  specials.pad = take("pad");
  specials.extra = section.extra_special_tokens;
  return specials;
}

int threads_of(const config::Config& config) {
  return static_cast<int>(config.data.threads.value_or(std::max(1u, std::thread::hardware_concurrency())));
}

// A byte that flipped in the cache would be another tokenizer and, unsaid, make other datasets.
void check_kept(const fs::path& folder) {
  const fs::path recorded = folder / "digest";
  if (!fs::exists(recorded)) return;  // of an older release
  const auto then = core::read_text(recorded), now = data::load_tokenizer(folder)->digest();
  if (then == now) return;
  fail_input(folder, fmt::format("expected the tokenizer {:.16} that was kept here, found {:.16}", then, now),
             "it is damaged: remove the folder, and it is made again");
}

// `more` writes what belongs beside it.
fs::path store_tokenizer(const data::Tokenizer& tokenizer, const fs::path& folder, const std::string& jinja = "",
                         const std::function<void(const fs::path&)>& more = {}) {
  if (fs::exists(folder / "tokenizer.json")) return folder;
  fs::create_directories(folder.parent_path());
  core::remove_leftovers(folder.parent_path(), folder.filename().string());
  const fs::path temporary = core::temporary_beside(folder);
  fs::create_directories(temporary);
  if (more) more(temporary);
  data::save_tokenizer(tokenizer, temporary, jinja);
  core::write_text(temporary / "digest", data::load_tokenizer(temporary)->digest());
  std::error_code taken;  // another process may have been faster: the content is the same
  fs::rename(temporary, folder, taken);
  if (taken) fs::remove_all(temporary);
  return folder;
}

data::BuildRequest request(const config::Loaded& loaded, const std::vector<config::Source>& sources,
                           const data::Crew::Options& crew) {
  const auto& config = loaded.config;
  data::BuildRequest wanted;
  wanted.sources = sources;
  wanted.sequence_length = config.data.sequence_length;
  wanted.packing = config.data.packing;
  wanted.too_long = config.data.too_long;
  wanted.loss_on = config.method.name == "pretrain" ? "all" : config.method.loss_on;
  wanted.strict = config.data.strict;
  wanted.special_in_text =
      config.tokenizer.special_in_text == "token" ? data::SpecialInText::token : data::SpecialInText::text;
  wanted.threads = threads_of(config);
  wanted.clean = config.data.clean;
  wanted.privacy = config.data.privacy;
  wanted.dedup = config.data.dedup;
  wanted.decontaminate = config.data.decontaminate;
  if (config.data.decontaminate.action != "none") wanted.evaluation_texts = data::evaluation_texts(config);
  wanted.crew = crew;
  return wanted;
}

data::BuildRequest training_request(const config::Loaded& loaded, const data::Crew::Options& crew) {
  auto wanted = request(loaded, loaded.config.data.sources, crew);
  wanted.validation_share = loaded.config.data.validation_share;
  return wanted;
}

// A bar for each phase of a build. Nothing is shown for what the cache already has.
class Bars {
 public:
  Bars(std::string what, const config::Config& config)
      : what_(std::move(what)), style_(core::progress_style(config.output.progress)) {}
  ~Bars() { finish(); }
  data::Progress progress() {
    return [this](const data::BuildProgress& now) {
      if (now.phase != phase_ || now.total != total_) {  // the parts of a mix come one after the other
        finish();
        phase_ = now.phase, total_ = now.total;
        bar_ = std::make_unique<core::ProgressBar>(what_ + ": " + now.phase, now.total, now.unit, style_);
      }
      bar_->update(now.done, now.note);
    };
  }
  void finish() {
    if (bar_) bar_->finish();
    bar_.reset();
  }

 private:
  std::string what_, phase_;
  int64_t total_ = 0;
  core::ProgressStyle style_;
  std::unique_ptr<core::ProgressBar> bar_;
};

// What would be found wrong at their first use is found now; a line for each.
std::vector<std::string> read_sets(const config::Config& config, const evaluate::Reader& reader) {
  std::vector<std::string> lines;
  for (const auto& set : config.eval.sets) {
    const auto size = evaluate::check_set(set, reader);
    lines.push_back(fmt::format("set       {}.{} {}, the longest {}", set.name, set.metric,
                                core::counted(size.records, "records"), core::counted(size.longest, "tokens")));
  }
  return lines;
}

// BPE trained on the texts that will be trained on; never on what is held out, or what rules and deduplication drop.
fs::path train_bpe(const config::Loaded& loaded, const data::SpecialTokens& specials, const data::Crew::Options& crew) {
  const auto& config = loaded.config;
  Bars bars("tokenizer", config);
  const data::TrainingTexts texts(training_request(loaded, crew), config.data.cache, bars.progress());
  bars.finish();
  texts.check_any("data.sources");
  std::string id = fmt::format("bpe 2 {} {} {} {} {}", config.tokenizer.vocab_size, specials.bos, specials.eos,
                               specials.pad, texts.key());
  for (const auto& extra : specials.extra) id += "\n" + extra;
  const auto folder = fs::path(config.data.cache) / ("tokenizer-bpe-" + core::sha256(id).substr(0, 16));
  const auto done = [&] { return fs::exists(folder / "tokenizer.json"); };
  const auto train = [&] {
    core::say(fmt::format("tokenizer training byte-level BPE, {} tokens, on data.sources",
                          core::with_commas(config.tokenizer.vocab_size)));
    data::BpeTrainOptions options;
    options.vocab_size = config.tokenizer.vocab_size;
    options.specials = specials;
    options.threads = threads_of(config);
    data::BpeTrainer trainer(options);
    texts.each([&](const std::string& text) { trainer.add(text); });
    store_tokenizer(*trainer.train(), folder);
  };
  if (!done()) data::Crew(folder.parent_path() / ("." + folder.filename().string() + ".crew"), crew).lead(done, train);
  return folder;
}

bool is_dataset(const fs::path& folder) {
  const auto manifest = folder / "manifest.json";
  if (!data::is_remote(folder.string())) return fs::exists(manifest);
  try {
    return data::Store::of(manifest.string())->stat(manifest.string()).bytes > 0;
  } catch (const Error&) {  // the dataset beside it was read a moment ago: it is this one that is missing
    return false;
  }
}

// The held-out documents of a finished dataset, if they were built too.
fs::path held_out_of(const fs::path& dataset) {
  data::Dataset::open(dataset);  // a damaged one is named before anything else
  const auto folder = data::Dataset::held_out_of(dataset);
  if (folder.empty() || is_dataset(folder)) return folder;
  core::say(
      fmt::format("warning   documents were held out of {}, but {} with them is not beside it: no validation.loss",
                  dataset.string(), folder.filename().string()));
  return {};
}

// The documents that a run never trains on must not shape its tokens either.
class ExtensionTexts {
 public:
  ExtensionTexts(const config::Loaded& loaded, const data::Crew::Options& crew, const data::Progress& progress)
      : texts_(request(loaded, loaded.config.tokenizer.extend->sources, crew), loaded.config.data.cache, progress) {
    const auto& section = loaded.config.data;
    if (section.validation_share > 0 && !section.sources.empty()) {
      trained_on_.emplace(training_request(loaded, crew), section.cache, progress);
      texts_.leave_out_what_is_held_out_of(*trained_on_);
    }
    if (!section.validation.empty()) {
      validation_.emplace(request(loaded, section.validation, crew), section.cache, progress);
      texts_.leave_out_documents_of(*validation_);
    }
  }
  data::TrainingTexts& texts() { return texts_; }

 private:
  std::optional<data::TrainingTexts> trained_on_, validation_;
  data::TrainingTexts texts_;
};

fs::path extend_tokenizer(const config::Loaded& loaded, const data::TokenizerPtr& tokenizer, const std::string& jinja,
                          const data::Crew::Options& crew) {
  const auto& config = loaded.config;
  const int64_t wanted = config.tokenizer.extend->tokens;
  data::VocabularyExtender extender(tokenizer, wanted);  // says at once what it cannot extend
  Bars bars("tokenizer", config);
  ExtensionTexts sources(loaded, crew, bars.progress());
  bars.finish();
  sources.texts().check_any("tokenizer.extend.sources");
  const auto id = fmt::format("extend 1 {} {} {}\n{}", wanted, tokenizer->digest(), sources.texts().key(), jinja);
  const auto folder = fs::path(config.data.cache) / ("tokenizer-extend-" + core::sha256(id).substr(0, 16));
  const auto done = [&] { return fs::exists(folder / "tokenizer.json"); };
  const auto extend = [&] {
    core::say(fmt::format("tokenizer growing {} tokens by {} on tokenizer.extend.sources",
                          core::with_commas(tokenizer->vocab_size()), core::with_commas(wanted)));
    sources.texts().each([&](const std::string& text) { extender.add(text); });
    const auto extension = extender.extend();
    store_tokenizer(*extension.tokenizer, folder, jinja,
                    [&](const fs::path& place) { data::save_extension(extension, place); });
  };
  if (!done()) {
    data::Crew(folder.parent_path() / ("." + folder.filename().string() + ".crew"), crew).lead(done, extend);
  }
  return folder;
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Rows of the base's embedding were trained as certain tokens: under a tokenizer whose ids are other texts, of the same
// size or not, training would run and learn nonsense. A special token may have another name, if it is no other one's.
void check_ids_of_base(const data::Tokenizer& given, const data::Tokenizer& base) {
  if (given.digest() == base.digest()) return;
  const auto both = static_cast<int32_t>(std::min(given.vocab_size(), base.vocab_size()));
  int64_t others = 0;
  std::string first;
  for (int32_t id = 0; id < both; ++id) {
    const auto ours = given.token_bytes(id), theirs = base.token_bytes(id);
    const bool renamed = given.is_special(id) && base.is_special(id) && !base.token_id(ours);
    if (ours == theirs || ours.empty() || theirs.empty() || renamed) continue;
    if (++others == 1) first = fmt::format("id {} is {} and in the base {}", id, quoted(ours), quoted(theirs));
  }
  if (others == 0) return;
  fail_input("tokenizer",
             fmt::format("expected ids that mean what they mean in the base, found {} of {} that do not: {}",
                         core::with_commas(others), core::with_commas(both), first),
             "leave tokenizer.type and tokenizer.path out: the base has its own tokenizer, and tokenizer.extend adds "
             "tokens to it");
}

// The base's own, or with the names that tokenizer.special_tokens gives to tokens of it.
fs::path tokenizer_of_base(const config::Config& config, const data::SpecialTokens& specials,
                           const exporting::OpenedModel& base) {
  if (specials.bos.empty() && specials.eos.empty() && specials.pad.empty()) return base.tokenizer_folder;
  const auto tokenizer = data::load_tokenizer(base.tokenizer_folder, specials);
  const auto id = core::sha256(tokenizer->digest() + "\n" + base.chat_template_jinja);
  return store_tokenizer(*tokenizer, fs::path(config.data.cache) / ("tokenizer-base-" + id.substr(0, 16)),
                         base.chat_template_jinja);
}

// Before tokenizer.extend.
fs::path named_tokenizer(const config::Loaded& loaded, const std::optional<exporting::OpenedModel>& base,
                         const data::Crew::Options& crew) {
  const auto& config = loaded.config;
  const auto specials = special_tokens(config.tokenizer);
  if (config.tokenizer.type == "bpe") return train_bpe(loaded, specials, crew);
  if (config.tokenizer.type == "bytes") {
    const auto tokenizer = data::bytes_tokenizer(specials);
    return store_tokenizer(*tokenizer,
                           fs::path(config.data.cache) / ("tokenizer-bytes-" + tokenizer->digest().substr(0, 16)));
  }
  if (config.tokenizer.path.empty() && base) return tokenizer_of_base(config, specials, *base);
  if (config.tokenizer.path.empty() && !config.data.dataset.empty()) {
    const auto tokenizer = data::Dataset::open(config.data.dataset)->tokenizer();
    return store_tokenizer(*tokenizer,
                           fs::path(config.data.cache) / ("tokenizer-dataset-" + tokenizer->digest().substr(0, 16)));
  }
  if (config.tokenizer.path.empty()) {
    fail_input("tokenizer.path", "expected the path of a tokenizer.json, found nothing",
               "tokenizer.type: bpe trains one on data.sources, bytes needs none");
  }
  const auto tokenizer = data::load_tokenizer(config.tokenizer.path, specials);
  return store_tokenizer(*tokenizer,
                         fs::path(config.data.cache) / ("tokenizer-file-" + tokenizer->digest().substr(0, 16)));
}

// The rules of a configuration know max_position_embeddings only where no base decides it.
void check_length(const config::Loaded& loaded, const exporting::OpenedModel& base) {
  const int64_t most = base.spec.max_position_embeddings, found = loaded.config.data.sequence_length;
  if (found <= most) return;
  const std::string key = "data.sequence_length";
  const auto& origins = loaded.origins;
  const auto origin = std::find_if(origins.begin(), origins.end(), [&](const auto& entry) { return entry.key == key; });
  const bool written = origin != origins.end() && origin->origin != "default";
  fail_input(written ? origin->origin : loaded.file.filename().string(),
             fmt::format("{}: expected at most max_position_embeddings {} of the base {}, found {}", key, most,
                         base.path.string(), found),
             fmt::format("{}={}, or a base of longer sequences", key, most));
}

fs::path given_tokenizer(const config::Loaded& loaded, const std::optional<exporting::OpenedModel>& base,
                         const data::Crew::Options& crew) {
  const auto folder = named_tokenizer(loaded, base, crew);
  if (base) check_ids_of_base(*data::load_tokenizer(folder), *base->tokenizer);
  return folder;
}

}  // namespace

void use_object_cache(const config::Config& config) {
  data::set_store_cache(
      {.folder = fs::path(config.data.cache) / "objects", .limit = static_cast<uint64_t>(config.data.object_cache)});
}

BuiltTokenizer build_tokenizer(const config::Loaded& loaded, const std::optional<exporting::OpenedModel>& base,
                               const data::Crew::Options& crew) {
  use_object_cache(loaded.config);
  BuiltTokenizer built{given_tokenizer(loaded, base, crew), nullptr};
  check_kept(built.folder);
  if (!loaded.config.tokenizer.extend) return built;
  built.grown_from = data::load_tokenizer(built.folder);
  built.folder = extend_tokenizer(loaded, built.grown_from, base ? base->chat_template_jinja : "", crew);
  check_kept(built.folder);
  return built;
}

MaterialPaths build_material(const config::Loaded& loaded, const data::Crew::Options& crew, EvalSets sets) {
  const auto& config = loaded.config;
  use_object_cache(config);
  MaterialPaths paths;
  std::optional<exporting::OpenedModel> base;
  if (!config.model.base.empty()) {
    base = exporting::open_model(config.model.base);
    check_length(loaded, *base);
  }
  paths.tokenizer = build_tokenizer(loaded, base, crew).folder;
  const auto tokenizer = data::load_tokenizer(paths.tokenizer);
  const auto chat =
      data::chat_template(config.tokenizer.chat_template, base ? base->chat_template_jinja : "", *tokenizer);
  if (sets == EvalSets::read) {
    const auto positions = config.model.max_position_embeddings.value_or(config.data.sequence_length);
    paths.sets = read_sets(config, {*tokenizer, *chat, config.data.sequence_length,
                                    base ? base->spec.max_position_embeddings : positions});
  }
  const auto build = [&](const std::string& what, const data::BuildRequest& wanted) {
    Bars bars("dataset " + what, config);
    return data::Dataset::build(wanted, *tokenizer, *chat, config.data.cache, bars.progress());
  };
  auto train = training_request(loaded, crew);
  if (!config.data.dataset.empty()) {
    paths.train.push_back({"", 1, config.data.dataset});
    paths.validation = held_out_of(config.data.dataset);
  } else if (!config.data.sources[0].weight) {
    paths.train.push_back({"", 1, build("train", train)});
  } else {  // a dataset for each source of a mix, so that weights may change without building again
    for (size_t i = 0; i < config.data.sources.size(); ++i) {
      const auto& source = config.data.sources[i];
      auto part = train;
      part.only_source = i;
      paths.train.push_back({source.name, *source.weight, build(source.name, part)});
    }
  }
  if (config.data.validation_share > 0 && config.data.dataset.empty()) {
    train.validation = true;
    paths.validation = build("validation", train);
  } else if (!config.data.validation.empty()) {  // beside data.dataset too: who gives them wants them
    paths.validation = build("validation", request(loaded, config.data.validation, crew));
  }
  if (config.data.replay) {
    auto replay = request(loaded, config.data.replay->sources, crew);
    // Running text is replayed as it was pretrained, whatever the packing of the samples beside it.
    const auto& sources = config.data.replay->sources;
    if (std::all_of(sources.begin(), sources.end(), [](const auto& source) { return source.format == "text"; })) {
      replay.packing = "concat";
    }
    paths.replay =
        config.data.replay->dataset.empty() ? build("replay", replay) : fs::path(config.data.replay->dataset);
  }
  return paths;
}

nlohmann::ordered_json MaterialPaths::json() const {
  nlohmann::ordered_json parts = nlohmann::ordered_json::array();
  for (const auto& part : train) parts.push_back({part.name, part.weight, part.folder.string()});
  return {{"tokenizer", tokenizer.string()},
          {"train", parts},
          {"validation", validation.string()},
          {"replay", replay.string()},
          {"sets", sets}};
}

MaterialPaths MaterialPaths::from_json(const nlohmann::ordered_json& json) {
  MaterialPaths paths;
  paths.tokenizer = json.at("tokenizer").get<std::string>();
  for (const auto& part : json.at("train")) {
    paths.train.push_back({part.at(0).get<std::string>(), part.at(1).get<double>(), part.at(2).get<std::string>()});
  }
  paths.validation = json.at("validation").get<std::string>();
  paths.replay = json.at("replay").get<std::string>();
  paths.sets = json.at("sets").get<std::vector<std::string>>();
  return paths;
}

}  // namespace plumb::run
