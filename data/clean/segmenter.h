// Where rules get words and sentences from; tests feed those of another program.
#pragma once

#include <string_view>
#include <vector>

#include "data/text/segment.h"

namespace plumb::data {

class Segmenter {
 public:
  virtual ~Segmenter() = default;
  virtual void words(std::string_view text, std::vector<TextSpan>&) const = 0;
  virtual void sentences(std::string_view text, std::vector<TextSpan>&) const = 0;
};

// UAX 29.
class UnicodeSegmenter final : public Segmenter {
 public:
  void words(std::string_view text, std::vector<TextSpan>& spans) const override { word_spans(text, spans); }
  void sentences(std::string_view text, std::vector<TextSpan>& spans) const override { sentence_spans(text, spans); }
};

}  // namespace plumb::data
