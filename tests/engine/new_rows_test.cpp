// A vocabulary that has grown: new rows begin as means, they alone are trained, and nothing else moves by a bit.
#include <mutex>

#include "support.h"
#include "trainer/model/grown_vocabulary.h"

namespace plumb::engine::testing {
namespace {

constexpr int64_t kFirst = 40, kBaseRows = 43;  // rows 40 to 42 of the base are padding; the grown model has 67

// A base made of a formula: every element another value, so that a wrong place shows.
class FormulaBase : public model::WeightSource {
 public:
  explicit FormulaBase(const model::ModelSpec& spec) {
    auto own = spec;
    own.vocab_size = kBaseRows;
    for (const auto& info : model::parameters(own)) infos_[info.name] = info;
  }
  static float at(const std::string& name, int64_t element) {
    return static_cast<float>((element * 7919 + static_cast<int64_t>(name.size()) * 31) % 2003) / 4096.0f - 0.2f;
  }
  bool has(const std::string& name) const override { return infos_.count(name) > 0; }
  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override {
    ASSERT_EQ(infos_.count(name), 1u) << name;
    EXPECT_EQ(shape, infos_.at(name).shape) << name;
    ASSERT_LE(begin + static_cast<int64_t>(out.size()), infos_.at(name).numel()) << name;
    for (size_t i = 0; i < out.size(); ++i) out[i] = at(name, begin + static_cast<int64_t>(i));
  }
  std::string digest() const override { return "formula"; }

 private:
  std::map<std::string, model::ParameterInfo> infos_;
};

// Two to four old pieces each.
std::vector<std::vector<int32_t>> pieces() {
  std::vector<std::vector<int32_t>> all;
  for (int32_t row = 0; row < 67 - kFirst; ++row) {
    all.push_back({row, (row * 5 + 3) % 40});
    for (int32_t more = 0; more < row % 3; ++more) all.back().push_back((row * 11 + more) % 40);
  }
  return all;
}

std::shared_ptr<const model::WeightSource> grown(const model::ModelSpec& spec) {
  const auto base = std::make_shared<FormulaBase>(spec);
  const auto means = std::make_shared<model::MeanRows>(base, kBaseRows, kFirst, pieces());
  return std::make_shared<model::GrownVocabulary>(base, kBaseRows, kFirst, spec.vocab_size, means);
}

at::Tensor expected_rows(const std::string& name, int64_t width) {
  const auto all = pieces();
  at::Tensor rows = at::empty({67, width});
  for (int64_t row = 0; row < 67; ++row) {
    for (int64_t column = 0; column < width; ++column) {
      float value = 0;
      if (row < kFirst) {
        value = FormulaBase::at(name, row * width + column);
      } else {
        const auto& old = all[static_cast<size_t>(row - kFirst)];
        for (const int32_t piece : old) value += FormulaBase::at(name, piece * width + column);
        value /= static_cast<float>(old.size());
      }
      rows[row][column] = value;
    }
  }
  return rows;
}

at::Tensor whole(Engine& engine, const std::string& name) {
  if (!engine.options().new_rows) return engine.parameter(name + ".weight");
  return at::cat({engine.parameter(name + ".weight"), engine.parameter(name + ".new_rows.weight")});
}

TEST(NewRows, AreMeansWithTheSameBitsOnAnyMesh) {
  for (const bool tied : {false, true}) {
    EngineOptions options = tiny_options(tied);
    const at::Tensor embedding = expected_rows("embedding.weight", 32), head = expected_rows("head.weight", 32);
    for (const bool alone : {false, true}) {
      if (alone) options.new_rows = kFirst;
      for (const std::string precision : {"fp32", "bf16"}) {
        options.precision = precision;
        for (const int ranks : {1, 2, 4}) {
          for (options.zero = 0; options.zero < 4; ++options.zero) {
            on_ranks(ranks, sharded(ranks), [&](int, const parallel::Mesh& mesh) {
              auto engine = Engine::make(options, mesh, at::kCPU);
              engine->load(*grown(options.spec));
              const auto expect = [&](const std::string& name, const at::Tensor& rows) {
                at::Tensor wanted = rows;
                if (alone && precision == "bf16") {  // what is frozen is stored as it is computed with
                  wanted = rows.clone();
                  wanted.narrow(0, 0, kFirst).copy_(rows.narrow(0, 0, kFirst).to(at::kBFloat16).to(at::kFloat));
                }
                EXPECT_TRUE(same_bits(whole(*engine, name), wanted))
                    << name << " " << ranks << " ranks, zero " << options.zero << " " << precision << " " << alone;
              };
              expect("embedding", embedding);
              if (!tied) expect("head", head);
            });
          }
        }
      }
    }
  }
}

TEST(NewRows, PaddingOfTheBaseBehindThemStays) {
  auto spec = tiny_spec();
  spec.vocab_size = kBaseRows;
  const auto base = std::make_shared<FormulaBase>(spec);
  const auto two = std::vector<std::vector<int32_t>>{{1, 2}, {3}};
  const model::GrownVocabulary all(base, kBaseRows, kFirst, kBaseRows,
                                   std::make_shared<model::MeanRows>(base, kBaseRows, kFirst, two));
  std::vector<float> last(32);
  all.read("embedding.weight", {kBaseRows, 32}, 42 * 32, last);
  for (size_t i = 0; i < last.size(); ++i) {
    EXPECT_EQ(last[i], FormulaBase::at("embedding.weight", 42 * 32 + static_cast<int64_t>(i)));
  }
  all.read("embedding.weight", {kBaseRows, 32}, 41 * 32, last);
  for (size_t i = 0; i < last.size(); ++i) {
    EXPECT_EQ(last[i], FormulaBase::at("embedding.weight", 3 * 32 + static_cast<int64_t>(i)));
  }
}

TEST(NewRows, OldRowsAndBlocksKeepTheirBits) {
  for (const bool tied : {false, true}) {
    EngineOptions options = tiny_options(tied);
    options.new_rows = kFirst;
    for (options.zero = 0; options.zero < 4; ++options.zero) {
      on_ranks(2, sharded(2), [&](int rank, const parallel::Mesh& mesh) {
        auto engine = Engine::make(options, mesh, at::kCPU);
        engine->load(*grown(options.spec));
        std::map<std::string, at::Tensor> before;
        for (const auto& info : parameters(options)) before[info.name] = engine->parameter(info.name);
        for (uint64_t step = 0; step < 5; ++step) {
          const uint64_t first = 8 * step + 4 * static_cast<uint64_t>(rank);
          engine->step(batches(options, first, first + 4, 2), *cross_entropy(), 1e-2);
        }
        for (const auto& info : parameters(options)) {
          EXPECT_EQ(same_bits(engine->parameter(info.name), before[info.name]), !info.trainable) << info.name;
          EXPECT_EQ(info.trainable, info.name.find("new_rows") != std::string::npos) << info.name;
        }
        for (const StatePart& part : engine->state().parts) EXPECT_NE(part.name.find("new_rows"), std::string::npos);
      });
    }
  }
}

TEST(NewRows, OnlyTheyHaveState) {
  EngineOptions options = tiny_options(true);
  options.new_rows = kFirst;
  const int64_t base = model::parameter_count(options.spec), added = (67 - kFirst) * 32;
  int64_t frozen = 0, trained = 0;
  for (const auto& line : plan_memory(options, 1, 1).state)
    (line.what == "frozen weights" ? frozen : trained) += line.bytes;
  EXPECT_LE(trained, 16 * (added + 64));
  EXPECT_LE(frozen, 4 * (base - added + 64 * options.spec.stages()));
}

TEST(NewRows, TheLimitedVocabularyIsTheBase) {
  for (const bool alone : {false, true}) {
    EngineOptions options = tiny_options();
    auto small = options;
    small.spec.vocab_size = kFirst;
    auto base = one_rank(small);
    if (alone) options.new_rows = kFirst;
    auto engine = one_rank(options);
    engine->load(*grown(options.spec));
    const auto whole_base = std::make_shared<FormulaBase>(options.spec);
    base->load(model::GrownVocabulary(whole_base, kBaseRows, kFirst, kFirst, whole_base));
    auto batch = batches(options, 0, 2, 2).front();
    for (auto& id : batch.ids) id %= kFirst;
    for (auto& label : batch.labels) label = label < 0 ? label : label % static_cast<int32_t>(kFirst);
    const at::Tensor all = engine->forward(batch), expected = base->forward(batch);
    engine->limit_vocabulary(kFirst);
    EXPECT_TRUE(same_bits(engine->forward(batch), expected));
    engine->hold(), base->hold();
    auto cache = engine->held().make_cache(1, 8), base_cache = base->held().make_cache(1, 8);
    const at::Tensor logits = engine->held().extend(cache, {{1, 2, 3}});
    EXPECT_EQ(logits.size(1), kFirst);
    EXPECT_TRUE(same_bits(logits, base->held().extend(base_cache, {{1, 2, 3}})));
    engine->release(), base->release();
    engine->limit_vocabulary(std::nullopt);
    EXPECT_TRUE(same_bits(engine->forward(batch), all));
    EXPECT_FALSE(same_bits(all, expected));
  }
}

TEST(NewRows, GenerationAndForwardAgreeWithOneMatrix) {
  EngineOptions options = tiny_options();
  auto one = one_rank(options);
  one->load(*grown(options.spec));
  options.new_rows = kFirst;
  auto two = one_rank(options);
  two->load(*grown(options.spec));
  const auto batch = batches(options, 0, 2, 2).front();
  EXPECT_LT(relative_error(two->forward(batch), one->forward(batch)), gradient_bound(options, 2));
  one->hold(), two->hold();
  auto a = one->held().make_cache(1, 8), b = two->held().make_cache(1, 8);
  const at::Tensor expected = one->held().extend(a, {{1, 50, 66}}), found = two->held().extend(b, {{1, 50, 66}});
  EXPECT_EQ(found.sizes(), expected.sizes());
  EXPECT_LT(relative_error(found, expected), gradient_bound(options, 2));
  one->release(), two->release();
}

}  // namespace
}  // namespace plumb::engine::testing
