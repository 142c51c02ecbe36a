#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "trainer/evaluate/bootstrap.h"
#include "trainer/evaluate/sets.h"

namespace plumb::evaluate {
namespace {

using Row = std::vector<std::string>;

// Columns on a screen: "±" is one, though two bytes.
size_t width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string shown(const Score& score) {
  if (in_points(score.metric)) return fmt::format("{:.1f} ± {:.1f}", score.value, score.half_width);
  return fmt::format("{:.3f}", score.value);
}

std::string change(const Score& base, const Score& tuned, double confidence) {
  const double difference = tuned.value - base.value;
  if (in_points(tuned.metric)) {
    return fmt::format("{:+.1f} ± {:.1f}", difference, paired_bootstrap(base, tuned, confidence).half_width());
  }
  return base.value == 0 ? fmt::format("{:+.3f}", difference) : fmt::format("{:+.1f} %", 100 * difference / base.value);
}

std::string rule_text(const std::vector<RuleOutcome>& rules, const Score& score) {
  std::string text;
  for (const auto& rule : rules) {
    if (rule.metric != score.name + "." + score.metric) continue;
    text += (text.empty() ? "" : ", ") + rule.rule + "  " + (rule.passed ? "pass" : "FAIL");
  }
  return text;
}

// First the header, then a row for each set of the first column's model.
std::vector<Row> rows_of(const std::vector<Column>& columns, const std::vector<RuleOutcome>& rules, double confidence) {
  if (columns.empty()) return {};
  std::vector<Row> rows{{"set", "role", "metric", "n"}};
  for (const auto& column : columns) rows[0].push_back(column.model);
  if (columns.size() > 1) rows[0].push_back("change");
  if (!rules.empty()) rows[0].push_back("rule");
  for (size_t i = 0; i < columns[0].scores.size(); ++i) {
    const Score& first = columns[0].scores[i];
    Row row{first.name, first.role, first.metric, std::to_string(first.n)};
    for (const auto& column : columns) {
      if (i >= column.scores.size() || column.scores[i].name != first.name || column.scores[i].metric != first.metric) {
        fail_internal("a table of models that were scored on different sets");
      }
      row.push_back(shown(column.scores[i]));
    }
    if (columns.size() > 1) row.push_back(change(first, columns.back().scores[i], confidence));
    if (!rules.empty()) row.push_back(rule_text(rules, columns.back().scores[i]));
    rows.push_back(std::move(row));
  }
  return rows;
}

constexpr size_t kCountColumn = 3;  // right-aligned

}  // namespace

std::string print_table(const std::vector<Column>& columns, const std::vector<RuleOutcome>& rules, double confidence) {
  const auto rows = rows_of(columns, rules, confidence);
  std::vector<size_t> widths(rows.empty() ? 0 : rows[0].size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - width(row[i]), ' ');
      line += (i ? "  " : "") + (i == kCountColumn ? pad + row[i] : row[i] + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string markdown_table(const std::vector<Column>& columns, const std::vector<RuleOutcome>& rules,
                           double confidence) {
  std::string text;
  const auto rows = rows_of(columns, rules, confidence);
  for (size_t r = 0; r < rows.size(); ++r) {
    text += "|";
    for (std::string cell : rows[r]) {
      for (size_t at = 0; (at = cell.find('|', at)) != std::string::npos; at += 2) cell.insert(at, 1, '\\');
      text += " " + cell + " |";
    }
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (size_t i = 0; i < rows[r].size(); ++i) text += i == kCountColumn ? "---:|" : "---|";
    text += "\n";
  }
  return text;
}

}  // namespace plumb::evaluate
