// The texts of evaluation sets, item by item.
#include "core/error.h"
#include "data/dataset.h"
#include "data/decontaminate/contamination.h"

namespace plumb::data {
namespace {

std::string text_of(const Record& record) {
  std::string text = record.text;
  for (const auto& message : record.messages) {
    for (const auto* part : {&message.content, &message.context}) {
      if (part->empty()) continue;
      if (!text.empty()) text += '\n';
      text += *part;
    }
  }
  return text;
}

NamedTexts texts_of(const config::Source& source, std::optional<int64_t> limit) {
  NamedTexts set;
  set.name = source.name;
  config::Source limited = source;
  limited.max_documents = limit;
  read_source(
      limited, true, [&](Record&& record) { set.texts.push_back(text_of(record)); },
      [](const std::string& where, const std::string& reason) { fail_input(where, reason); });
  if (set.texts.empty()) fail_input("evaluation set " + set.name, "found no item in " + source.path);
  return set;
}

}  // namespace

std::vector<NamedTexts> evaluation_texts(const config::Config& config) {
  std::vector<NamedTexts> sets;
  for (const auto& set : config.eval.sets) {
    config::Source source;
    source.path = set.path;
    source.format = set.format;
    source.fields = set.fields;
    source.name = set.name;
    sets.push_back(texts_of(source, set.limit));
  }
  for (const auto& set : config.data.decontaminate.sets) {
    config::Source source;
    source.path = set.path;
    source.format = set.format;
    source.fields = set.fields;
    source.name = set.name.empty() ? std::filesystem::path(set.path).stem().string() : set.name;
    sets.push_back(texts_of(source, std::nullopt));
  }
  return sets;
}

}  // namespace plumb::data
