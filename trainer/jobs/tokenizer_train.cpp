// plumb tokenizer train
#include <fmt/format.h>

#include <iostream>
#include <optional>

#include "core/config/load.h"
#include "core/log.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer_fit.h"
#include "trainer/commands/arguments.h"
#include "trainer/jobs/jobs.h"
#include "trainer/run/material.h"

namespace plumb::commands {

namespace {

// Of a large corpus it would take as long as learning from it.
constexpr int64_t kFitBytes = int64_t{64} << 20;

// What the tokens of tokenizer.extend change on their own texts.
std::string growth_text(const config::Config& config, const data::Tokenizer& before, const data::Tokenizer& after) {
  const auto& sources = config.tokenizer.extend->sources;
  const auto then = data::tokenizer_fit(sources, before, kFitBytes),
             now = data::tokenizer_fit(sources, after, kFitBytes);
  std::string text = fmt::format("vocabulary       {} -> {}\n", core::with_commas(before.vocab_size()),
                                 core::with_commas(after.vocab_size()));
  if (then.tokens > 0 && now.tokens > 0)
    text +=
        fmt::format("bytes per token  {:.3f} -> {:.3f} ({:.1f}% fewer tokens on {} of tokenizer.extend.sources)\n",
                    then.bytes_per_token(), now.bytes_per_token(),
                    100 * (1 - static_cast<double>(now.tokens) / static_cast<double>(then.tokens)), now.measured_on());
  return text;
}

}  // namespace

int tokenizer_train(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb tokenizer train CFG [section.key=value ...] [--out FOLDER]",
      "Trains byte-level BPE of tokenizer.vocab_size tokens on data.sources, or grows a finished tokenizer by\n"
      "tokenizer.extend, once: the result stands in data.cache under a key made of its content, where `plumb train`\n"
      "and `plumb tune` find it.",
      {{"out", "FOLDER", "also write tokenizer.json and tokenizer_config.json into this folder"}}, 1, 1);
  if (arguments.help) return 0;
  const auto loaded = config::load_config(arguments.positional[0], arguments.overrides, config::Purpose::tokenizer);
  const auto& config = loaded.config;
  std::optional<exporting::OpenedModel> base;
  if (!config.model.base.empty()) base = exporting::open_model(config.model.base);
  const auto built = run::build_tokenizer(loaded, base);
  const auto tokenizer = data::load_tokenizer(built.folder);
  if (arguments.has("out"))
    data::save_tokenizer(*tokenizer, arguments.get("out", ""), base ? base->chat_template_jinja : "");
  if (built.grown_from) {
    std::cout << growth_text(config, *built.grown_from, *tokenizer);
  } else {
    std::cout << fmt::format("vocabulary       {}\n", core::with_commas(tokenizer->vocab_size()));
    if (const auto fit = data::tokenizer_fit(config.data.sources, *tokenizer, kFitBytes); fit.tokens > 0)
      std::cout << fmt::format("bytes per token  {:.3f} (on {})\n", fit.bytes_per_token(), fit.measured_on());
  }
  std::cout << fmt::format("folder           {}\n", built.folder.string());
  return 0;
}

}  // namespace plumb::commands
