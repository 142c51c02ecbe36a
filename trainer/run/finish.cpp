#include "trainer/run/finish.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "trainer/evaluate/sets.h"
#include "trainer/export/export.h"
#include "trainer/ledger/manifest.h"
#include "trainer/run/about.h"

namespace plumb::run {

namespace fs = std::filesystem;

namespace {

evaluate::Subject subject(Context& context, const data::Tokenizer& tokenizer, const data::ChatTemplate& chat) {
  const auto& config = context.config();
  return {*context.engine,
          tokenizer,
          chat,
          context.material.end_ids,
          *context.mesh.data_shard,
          config.data.sequence_length,
          config.eval.max_new_tokens,
          config.eval.temperature,
          static_cast<uint64_t>(config.train.seed)};
}

evaluate::Subject subject(Context& context) {
  return subject(context, *context.material.tokenizer, *context.material.chat);
}

std::vector<evaluate::Score> score_sets(Context& context, const evaluate::Subject& tested, bool only_during) {
  std::vector<evaluate::Score> scores;
  for (const auto& set : context.config().eval.sets) {
    if (!only_during || set.during)
      scores.push_back(evaluate::evaluate_set(set, tested, context.config().eval.confidence));
  }
  return scores;
}

std::vector<evaluate::Score> score_sets(Context& context, bool only_during) {
  return score_sets(context, subject(context), only_during);
}

// The base as it is without this run: where its vocabulary has grown, with its own tokenizer and rows.
std::vector<evaluate::Score> scores_of_base(Context& context) {
  const auto& material = context.material;
  if (!material.first_new) return score_sets(context, false);
  const auto& base = *material.base;
  const auto chat =
      data::chat_template(context.config().tokenizer.chat_template, base.chat_template_jinja, *base.tokenizer);
  context.engine->limit_vocabulary(*material.first_new);
  auto scores = score_sets(context, subject(context, *base.tokenizer, *chat), false);
  context.engine->limit_vocabulary(std::nullopt);
  return scores;
}

nlohmann::ordered_json to_json(const std::vector<evaluate::Score>& scores) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& score : scores) list.push_back(score.json());
  return list;
}

std::vector<evaluate::Score> from_json(const nlohmann::ordered_json& list) {
  std::vector<evaluate::Score> scores;
  if (list.is_array()) {
    for (const auto& score : list) scores.push_back(evaluate::Score::from_json(score));
  }
  return scores;
}

// The file that says in one place what came out: table, rules, and where the parts are.
void write_report(Context& context, const Progress& progress, const std::string& table,
                  const std::map<std::string, double>& validation, const std::vector<evaluate::RuleOutcome>& rules) {
  const auto& config = context.config();
  std::string text =
      fmt::format("# {}\n\n{}, {} ({:.0f} trained)\n", config.output.name, core::counted(progress.step, "steps"),
                  core::counted(progress.tokens, "tokens"), progress.trained_tokens);
  for (const auto& [name, value] : validation) text += fmt::format("\n{}: {:.4f}\n", name, value);
  if (!table.empty()) text += "\n" + table;
  for (const auto& rule : rules) {
    text += fmt::format("\n- {} {}: {}\n", rule.metric, rule.rule, rule.passed ? "pass" : "FAIL");
  }
  core::write_text(fs::path(config.output.folder) / "report.md", text);
}

// A folder left by an earlier step of this run (it was lengthened or rewound) is renamed, not overwritten.
void set_aside_export(const fs::path& out) {
  fs::path aside;
  for (int k = 1; aside.empty() || fs::exists(aside); ++k) aside = out.string() + fmt::format("-earlier-{}", k);
  fs::rename(out, aside);
}

std::vector<std::string> export_model(Context& context, int64_t step) {
  const auto& config = context.config();
  std::vector<std::string> written;
  for (const auto& format : config.output.export_.formats) {
    const fs::path out = fs::path(config.output.export_.folder) / format;
    if (fs::exists(out / "config.json")) {
      const auto manifest = core::parse_json_file(fs::path(config.output.folder) / "manifest.json");
      if (manifest.value("exported_step", int64_t{-1}) == step) {  // the end of this run was cut off after its export
        written.push_back(out.string());
        continue;
      }
      set_aside_export(out);
    }
    const auto model = exporting::open_model(fs::path(config.output.folder) / fmt::format("step-{}", step));
    const exporting::ExportRequest request{.spec = model.spec,
                                           .weights = *model.weights,
                                           .tokenizer = *model.tokenizer,
                                           .chat_template_jinja = exporting::exported_jinja(model),
                                           .eos_ids = model.eos_ids,
                                           .out = out,
                                           .dtype = config.output.export_.dtype,
                                           .max_shard = config.output.export_.max_shard,
                                           .bos_id = std::nullopt,
                                           .pad_id = std::nullopt,
                                           .lora = std::nullopt};
    exporting::export_hf(request);
    ledger::update_manifest(config.output.folder, {{"exported_step", step}});
    written.push_back(out.string());
  }
  return written;
}

// "1 of 2 rules passed, wiki.bits_per_byte max_loss 1% failed"; empty without rules.
std::string rules_line(const std::vector<evaluate::RuleOutcome>& rules) {
  if (rules.empty()) return "";
  std::string failed;
  for (const auto& rule : rules) {
    if (!rule.passed) failed += fmt::format(", {} {} failed", rule.metric, rule.rule);
  }
  const auto passed = std::count_if(rules.begin(), rules.end(), [](const auto& rule) { return rule.passed; });
  return fmt::format("{} of {} rules passed{}", passed, rules.size(), failed);
}

// As one would type it here.
std::string typed(const fs::path& path) {
  const auto here = path.lexically_normal().lexically_relative(fs::current_path());
  return here.empty() || *here.begin() == ".." ? path.string() : here.string();
}

// Where the model is and what can be done with it.
void say_where(Context& context, int64_t step) {
  const auto& config = context.config();
  const auto folder = typed(config.output.folder);
  context.reporter->note(
      fmt::format("model     {0}, step-{1}; next: plumb generate {0} --prompt TEXT{2}, plumb export {0} OUT", folder,
                  step, config.eval.sets.empty() ? "" : ", plumb eval " + folder));
}

// One line after the table: how many rules passed and where the export is; without one, where the run is.
void say_outcome(Context& context, int64_t step, const std::vector<evaluate::RuleOutcome>& rules,
                 const std::vector<std::string>& exported, bool passed) {
  std::string line = rules_line(rules);
  for (const auto& folder : exported) line += fmt::format("{}exported {}", line.empty() ? "" : "; ", folder);
  if (!passed && !context.config().output.export_.formats.empty() && exported.empty()) line += "; nothing exported";
  if (!line.empty()) context.reporter->note(line);
  if (exported.empty()) say_where(context, step);
}

std::vector<evaluate::Column> columns_of(const config::Config& config, const std::vector<evaluate::Score>& base,
                                         const std::vector<evaluate::Score>& tuned) {
  std::vector<evaluate::Column> columns;
  if (!base.empty()) columns.push_back({"base", base});
  columns.push_back({config.model.base.empty() ? "trained" : "tuned", tuned});
  return columns;
}

}  // namespace

std::map<std::string, double> evaluate_sets_during(Context& context) {
  std::map<std::string, double> metrics;
  for (const auto& score : score_sets(context, true)) metrics[score.name + "." + score.metric] = score.value;
  return metrics;
}

void score_base(Context& context, Progress& progress) {
  const auto& config = context.config();
  if (!config.eval.before || config.eval.sets.empty() || progress.step > 0 || !progress.base_scores.is_null()) return;
  context.reporter->note("eval      the base, before step 1");
  progress.base_scores = to_json(scores_of_base(context));
}

int finish_stopped(Context& context, const Progress& progress) {
  context.reporter->note(
      fmt::format("stopped   on request or time limit at step {}; the same command goes on from there",
                  core::with_commas(progress.step)));
  say_where(context, progress.step);
  if (context.main()) {
    ledger::update_manifest(context.config().output.folder, {{"status", "stopped"}, {"step", progress.step}});
  }
  return static_cast<int>(ExitCode::stopped);
}

ExitCode finish(Context& context, const Progress& progress) {
  const auto& config = context.config();
  const auto tuned = score_sets(context, false);
  const auto validation = validation_metrics(context);
  const auto base = from_json(progress.base_scores);
  const auto rules = config.eval.pass.empty() ? std::vector<evaluate::RuleOutcome>()
                                              : evaluate::apply_rules(config.eval.pass, base, tuned);
  const bool passed = std::all_of(rules.begin(), rules.end(), [](const auto& rule) { return rule.passed; });
  if (context.main()) {
    const auto columns = columns_of(config, base, tuned);
    std::string markdown;
    if (!tuned.empty()) {
      std::cout << evaluate::print_table(columns, rules, config.eval.confidence) << std::flush;
      markdown = evaluate::markdown_table(columns, rules, config.eval.confidence);
    }
    auto outcomes = nlohmann::ordered_json::array();
    for (const auto& rule : rules) outcomes.push_back(rule.json());
    const nlohmann::ordered_json scores = {{"base", progress.base_scores},
                                           {"tuned", to_json(tuned)},
                                           {"rules", outcomes},
                                           {"confidence", config.eval.confidence}};
    core::write_text(fs::path(config.output.folder) / "scores.json", scores.dump(2) + "\n");
    write_report(context, progress, markdown, validation, rules);
    std::vector<std::string> exported;
    if (passed || config.output.export_.when == "always") exported = export_model(context, progress.step);
    say_outcome(context, progress.step, rules, exported, passed);
    ledger::update_manifest(config.output.folder, {{"status", "done"},
                                                   {"finished", ledger::utc_now()},
                                                   {"step", progress.step},
                                                   {"tokens", progress.tokens},
                                                   {"passed", passed}});
  }
  return passed ? ExitCode::ok : ExitCode::rule_failed;
}

ExitCode report_again(Context& context, const FolderState& state) {
  const auto& config = context.config();
  const fs::path file = fs::path(config.output.folder) / "scores.json";
  if (context.main()) ledger::update_manifest(config.output.folder, {{"status", "done"}});
  if (context.main() && fs::exists(file)) {
    std::vector<evaluate::RuleOutcome> rules;
    try {
      const auto stored = core::parse_json_file(file);
      for (const auto& rule : stored.at("rules")) rules.push_back(evaluate::RuleOutcome::from_json(rule));
      const auto tuned = from_json(stored.at("tuned"));
      const auto columns = columns_of(config, from_json(stored.at("base")), tuned);
      const double confidence = stored.at("confidence").get<double>();
      if (!tuned.empty()) std::cout << evaluate::print_table(columns, rules, confidence) << std::flush;
    } catch (const nlohmann::json::exception& error) {
      context.reporter->note(fmt::format("warning   {} cannot be read: {}; plumb eval makes the table again",
                                         file.string(), error.what()));
    }
    if (!rules.empty()) context.reporter->note(rules_line(rules));
  }
  return state.manifest.value("passed", true) ? ExitCode::ok : ExitCode::rule_failed;
}

}  // namespace plumb::run
