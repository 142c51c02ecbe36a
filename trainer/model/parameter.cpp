#include "trainer/model/parameter.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "trainer/model/carry.h"
#include "trainer/ops/embedding.h"
#include "trainer/ops/linear.h"

namespace plumb::model {

const at::Tensor& Carry::at(const std::string& name) const {
  for (const Named& tensor : tensors) {
    if (tensor.name == name) return tensor.value;
  }
  fail_internal("the carry has no tensor \"" + name + "\"");
}

const at::Tensor& ParameterHandle::value() const {
  if (!parameter_->value.defined()) fail_internal(parameter_->names.front() + " is used while its stage is released");
  return parameter_->value;
}

const at::Tensor& ParameterHandle::gradient() const {
  if (!parameter_->gradient.defined()) fail_internal(parameter_->names.front() + " has no gradient slot now");
  return parameter_->gradient;
}

ParameterTable::ParameterTable(std::vector<ParameterInfo> infos) : infos_(std::move(infos)) {}

bool ParameterTable::has(const std::string& name) const {
  for (const ParameterInfo& info : infos_) {
    if (info.name == name) return true;
  }
  return false;
}

const ParameterInfo& ParameterTable::info(const std::string& name) const {
  for (const ParameterInfo& info : infos_) {
    if (info.name == name) return info;
  }
  fail_input(name, "the model has no parameter of this name",
             "canonical names look like blocks.0.attention.q_proj.weight");
}

ParameterHandle ParameterTable::fused(const std::vector<std::string>& names) {
  for (Parameter& parameter : parameters_) {
    if (parameter.names == names) return ParameterHandle(&parameter);
  }
  Parameter parameter;
  parameter.names = names;
  for (const std::string& name : names) {
    const ParameterInfo& one = info(name);
    if (parameter.shape.empty()) {
      parameter.shape = one.shape;
      parameter.stage = static_cast<int>(one.stage);
      parameter.trainable = one.trainable;
    } else {
      if (one.trainable != parameter.trainable || one.shape.size() != 2 || one.shape[1] != parameter.shape[1]) {
        fail_internal(name + " cannot be fused with " + names.front());
      }
      parameter.shape[0] += one.shape[0];
    }
    parameter.numel += one.numel();
  }
  parameters_.push_back(std::move(parameter));
  return ParameterHandle(&parameters_.back());
}

void ImmediateSink::add_linear(const ParameterHandle& weight, const at::Tensor& dy, const at::Tensor& x) {
  if (weight.trainable()) ops::linear_grad_weight_(weight.gradient(), dy, x);
}

void ImmediateSink::add_embedding(const ParameterHandle& weight, const at::Tensor& ids, const at::Tensor& dy) {
  if (weight.trainable()) ops::embedding_grad_weight_(weight.gradient(), ids, dy);
}

void ImmediateSink::add_dense(const ParameterHandle& weight, const at::Tensor& gradient) {
  if (weight.trainable()) weight.gradient().add_(gradient);
}

std::optional<at::Tensor> ImmediateSink::slot(const ParameterHandle& weight) {
  if (!weight.trainable()) return std::nullopt;
  return weight.gradient();
}

void DeferredSink::add_linear(const ParameterHandle& weight, const at::Tensor& dy, const at::Tensor& x) {
  if (weight.trainable()) waiting_.push_back([this, weight, dy, x] { now_.add_linear(weight, dy, x); });
}

void DeferredSink::add_embedding(const ParameterHandle& weight, const at::Tensor& ids, const at::Tensor& dy) {
  if (weight.trainable()) waiting_.push_back([this, weight, ids, dy] { now_.add_embedding(weight, ids, dy); });
}

void DeferredSink::add_dense(const ParameterHandle& weight, const at::Tensor& gradient) {
  if (weight.trainable()) waiting_.push_back([this, weight, gradient] { now_.add_dense(weight, gradient); });
}

std::optional<at::Tensor> DeferredSink::slot(const ParameterHandle& weight) { return now_.slot(weight); }

void DeferredSink::flush() {
  for (const auto& add : waiting_) add();
  waiting_.clear();
}

}  // namespace plumb::model
