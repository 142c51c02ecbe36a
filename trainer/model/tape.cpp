#include "trainer/model/tape.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <new>

#include "core/error.h"

namespace plumb::model {

namespace {

using torch::autograd::Node;
using torch::autograd::variable_list;

class LayerNode : public Node {
 public:
  LayerNode(const char* name, LayerBackward backward) : name_(name), backward_(std::move(backward)) {}
  std::string name() const override { return name_; }
  void release_variables() override { backward_ = nullptr; }

  variable_list apply(variable_list&& doutputs) override {
    if (!backward_) fail_internal(std::string("the tape of ") + name_ + " was run twice");
    const LayerScope scope;
    std::vector<bool> wanted(next_edges().size());
    for (size_t i = 0; i < wanted.size(); ++i) wanted[i] = task_should_compute_output(i);
    variable_list dinputs = backward_(doutputs, wanted);
    dinputs.resize(wanted.size());
    return dinputs;
  }

 private:
  const char* name_;
  LayerBackward backward_;
};

}  // namespace

bool on_tape(at::TensorList inputs) {
  if (!at::GradMode::is_enabled()) return false;
  for (const at::Tensor& input : inputs) {
    if (input.defined() && input.requires_grad()) return true;
  }
  return false;
}

void record(const char* name, at::TensorList inputs, at::TensorList outputs, LayerBackward backward) {
  const std::shared_ptr<LayerNode> node(new LayerNode(name, std::move(backward)), torch::autograd::deleteNode);
  torch::autograd::edge_list edges;
  edges.reserve(inputs.size());
  for (const at::Tensor& input : inputs) {
    edges.push_back(input.defined() ? torch::autograd::impl::gradient_edge(input) : torch::autograd::Edge());
  }
  node->set_next_edges(std::move(edges));
  for (const at::Tensor& output : outputs) {
    const uint32_t number = node->add_input_metadata(output);
    torch::autograd::impl::set_gradient_edge(output, {node, number});
  }
}

at::Tensor plain(const at::Tensor& tensor) {
  const LayerScope scope;
  return tensor.detach();
}

at::Tensor leaf(const at::Tensor& tensor) {
  at::Tensor result = plain(tensor);
  result.set_requires_grad(true);
  return result;
}

at::Tensor anchor(at::Device device) { return leaf(at::empty({0}, at::TensorOptions().device(device))); }

std::vector<at::Tensor> run_backward(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& seeds,
                                     const std::vector<at::Tensor>& leaves) {
  std::vector<at::Tensor> roots, gradients;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined() || !outputs[i].requires_grad() || !seeds[i].defined()) continue;
    roots.push_back(outputs[i]);
    gradients.push_back(seeds[i]);
  }
  if (roots.empty()) return std::vector<at::Tensor>(leaves.size());
  return torch::autograd::grad(roots, leaves, gradients, /*retain_graph=*/false, /*create_graph=*/false,
                               /*allow_unused=*/true);
}

Recording::Recording(bool on) : before_(at::GradMode::is_enabled()) { at::GradMode::set_enabled(on); }
Recording::~Recording() { at::GradMode::set_enabled(before_); }

static_assert(sizeof(at::AutoDispatchBelowADInplaceOrView) <= 64);
LayerScope::LayerScope() { new (guard_) at::AutoDispatchBelowADInplaceOrView(); }
LayerScope::~LayerScope() {
  std::launder(reinterpret_cast<at::AutoDispatchBelowADInplaceOrView*>(guard_))->~AutoDispatchBelowADInplaceOrView();
}

}  // namespace plumb::model
