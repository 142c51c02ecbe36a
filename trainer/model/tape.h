// The tape inside a stage: one node per fused layer, recorded by LibTorch's autograd. The only door to it; the units
// that include this see no autograd headers.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <vector>

namespace plumb::model {

// Gradients of the outputs in, gradients of the inputs out. An output that nobody used arrives undefined; an input
// whose `wanted` is false may stay undefined. Runs without recording.
using LayerBackward =
    std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& doutputs, const std::vector<bool>& wanted)>;

// True when recording is on and one of the inputs needs a gradient: only then is it worth saving anything.
bool on_tape(at::TensorList inputs);

// Puts a layer on the tape: `outputs` were computed from `inputs` without recording. What `backward` captured is freed
// as soon as it has run. It must not capture an output itself (a cycle); plain(output) is the same memory and safe.
void record(const char* name, at::TensorList inputs, at::TensorList outputs, LayerBackward backward);

// The same memory without history.
at::Tensor plain(const at::Tensor& tensor);
// A new leaf on the same memory: the input of a stage, of which a gradient is wanted.
at::Tensor leaf(const at::Tensor& tensor);
// A leaf without content: gives the first trainable stage an input that needs a gradient.
at::Tensor anchor(at::Device device);

// Runs the tape from `outputs` (those without history are left out), seeded by `seeds`; returns the gradients of
// `leaves`, undefined where none arrives. The tape is freed.
std::vector<at::Tensor> run_backward(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& seeds,
                                     const std::vector<at::Tensor>& leaves);

// Switches recording on or off in this thread for its lifetime.
class Recording {
 public:
  explicit Recording(bool on);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  bool before_;
};

// Inside a layer nothing is recorded and the dispatcher skips autograd altogether.
class LayerScope {
 public:
  LayerScope();
  ~LayerScope();
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

 private:
  alignas(16) unsigned char guard_[64];
};

}  // namespace plumb::model
