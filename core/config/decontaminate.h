// `data.decontaminate`: evaluation items that stand in the training data. Off by default.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace plumb::config {

// Texts that must not be trained on, beside the run's eval.sets.
struct ContaminationSet {
  std::string name, path, format = "text";    // name: default the path's stem
  std::map<std::string, std::string> fields;  // ours -> the file's column
};

struct DecontaminateSection {
  std::string action = "none";  // none report mask drop
  int64_t ngram = 13;           // words that must be equal in a row
  double min_overlap = 0;       // share of an item that a document must hold to count; 0: one n-gram is enough
  std::vector<ContaminationSet> sets;
};

}  // namespace plumb::config
