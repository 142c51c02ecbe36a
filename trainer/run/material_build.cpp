// The part of run/material.h that one process does before the others start: tokenizer and datasets.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/progress.h"
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

// Every text of the sources, in order: what a tokenizer is trained on and keyed by.
void for_each_text(const config::Config& config, const std::function<void(const std::string&)>& use) {
  for (const auto& source : config.data.sources) {
    data::read_source(
        source, config.data.strict,
        [&](data::Record&& record) {
          if (!record.text.empty()) use(record.text);
          for (const auto& message : record.messages) use(message.content);
        },
        [](const std::string&, const std::string&) {});
  }
}

std::string tokenizer_key(const config::Config& config, const data::SpecialTokens& specials) {
  core::Sha256 hash;
  hash.update(fmt::format("bpe 1 {} {} {} {}", config.tokenizer.vocab_size, specials.bos, specials.eos, specials.pad));
  for (const auto& extra : specials.extra) hash.update("\n" + extra);
  for_each_text(config, [&](const std::string& text) {
    hash.update(fmt::format("\n{}\n", text.size()));
    hash.update(text);
  });
  return hash.hex().substr(0, 16);
}

fs::path store_tokenizer(const data::Tokenizer& tokenizer, const fs::path& folder) {
  if (fs::exists(folder / "tokenizer.json")) return folder;
  fs::create_directories(folder.parent_path());
  const fs::path temporary = folder.string() + fmt::format(".tmp-{}", getpid());
  fs::create_directories(temporary);
  data::save_tokenizer(tokenizer, temporary);
  std::error_code taken;  // another process may have been faster: the content is the same
  fs::rename(temporary, folder, taken);
  if (taken) fs::remove_all(temporary);
  return folder;
}

fs::path train_bpe(const config::Config& config, const data::SpecialTokens& specials) {
  const auto folder = fs::path(config.data.cache) / ("tokenizer-bpe-" + tokenizer_key(config, specials));
  if (fs::exists(folder / "tokenizer.json")) return folder;
  core::say(fmt::format("tokenizer training byte-level BPE, {} tokens, on data.sources",
                        core::with_commas(config.tokenizer.vocab_size)));
  data::BpeTrainOptions options;
  options.vocab_size = config.tokenizer.vocab_size;
  options.specials = specials;
  options.threads = threads_of(config);
  data::BpeTrainer trainer(options);
  for_each_text(config, [&](const std::string& text) { trainer.add(text); });
  return store_tokenizer(*trainer.train(), folder);
}

data::BuildRequest request(const config::Config& config, const std::vector<config::Source>& sources) {
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
  return wanted;
}

}  // namespace

fs::path build_tokenizer(const config::Loaded& loaded) {
  const auto& config = loaded.config;
  const auto specials = special_tokens(config.tokenizer);
  if (config.tokenizer.type == "bpe") return train_bpe(config, specials);
  if (config.tokenizer.type == "bytes") {
    const auto tokenizer = data::bytes_tokenizer(specials);
    return store_tokenizer(*tokenizer,
                           fs::path(config.data.cache) / ("tokenizer-bytes-" + tokenizer->digest().substr(0, 16)));
  }
  if (config.tokenizer.path.empty()) {
    fail_input("tokenizer.path", "expected the path of a tokenizer.json, found nothing",
               "tokenizer.type: bpe trains one on data.sources, bytes needs none");
  }
  const auto tokenizer = data::load_tokenizer(config.tokenizer.path, specials);
  return store_tokenizer(*tokenizer,
                         fs::path(config.data.cache) / ("tokenizer-file-" + tokenizer->digest().substr(0, 16)));
}

MaterialPaths build_material(const config::Loaded& loaded) {
  const auto& config = loaded.config;
  MaterialPaths paths;
  std::optional<exporting::OpenedModel> base;
  if (!config.model.base.empty()) base = exporting::open_model(config.model.base);
  const bool own_tokenizer = config.tokenizer.type != "file" || !config.tokenizer.path.empty();
  if (base && !own_tokenizer) {
    paths.tokenizer = base->tokenizer_folder;
  } else {
    paths.tokenizer = build_tokenizer(loaded);
  }
  const auto tokenizer = base && !own_tokenizer ? base->tokenizer : data::load_tokenizer(paths.tokenizer);
  const auto chat =
      data::chat_template(config.tokenizer.chat_template, base ? base->chat_template_jinja : "", *tokenizer);
  const auto build = [&](const std::string& what, const data::BuildRequest& wanted) {
    std::unique_ptr<core::ProgressBar> bar;  // nothing is shown for what the cache already has
    const auto folder =
        data::Dataset::build(wanted, *tokenizer, *chat, config.data.cache, [&](double share, const std::string& note) {
          if (!bar && share >= 1) return;
          if (!bar)
            bar = std::make_unique<core::ProgressBar>("dataset " + what, 100, "percent",
                                                      core::progress_style(config.output.progress));
          bar->update(static_cast<int64_t>(share * 100), note);
        });
    if (bar) bar->finish();
    return folder;
  };
  auto train = request(config, config.data.sources);
  train.validation_share = config.data.validation_share;
  if (!config.data.dataset.empty()) {
    paths.train.push_back({"", 1, config.data.dataset});
  } else if (!config.data.sources[0].weight) {
    paths.train.push_back({"", 1, build("train", train)});
  } else {  // a dataset for each source of a mix, so that weights may change without building again
    for (const auto& source : config.data.sources) {
      auto part = train;
      part.sources = {source};
      paths.train.push_back({source.name, *source.weight, build(source.name, part)});
    }
  }
  if (config.data.validation_share > 0 && config.data.dataset.empty()) {
    train.validation = true;
    paths.validation = build("validation", train);
  } else if (!config.data.validation.empty()) {
    paths.validation = build("validation", request(config, config.data.validation));
  }
  if (config.data.replay) {
    auto replay = request(config, config.data.replay->sources);
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
          {"replay", replay.string()}};
}

MaterialPaths MaterialPaths::from_json(const nlohmann::ordered_json& json) {
  MaterialPaths paths;
  paths.tokenizer = json.at("tokenizer").get<std::string>();
  for (const auto& part : json.at("train")) {
    paths.train.push_back({part.at(0).get<std::string>(), part.at(1).get<double>(), part.at(2).get<std::string>()});
  }
  paths.validation = json.at("validation").get<std::string>();
  paths.replay = json.at("replay").get<std::string>();
  return paths;
}

}  // namespace plumb::run
