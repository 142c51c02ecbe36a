// plumb eval
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iostream>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "parallel/factory.h"
#include "trainer/commands/arguments.h"
#include "trainer/evaluate/sets.h"
#include "trainer/jobs/jobs.h"
#include "trainer/jobs/model_engine.h"

namespace plumb::commands {

namespace {

namespace fs = std::filesystem;

bool is_yaml(const std::string& word) { return word.ends_with(".yaml") || word.ends_with(".yml"); }

// The resolved configuration of a model's run; empty when it is none.
fs::path run_file(const std::string& model_name) {
  const fs::path model = fs::absolute(model_name).lexically_normal();
  for (const auto& folder : {model, model.parent_path(), model.parent_path().parent_path()}) {
    std::error_code error;
    if (fs::is_regular_file(folder / "resolved.yaml", error)) return folder / "resolved.yaml";
  }
  return {};
}

// The first of the other models whose run has sets.
std::string sets_hint(const std::vector<std::string>& models) {
  for (const auto& model : models) {
    const auto file = run_file(model);
    if (file.empty() || config::load_config(file, {}, config::Purpose::eval).config.eval.sets.empty()) continue;
    return fmt::format("the run of {} has sets: plumb eval {} {}", model, file.string(), fmt::join(models, " "));
  }
  return "plumb eval CFG MODEL..., where CFG has eval.sets";
}

// The file named first, else the resolved configuration of the first model's run.
config::Loaded load_sets(std::vector<std::string>& models, const std::vector<std::string>& overrides) {
  fs::path file;
  if (is_yaml(models.front())) {
    file = models.front();
    models.erase(models.begin());
    if (models.empty()) fail_input("command line", "expected a MODEL after the configuration, found none");
  } else {
    file = run_file(models.front());
    if (file.empty()) {
      exporting::open_model(models.front());  // a name that is no model at all is the nearer mistake
      fail_input(models.front(), "not the folder of a run, so that no sets are known", sets_hint(models));
    }
  }
  auto loaded = config::load_config(file, overrides, config::Purpose::eval);
  if (loaded.config.eval.sets.empty()) {
    fail_input(file.string(), "eval.sets is empty: there is nothing to score", sets_hint(models));
  }
  return loaded;
}

// As typed, without a slash at the end; a step keeps its run's name.
std::string column_name(const std::string& model) {
  fs::path path = fs::path(model).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string name = path.filename().string();
  if (name.rfind("step-", 0) != 0 || !path.has_parent_path()) return name;
  const std::string run = path.parent_path().filename().string();
  return run.empty() ? name : run + "/" + name;
}

// What tells two tokenizers apart here: how they cut a text. Files that differ in other things compare well.
std::vector<int32_t> cuts(const data::Tokenizer& tokenizer) {
  auto ids = tokenizer.encode(
      "The year 2024: naïve users' mains(12345);\n\tdéjà vu — 다람쥐 헌 쳇바퀴, 漢字, 🙂.");
  ids.push_back(static_cast<int32_t>(tokenizer.vocab_size()));
  return ids;
}

void check_comparable(const std::string& name, const data::Tokenizer& tokenizer, const config::Config& config,
                      std::vector<int32_t>& first) {
  const auto own = cuts(tokenizer);
  if (first.empty()) first = own;
  if (own == first) return;
  for (const auto& set : config.eval.sets) {
    if (!evaluate::counts_by_token(set.metric)) continue;
    fail_input(name,
               fmt::format("{}.{} is a mean over tokens, and this model's tokenizer cuts text otherwise than the "
                           "first model's: the two cannot be compared",
                           set.name, set.metric),
               "bits_per_byte for texts, multiple_choice or exact_match for answers");
  }
}

evaluate::Column score_model(const std::string& name, const config::Config& config, const run::Place& place,
                             const parallel::CommunicatorPtr& world, std::vector<int32_t>& first_cuts) {
  const auto model = exporting::open_model(name);
  check_comparable(name, *model.tokenizer, config, first_cuts);
  if (world->rank() == 0) {
    for (const auto& notice : model.notices) core::warning("{}", notice);
  }
  const int64_t length = std::min(config.data.sequence_length, model.spec.max_position_embeddings);
  const auto chat =
      config.tokenizer.chat_template == "auto"
          ? model.chat
          : data::chat_template(config.tokenizer.chat_template, model.chat_template_jinja, *model.tokenizer);
  const auto needs_chat = [](const config::EvalSet& set) { return set.format != "text"; };
  if (!chat && std::any_of(config.eval.sets.begin(), config.eval.sets.end(), needs_chat)) exporting::needed_chat(model);
  // Running text is scored without a template, so that any will do.
  const auto used = chat ? chat : data::chat_template("plain", "", *model.tokenizer);
  // All sets are read before the first is scored: a mistake in the last one does not wait for the others.
  for (const auto& set : config.eval.sets) {
    evaluate::check_set(set, {*model.tokenizer, *used, length, model.spec.max_position_embeddings});
  }
  const auto engine = make_forward_engine(model, config, place, world, length);
  const evaluate::Subject subject{*engine,
                                  *model.tokenizer,
                                  *used,
                                  model.eos_ids,
                                  *world,
                                  length,
                                  config.eval.max_new_tokens,
                                  config.eval.temperature,
                                  static_cast<uint64_t>(config.train.seed)};
  evaluate::Column column{column_name(name), {}};
  for (const auto& set : config.eval.sets) column.scores.push_back(evaluate_set(set, subject, config.eval.confidence));
  return column;
}

void write_scores(const fs::path& file, const std::vector<evaluate::Column>& columns,
                  const std::vector<evaluate::RuleOutcome>& rules) {
  nlohmann::ordered_json json{{"models", nlohmann::ordered_json::array()}, {"rules", nlohmann::ordered_json::array()}};
  for (const auto& column : columns) {
    nlohmann::ordered_json scores = nlohmann::ordered_json::array();
    for (const auto& score : column.scores) scores.push_back(score.json());
    json["models"].push_back({{"model", column.model}, {"scores", scores}});
  }
  for (const auto& rule : rules) json["rules"].push_back(rule.json());
  core::write_text(file, json.dump(2) + "\n");
}

// With one model only the rules that need no base can be decided.
std::vector<evaluate::RuleOutcome> decide(const std::vector<config::PassRule>& all,
                                          const std::vector<evaluate::Column>& columns) {
  if (columns.size() > 1) return evaluate::apply_rules(all, columns.front().scores, columns.back().scores);
  std::vector<config::PassRule> alone;
  for (auto rule : all) {
    rule.min_gain.reset();
    rule.max_loss.reset();
    if (rule.min) alone.push_back(rule);
  }
  return evaluate::apply_rules(alone, {}, columns.back().scores);
}

int score_models(const Arguments& arguments, const parallel::LaunchInfo& launch) {
  auto models = arguments.positional;
  const auto loaded = load_sets(models, arguments.overrides);
  const auto& config = loaded.config;
  const auto place = run::take_place(loaded, launch.rank, launch.size, launch.local_rank, launch.local_size);
  const auto world = parallel::make_world(launch.size > 1 ? config.parallel.communicator : "one", place.device,
                                          config.parallel.timeout);
  std::vector<evaluate::Column> columns;
  std::vector<int32_t> first_cuts;
  for (const auto& model : models) columns.push_back(score_model(model, config, place, world, first_cuts));
  const auto rules = decide(config.eval.pass, columns);
  if (world->rank() == 0) {
    std::cout << evaluate::print_table(columns, rules, config.eval.confidence) << std::flush;
    if (arguments.has("json")) write_scores(arguments.get("json", ""), columns, rules);
  }
  const bool passed = std::all_of(rules.begin(), rules.end(), [](const auto& rule) { return rule.passed; });
  return static_cast<int>(passed ? ExitCode::ok : ExitCode::rule_failed);
}

}  // namespace

int eval(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb eval [CFG] MODEL... [--json FILE] [section.key=value ...]",
      "Scores each MODEL (a run, RUN/step-N or a Hugging Face folder) on the sets of CFG, else of the first MODEL's "
      "run:\n"
      "one table, a column per model, the change from the first to the last. Alone or under mpirun -n N.",
      {{"json", "FILE", "also write all scores, item by item"}}, 1, -1);
  if (arguments.help) return 0;
  parallel::MpiSession session;
  const auto& launch = session.launch();
  core::set_rank(launch.rank, launch.size, launch.host);
  try {
    return session.finish(score_models(arguments, launch));
  } catch (const Error& error) {
    // A mistake of the user's is met by all ranks and said by one.
    if (launch.rank == 0) {
      std::cerr << error.what() << std::endl;
    } else if (error.code() != ExitCode::bad_input) {
      core::log(core::Level::error, error.what());
    }
    return session.finish(static_cast<int>(error.code()));
  } catch (const std::bad_alloc&) {
    core::log(core::Level::error,
              "out of memory\n      hint: a smaller data.sequence_length, or more ranks with parallel.zero=3");
    return session.finish(static_cast<int>(ExitCode::out_of_resources));
  }
}

}  // namespace plumb::commands
