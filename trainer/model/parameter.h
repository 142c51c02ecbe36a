// Parameters as the stages see them: handles that are resolved at each use, never autograd leaves or saved tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "trainer/model/spec.h"

namespace plumb::model {

// One parameter, or several adjacent ones used as one fused matrix. The engine binds value and gradient to wherever
// they lie now: the bucket itself, a gather slot, a gradient slot.
struct Parameter {
  std::vector<std::string> names;  // canonical, in layout order
  std::vector<int64_t> shape;      // rows summed over the names
  int stage = 0;
  bool trainable = true;
  int bucket = -1;  // filled by the engine: which bucket, and where in it
  int64_t begin = 0, numel = 0;
  at::Tensor value;     // compute dtype; undefined while released
  at::Tensor gradient;  // fp32 slot; undefined when frozen or not bound
};

class ParameterHandle {
 public:
  ParameterHandle() = default;
  explicit ParameterHandle(Parameter* parameter) : parameter_(parameter) {}
  explicit operator bool() const { return parameter_ != nullptr; }
  bool trainable() const { return parameter_->trainable; }
  const at::Tensor& value() const;     // Error(internal) when its stage is not gathered
  const at::Tensor& gradient() const;  // Error(internal) when no slot is bound
  const Parameter& parameter() const { return *parameter_; }

 private:
  Parameter* parameter_ = nullptr;
};

// All handles of one model. Addresses are stable.
class ParameterTable {
 public:
  explicit ParameterTable(std::vector<ParameterInfo> infos);
  ParameterTable(const ParameterTable&) = delete;
  ParameterTable& operator=(const ParameterTable&) = delete;

  // The handle of adjacent parameters as one matrix; the same names give the same handle.
  ParameterHandle fused(const std::vector<std::string>& names);
  const std::vector<ParameterInfo>& infos() const { return infos_; }
  const ParameterInfo& info(const std::string& name) const;  // Error(bad_input) naming it when unknown
  bool has(const std::string& name) const;
  std::deque<Parameter>& all() { return parameters_; }

 private:
  std::vector<ParameterInfo> infos_;
  std::deque<Parameter> parameters_;
};

// Takes weight gradients and adds them into the fp32 slots: at once, or later when the step's list says so. Frozen
// parameters are ignored. Tensors passed in must not be changed afterwards.
class WgradSink {
 public:
  virtual ~WgradSink() = default;
  virtual void add_linear(const ParameterHandle& weight, const at::Tensor& dy, const at::Tensor& x) = 0;  // dy^T x
  virtual void add_embedding(const ParameterHandle& weight, const at::Tensor& ids, const at::Tensor& dy) = 0;
  virtual void add_dense(const ParameterHandle& weight, const at::Tensor& gradient) = 0;
  // The slot itself, for an op that adds into it while it computes something else; absent when frozen.
  virtual std::optional<at::Tensor> slot(const ParameterHandle& weight) = 0;
};

// Adds at once.
class ImmediateSink : public WgradSink {
 public:
  void add_linear(const ParameterHandle& weight, const at::Tensor& dy, const at::Tensor& x) override;
  void add_embedding(const ParameterHandle& weight, const at::Tensor& ids, const at::Tensor& dy) override;
  void add_dense(const ParameterHandle& weight, const at::Tensor& gradient) override;
  std::optional<at::Tensor> slot(const ParameterHandle& weight) override;
};

// Keeps the factors until flush(); what an op adds by itself (slot) is added at once.
class DeferredSink : public WgradSink {
 public:
  void add_linear(const ParameterHandle& weight, const at::Tensor& dy, const at::Tensor& x) override;
  void add_embedding(const ParameterHandle& weight, const at::Tensor& ids, const at::Tensor& dy) override;
  void add_dense(const ParameterHandle& weight, const at::Tensor& gradient) override;
  std::optional<at::Tensor> slot(const ParameterHandle& weight) override;
  void flush();

 private:
  ImmediateSink now_;
  std::vector<std::function<void()>> waiting_;
};

}  // namespace plumb::model
