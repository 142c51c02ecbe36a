#include "data/account/html.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/log.h"

namespace plumb::data::html {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string number(int64_t value) { return core::with_commas(value); }

std::string share(int64_t part, int64_t whole) {
  if (whole == 0) return "";
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : "<section><h2>" + escaped(title) + "</h2>\n" + body + "</section>\n";
}

std::string table(const std::vector<std::vector<std::string>>& rows, size_t numbers) {
  if (rows.size() < 2) return "";
  std::string out = "<table>\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    const std::string cell = r == 0 ? "th" : "td";
    out += "<tr>";
    for (size_t c = 0; c < rows[r].size(); ++c) {
      out += fmt::format("<{}{}>{}</{}>", cell, c >= numbers ? " class=n" : "", escaped(rows[r][c]), cell);
    }
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

std::string bars(const std::vector<Bar>& all, const std::string& caption) {
  int64_t largest = 0;
  for (const auto& bar : all) largest = std::max(largest, bar.value);
  if (largest == 0) return "";
  constexpr double kWidth = 46, kHeight = 160;
  std::string out = fmt::format("<figure><svg viewBox='0 0 {:.0f} {:.0f}' role=img>\n",
                                kWidth * static_cast<double>(all.size()) + 10, kHeight + 44);
  for (size_t i = 0; i < all.size(); ++i) {
    const double x = 5 + kWidth * static_cast<double>(i);
    const double height = kHeight * static_cast<double>(all[i].value) / static_cast<double>(largest);
    out += fmt::format("<rect x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{:.1f}'/>", x + 4, kHeight + 18 - height,
                       kWidth - 8, height);
    out += fmt::format("<text x='{:.1f}' y='{:.1f}'>{}</text>", x + kWidth / 2, kHeight + 13 - height,
                       all[i].value == 0 ? "" : number(all[i].value));
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' class=l>{}</text>\n", x + kWidth / 2, kHeight + 36,
                       escaped(all[i].label));
  }
  return out + "</svg><figcaption>" + escaped(caption) + "</figcaption></figure>\n";
}

std::string page(const std::string& title, const std::string& body) {
  static constexpr std::string_view kStyle =
      "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
      "h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin:2rem 0 .6rem}"
      "p.d{color:#59636e;margin-top:0;overflow-wrap:anywhere}"
      "table{border-collapse:collapse;margin:.4rem 0 1rem}th,td{padding:.2rem .9rem .2rem 0;text-align:left;"
      "border-bottom:1px solid #e4e7eb;vertical-align:top}th{font-weight:600;color:#59636e}"
      ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
      "figure{margin:0 0 1rem}svg{max-width:100%;max-height:260px}rect{fill:#2f6f9f}"
      "text{font-size:10px;text-anchor:middle;fill:#1b1f24}text.l{fill:#59636e}"
      "figcaption{color:#59636e}";
  return fmt::format(
      "<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>{}</title>\n<meta name=viewport "
      "content='width=device-width'><style>{}</style></head>\n<body>\n{}</body></html>\n",
      escaped(title), kStyle, body);
}

}  // namespace plumb::data::html
